import type { OperationalClock } from './operational-clock.js';
import type { Reach } from './reach.js';
import type { Titles } from './titles.js';
import type { IndexQuestion, Viewers } from './viewers.js';

/** The terms of a segment's value, each of which can be left out. */
export type Term =
  'corrections' | 'viewers on their way' | 'reach of the title' | 'reach' | 'operational clock';

export interface WorthOptions {
  /** What a start without delay is worth, as a share of what its session will be delivered. */
  readonly startShare: number;
  /** Segments that begin within so many seconds of a title are its start. */
  readonly startSeconds: number;
  /** Terms left out, to measure what they are worth. */
  readonly without?: readonly Term[];
  readonly truth?: Truth;
}

/** Rates and reach known from elsewhere, for the causal bound of a generated workload. */
interface Truth {
  /** Sessions a wall second. */
  rate(title: number, nowSeconds: number): number;
  share(title: number, startSeconds: number, endSeconds: number): number;
}

/** What is learned, and who is watching. */
interface Known {
  readonly clock: OperationalClock;
  readonly titles: Titles;
  readonly reach: Reach;
  readonly viewers: Viewers;
}

/** What a segment is worth: the expected demand for it, per second of operational time. */
export class Worth {
  /** The present, of all that is asked next. */
  nowSeconds = 0;
  /** Where the viewers of the segment that {@link Worth.value} was last asked for are counted: {@link Reach.point}. */
  point = 0;
  readonly #clock: OperationalClock;
  readonly #titles: Titles;
  readonly #reach: Reach;
  readonly #viewers: Viewers;
  readonly #truth: Truth | undefined;
  readonly #hasViewers: boolean;
  readonly #hasReach: boolean;
  /** What nobody watches is worth what newcomers make of it: no term of that is left out, or told. */
  readonly #isPlain: boolean;
  readonly #startShare: number;
  readonly #startSeconds: number;
  readonly #question: IndexQuestion = {
    title: 0,
    startSeconds: 0,
    durationSeconds: 0,
    share: 0,
    rate: 0,
    delaySeconds: 0,
    nowSeconds: 0,
    speed: 1,
  };
  /** What was asked last, and the answer, while nothing has changed since: an offer and its storing ask for the same. */
  readonly #last = { title: -1, startSeconds: 0, durationSeconds: 0, nowSeconds: 0, value: 0 };

  constructor(known: Known, options: WorthOptions) {
    this.#clock = known.clock;
    this.#titles = known.titles;
    this.#reach = known.reach;
    this.#viewers = known.viewers;
    this.#truth = options.truth;
    this.#hasViewers = options.without?.includes('viewers on their way') !== true;
    this.#hasReach = options.without?.includes('reach') !== true;
    this.#isPlain = this.#truth === undefined && this.#hasViewers;
    this.#startShare = options.startShare;
    this.#startSeconds = options.startSeconds;
  }

  value(title: number, startSeconds: number, durationSeconds: number, nowSeconds: number): number {
    const last = this.#last;
    if (
      title === last.title &&
      startSeconds === last.startSeconds &&
      durationSeconds === last.durationSeconds &&
      nowSeconds === last.nowSeconds
    )
      return last.value;
    this.point = this.#reach.point(title, startSeconds, startSeconds + durationSeconds);
    last.title = title;
    last.startSeconds = startSeconds;
    last.durationSeconds = durationSeconds;
    last.nowSeconds = nowSeconds;
    this.nowSeconds = nowSeconds;
    last.value = this.valueAt(title, startSeconds, durationSeconds, this.point);
    return last.value;
  }

  /** Viewers came, went on or went, or something was learned. */
  changed(): void {
    this.#last.title = -1;
  }

  /** {@link Worth.value} of a segment whose viewers are counted at `point`. */
  valueAt(title: number, startSeconds: number, durationSeconds: number, point: number): number {
    const share = this.#hasReach ? this.#reach.share(title, point) : 1;
    let rate = share * this.#titles.rate(title, this.#clock.u);
    let index: number;
    if (this.#isPlain && !this.#viewers.watching(title)) {
      index = rate / (startSeconds * this.#clock.speed * rate + 1);
    } else {
      const question = this.#ask(title, startSeconds, durationSeconds);
      question.share = share;
      question.rate = rate;
      if (this.#truth !== undefined) this.#beTold(this.#truth);
      rate = question.rate;
      index = this.#hasViewers ? this.#viewers.index(question) : rate;
    }
    return startSeconds < this.#startSeconds ? index + this.#startBonus(title, rate, durationSeconds) : index;
  }

  #ask(title: number, startSeconds: number, durationSeconds: number): IndexQuestion {
    const question = this.#question;
    const { speed } = this.#clock;
    question.title = title;
    question.startSeconds = startSeconds;
    question.durationSeconds = durationSeconds;
    question.nowSeconds = this.nowSeconds;
    question.delaySeconds = startSeconds * speed;
    question.speed = speed;
    return question;
  }

  /** What a start of the title without delay is worth, for one segment. */
  #startBonus(title: number, rate: number, durationSeconds: number): number {
    return (rate * this.#startShare * this.#reach.watchedSeconds(title)) / durationSeconds;
  }

  #beTold(truth: Truth): void {
    const question = this.#question;
    const { title, startSeconds, durationSeconds, nowSeconds, speed } = question;
    question.share = truth.share(title, startSeconds, startSeconds + durationSeconds);
    question.rate = (question.share * truth.rate(title, nowSeconds)) / speed;
  }
}
