/** One range as one viewer played it: from PLAY to PAUSE, a seek, the end or the loss of the viewer. */
export interface Viewing {
  /** Path and query, canonical, as viewers ask this proxy for the title. */
  readonly title: string;
  /** Wall clock of the beginning, milliseconds since 1970. */
  readonly startedUnixMs: number;
  /** Length of the whole title. */
  readonly durationSeconds: number;
  /** NPT of the first media sent. */
  readonly startSeconds: number;
  /** Media time delivered. */
  readonly watchedSeconds: number;
  /** What the title takes on average, RTP headers included, as measured over the longest viewing so far. */
  readonly bitrateBps: number;
}

/** What is known as a viewing begins. */
export interface ViewingStart {
  readonly title: string;
  readonly unixMs: number;
  readonly nowMs: number;
  readonly durationSeconds: number;
  readonly startSeconds: number;
  /** Media bytes that the session has been sent before. */
  readonly bytes: number;
}

/** What is known as it ends. */
export interface ViewingEnd {
  readonly nowMs: number;
  readonly bytes: number;
  /** NPT behind the last media sent; undefined: not known, the time that has passed must do. */
  readonly endSeconds: number | undefined;
}

const MOST_TITLES = 4096;

interface Measure {
  readonly seconds: number;
  readonly bitrateBps: number;
}

/** Turns ranges played into reports. What was asked for and never came is not reported, and nothing live is. */
export class Viewings {
  readonly #report: (viewing: Viewing) => void;
  /** By title, the least recently played first. */
  readonly #measures = new Map<string, Measure>();

  constructor(report: (viewing: Viewing) => void) {
    this.#report = report;
  }

  finish(start: ViewingStart, end: ViewingEnd): void {
    const { title, startSeconds, durationSeconds } = start;
    const bytes = end.bytes - start.bytes;
    const passedSeconds = (end.nowMs - start.nowMs) / 1000;
    const endSeconds = Math.min(end.endSeconds ?? startSeconds + passedSeconds, durationSeconds);
    const watchedSeconds = endSeconds - startSeconds;
    if (!(bytes > 0) || !(watchedSeconds > 0)) return;
    const { bitrateBps } = this.#measure(title, { seconds: watchedSeconds, bytes });
    this.#report({
      title,
      startedUnixMs: start.unixMs,
      durationSeconds,
      startSeconds,
      watchedSeconds,
      bitrateBps,
    });
  }

  #measure(title: string, { seconds, bytes }: { seconds: number; bytes: number }): Measure {
    const known = this.#measures.get(title);
    const measure =
      known !== undefined && known.seconds > seconds
        ? known
        : { seconds, bitrateBps: Math.round((bytes * 8) / seconds) };
    this.#measures.delete(title);
    this.#measures.set(title, measure);
    if (this.#measures.size > MOST_TITLES) {
      for (const oldest of this.#measures.keys()) {
        this.#measures.delete(oldest);
        break;
      }
    }
    return measure;
  }
}
