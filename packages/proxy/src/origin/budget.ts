import type { Clock } from '../clock.js';
import { checkWanted, Deadline, whenAborted } from './deadline.js';
import { OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';

/** Gives a session of the budget back. Idempotent. */
export type Release = () => void;

/**
 * How many sessions an origin is asked for at a time. Many recorders take three or four and answer 453 to one more; here
 * the next one waits in line, first come, first served.
 */
export class SessionBudget {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #line: (() => void)[] = [];
  #used = 0;

  /** @param most sessions at a time, Infinity for no limit */
  constructor(o: { clock: Clock; most: number }) {
    this.#clock = o.clock;
    this.#most = o.most;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** @throws OriginError `budget` after 10 s, or at once where 256 wait already; `aborted` */
  async acquire(signal: AbortSignal): Promise<Release> {
    checkWanted(signal);
    if (this.#used < this.#most) this.#used++;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (held) this.#next();
      held = false;
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#line.length >= ORIGIN_LIMITS.budgetWaiters) throw new OriginError('budget', 'the line is full');
    const ms = ORIGIN_LIMITS.budgetMs;
    const deadline = new Deadline({ clock: this.#clock, ms, what: 'waiting in line', parents: [signal] });
    try {
      await new Promise<void>((resolve, reject) => {
        const turn = (): void => {
          stopWaiting();
          resolve();
        };
        const stopWaiting = whenAborted(deadline.signal, (reason) => {
          this.#line.splice(this.#line.indexOf(turn), 1);
          reject(
            reason.code === 'timeout' ? new OriginError('budget', `no session within ${ms} ms`) : reason,
          );
        });
        this.#line.push(turn);
      });
    } finally {
      deadline.end();
    }
  }

  /** The session goes to whoever is first in line, without being free in between. */
  #next(): void {
    const turn = this.#line.shift();
    if (turn === undefined) this.#used--;
    else turn();
  }
}
