import type { Clock } from '../clock.js';

/** A refusal is repeated for this long without asking. */
const NEGATIVE_MS = 2000;
const MAX_REFUSALS = 4096;

/** Questions to origins, each asked once for all who want to know at the same time. */
export class Questions<T> {
  readonly #clock: Clock;
  readonly #running = new Map<string, Promise<T>>();
  readonly #refused = new Map<string, { readonly error: Error; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The answer to the question named `key`, which is asked unless it is being asked already, or was refused within the last
   * two seconds.
   * @throws what `ask` throws
   */
  ask(key: string, ask: () => Promise<T>): Promise<T> {
    const refused = this.#refused.get(key);
    const isRefused = refused !== undefined && refused.untilMs > this.#clock.nowMs();
    return isRefused && !this.#running.has(key) ? Promise.reject(refused.error) : this.askAnew(key, ask);
  }

  /** The same, whatever was answered before. */
  askAnew(key: string, ask: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const asking = ask()
      .then(
        (answer) => {
          this.#refused.delete(key);
          return answer;
        },
        (error: Error) => {
          if (this.#refused.size >= MAX_REFUSALS) this.#refused.clear();
          this.#refused.set(key, { error, untilMs: this.#clock.nowMs() + NEGATIVE_MS });
          throw error;
        },
      )
      .finally(() => this.#running.delete(key));
    this.#running.set(key, asking);
    return asking;
  }
}
