import type { CacheError } from './errors.js';

export type DiskOperation = 'read' | 'write';

/** Failures in a row after which an operation is suspended. A damaged file says little of the disk. */
const FAILURES_MAX: Readonly<Record<DiskOperation, number>> = { read: 5, write: 1 };
const BACK_OFF_FIRST_SECONDS = 1;
const BACK_OFF_MAX_SECONDS = 8;

interface OperationState {
  failures: number;
  backOffSeconds: number;
  retryAtSeconds: number;
  /** Calls that did not come back in time, and have not yet. */
  overdue: number;
}

/**
 * Whether the disk is worth asking. A failure suspends its kind of operation, for 1, 2, 4, 8, 8 ... seconds;
 * then the next caller tries. A call that hangs suspends it until the call comes back, so that no more of
 * the few threads for file access are lost to the same disk.
 */
export class DiskHealth {
  readonly #nowSeconds: () => number;
  readonly #changed: (error: CacheError | undefined, retrySeconds: number) => void;
  readonly #states: Readonly<Record<DiskOperation, OperationState>> = {
    read: wellState(),
    write: wellState(),
  };

  /** @param changed called with the error when the disk degrades further, with undefined when it is well again. */
  constructor(
    nowSeconds: () => number,
    changed: (error: CacheError | undefined, retrySeconds: number) => void,
  ) {
    this.#nowSeconds = nowSeconds;
    this.#changed = changed;
  }

  /** Some operation failed or hangs, and none of its kind has succeeded since. */
  get degraded(): boolean {
    return isDegraded(this.#states.write, 'write') || isDegraded(this.#states.read, 'read');
  }

  /** @param overdueMax as many calls may hang before the operation is suspended; 0 for writes. */
  may(operation: DiskOperation, overdueMax: number): boolean {
    const state = this.#states[operation];
    if (state.overdue > overdueMax) return false;
    if (state.failures < FAILURES_MAX[operation]) return true;
    const waitSeconds = state.retryAtSeconds - this.#nowSeconds();
    return waitSeconds <= 0 || waitSeconds > BACK_OFF_MAX_SECONDS;
  }

  failed(operation: DiskOperation, error: CacheError): void {
    const state = this.#states[operation];
    state.failures++;
    if (state.failures < FAILURES_MAX[operation]) return;
    state.backOffSeconds = Math.min(
      Math.max(2 * state.backOffSeconds, BACK_OFF_FIRST_SECONDS),
      BACK_OFF_MAX_SECONDS,
    );
    state.retryAtSeconds = this.#nowSeconds() + state.backOffSeconds;
    this.#changed(error, state.backOffSeconds);
  }

  succeeded(operation: DiskOperation): void {
    const before = this.degraded;
    const state = this.#states[operation];
    state.failures = 0;
    state.backOffSeconds = 0;
    if (before && !this.degraded) this.#changed(undefined, 0);
  }

  /** A call is overdue. @returns to be called when it has come back. */
  overdue(operation: DiskOperation, error: CacheError): () => void {
    const state = this.#states[operation];
    state.overdue++;
    this.#changed(error, 0);
    return () => {
      const before = this.degraded;
      state.overdue--;
      if (before && !this.degraded) this.#changed(undefined, 0);
    };
  }
}

function isDegraded(state: OperationState, operation: DiskOperation): boolean {
  return state.overdue > 0 || state.failures >= FAILURES_MAX[operation];
}

function wellState(): OperationState {
  return { failures: 0, backOffSeconds: 0, retryAtSeconds: 0, overdue: 0 };
}
