import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { checkWanted } from '../origin/deadline.js';
import { type Asker, DescriptionLine, Turn } from '../origin/description-line.js';

/** A refusal is repeated for this long without asking. */
const NEGATIVE_MS = 2000;
const MAX_REFUSALS = 4096;

/** What is asked, and of which origin. */
export interface Subject {
  readonly key: string;
  /** Metric label of the route. */
  readonly origin: string;
}

interface Running<T> {
  readonly turn: Turn;
  /** In which it takes its turn, also for those who ask by another route. */
  readonly line: DescriptionLine;
  /** Once it is asked. */
  answer: Promise<T> | undefined;
}

/** Questions to origins, each asked once for all who want to know at the same time, and so many of one origin at a time. */
export class Questions<T> {
  readonly #clock: Clock;
  readonly #metrics: Pick<Metrics, 'originFaults'>;
  readonly #lines = new Map<string, DescriptionLine>();
  readonly #running = new Map<string, Running<T>>();
  readonly #refused = new Map<string, { readonly error: Error; readonly untilMs: number }>();

  constructor(clock: Clock, metrics: Pick<Metrics, 'originFaults'>) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /**
   * The answer to a question, which is asked, in its turn, unless it is being asked already, or was refused by the origin
   * within the last two seconds.
   * @throws what `ask` throws; OriginError `crowded` when too much is asked of the origin, `aborted` when the asker left
   *   while it waited
   */
  async ask(subject: Subject, asker: Asker, ask: () => Promise<T>): Promise<T> {
    const refused = this.#refused.get(subject.key);
    const isRefused = refused !== undefined && refused.untilMs > this.#clock.nowMs();
    if (isRefused && !this.#running.has(subject.key)) throw refused.error;
    return this.askAnew(subject, asker, ask);
  }

  /** The same, whatever was answered before. */
  async askAnew({ key, origin }: Subject, asker: Asker, ask: () => Promise<T>): Promise<T> {
    if (asker.signal !== undefined) checkWanted(asker.signal);
    const running = this.#runningOf(key, origin);
    const { turn, line } = running;
    try {
      await line.wait(turn, asker);
      running.answer ??= this.#answer(key, ask).finally(() => line.end(turn));
      return await running.answer;
    } finally {
      if (turn.state === 'over' && this.#running.get(key) === running) this.#running.delete(key);
    }
  }

  async #answer(key: string, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      this.#refused.delete(key);
      return answer;
    } catch (error) {
      if (this.#refused.size >= MAX_REFUSALS) this.#refused.clear();
      this.#refused.set(key, { error: error as Error, untilMs: this.#clock.nowMs() + NEGATIVE_MS });
      throw error;
    }
  }

  #runningOf(key: string, origin: string): Running<T> {
    const known = this.#running.get(key);
    if (known !== undefined && known.turn.state !== 'over') return known;
    const running = { turn: new Turn(), line: this.#lineOf(origin), answer: undefined };
    this.#running.set(key, running);
    return running;
  }

  #lineOf(origin: string): DescriptionLine {
    let line = this.#lines.get(origin);
    if (line === undefined) {
      line = new DescriptionLine(this.#clock, () =>
        this.#metrics.originFaults.inc({ origin, reason: 'crowded' }),
      );
      this.#lines.set(origin, line);
    }
    return line;
  }
}
