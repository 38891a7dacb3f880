import type { Clock, TimerHandle } from '../clock.js';
import { OriginError } from './errors.js';

/**
 * A time limit joined to the wishes of others: its signal aborts with an OriginError, `timeout` when the time is over,
 * `aborted` when one of `parents` aborts. Whoever makes one must end() it.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #parents: readonly AbortSignal[];
  readonly #timer: TimerHandle;
  readonly #follow: () => void;

  /** @param what for the error message: what took too long */
  constructor(o: { clock: Clock; ms: number; what: string; parents?: readonly AbortSignal[] }) {
    this.#clock = o.clock;
    this.#parents = o.parents ?? [];
    this.#timer = o.clock.setTimeout(() => {
      this.#abort(new OriginError('timeout', `${o.what} took more than ${o.ms} ms`));
    }, o.ms);
    this.#follow = () => this.#abort(abortedBy(this.#parents.find((p) => p.aborted)?.reason));
    for (const parent of this.#parents) {
      if (parent.aborted) this.#follow();
      else parent.addEventListener('abort', this.#follow, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    this.#clock.clearTimeout(this.#timer);
    for (const parent of this.#parents) parent.removeEventListener('abort', this.#follow);
  }

  #abort(reason: OriginError): void {
    this.end();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }
}

function abortedBy(reason: unknown): OriginError {
  return reason instanceof OriginError
    ? reason
    : new OriginError('aborted', 'no longer wanted', { cause: reason });
}

/** @throws OriginError why `signal` aborted, if it has */
export function checkWanted(signal: AbortSignal): void {
  if (signal.aborted) throw abortedBy(signal.reason);
}

/** Calls `callback` with the reason when `signal` aborts; one that has aborted already is asked with checkWanted(). */
export function whenAborted(signal: AbortSignal, callback: (reason: OriginError) => void): () => void {
  const listener = (): void => callback(abortedBy(signal.reason));
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
