import { OriginError, type OriginErrorCode } from '../origin/errors.js';
import type { Need } from '../origin/budget.js';
import type { FillMethod } from '../origin/fill-methods.js';
import type { Destination, OpenOptions, OriginSession, OriginSink } from '../origin/session.js';
import { Ending, type EndingVerdict } from './ending.js';
import { Haste } from './haste.js';
import { Joining } from './joining.js';
import { type Held, JOINT_MICROS } from './row.js';
import { askFor, isTold, startOf } from './start-point.js';
import { Stitch } from './stitch.js';
import type { Title } from './title.js';

/** After reaching held media, stragglers of other streams are awaited this long. */
const CLOSING_MS = 1000;
/** Whoever was let in later than this was in line. */
const WAITED_MS = 50;
/** Two goodbyes this close to each other are at one place. */
export const SAME_PLACE_MICROS = 500_000;

/** Errors that may be about how the media was asked for. */
const REFUSALS: ReadonlySet<OriginErrorCode> = new Set(['refused', 'range', 'unavailable']);

/** `waiting`: in line for a session of the origin's budget. */
export type FlightState = 'waiting' | 'opening' | 'flying' | 'closing' | 'over';
/**
 * `goodbye`: the origin took leave long before the title's end. `unfit`: asked for more than the pace of the media, it
 * sent something else than before; nothing of it was kept.
 */
export type FlightEnd = 'title-end' | 'reached-held' | 'unneeded' | 'unfit' | 'goodbye' | 'fault';

export interface FlightOptions {
  readonly title: Title;
  readonly fromMicros: number;
  /** Where the origin said goodbye in mid-title time and again: if it does so once more, the title ends there. */
  readonly goodbyeMicros: number | undefined;
  /** How it is asked for faster than it plays. */
  readonly fill: FillMethod | undefined;
  /** Whom it is for, by now. */
  readonly need: () => Need;
  /** It begins a segment, or goes on with one. */
  readonly onSegment: () => void;
  /** It begins to bring media. */
  readonly onFirst: () => void;
  readonly onOver: (end: FlightEnd, error: OriginError | undefined) => void;
}

/** One origin session that fills segments of a title from some NPT onward. */
export class Flight implements OriginSink {
  /**
   * The first segment it fills, or goes on with, or the held one that has the key frame from which the origin starts; rejected
   * when it fails before.
   */
  readonly opened: Promise<Held>;
  /** Where it was asked to fill from. */
  readonly fromMicros: number;
  readonly #o: FlightOptions;
  readonly #title: Title;
  readonly #abort = new AbortController();
  #resolveOpened!: (held: Held) => void;
  #rejectOpened!: (error: Error) => void;
  #state: FlightState = 'waiting';
  #isThrottled = false;
  #session: OriginSession | undefined;
  #stitch: Stitch | undefined;
  /** The first segment it fills. */
  #first: Held | undefined;
  #ending: Ending;
  #closingDeadlineMs = 0;
  /** What it was to bring was held before. */
  readonly #wasHeld: boolean;
  readonly #bornMs: number;
  #hasWaited = false;
  /** NPT that the origin is asked for. */
  #askMicros = 0;
  /** Where it is asked for faster than it plays. */
  readonly #haste: Haste | undefined;

  constructor(options: FlightOptions) {
    this.#o = options;
    this.#title = options.title;
    this.fromMicros = options.fromMicros;
    this.#bornMs = this.#nowMs();
    this.#ending = this.#newEnding();
    this.#haste = options.fill === undefined ? undefined : new Haste(options.title, options.fill);
    this.#wasHeld = this.#isHeld();
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    this.opened.catch(() => undefined);
    this.#open().catch((error: unknown) => this.#over('fault', asOriginError(error)));
  }

  get state(): FlightState {
    return this.#state;
  }

  /** It had to wait in line for its session. */
  get hasWaited(): boolean {
    return this.#hasWaited;
  }

  /** NPT up to which it has filled. */
  get positionMicros(): number {
    return this.#stitch?.positionMicros ?? this.fromMicros;
  }

  /** How it is asked for faster than it plays. */
  get fill(): FillMethod | undefined {
    return this.#o.fill;
  }

  /** It has brought something. */
  get hasFilled(): boolean {
    return this.#stitch?.hasFilled === true;
  }

  /** The segment that it fills now, else the first that it will. */
  frontier(): Promise<Held> {
    const current = this.#stitch?.current;
    return current === undefined ? this.opened : Promise.resolve(current);
  }

  /** NPT of the earliest that it may still bring: what it has not passed; Infinity: nothing. */
  get bringsFromMicros(): number {
    if (this.#state === 'closing' || this.#state === 'over') return Infinity;
    const current = this.#stitch?.current;
    if (current === undefined) return this.positionMicros;
    // Where it began later than it was asked to, there is no random access point in between.
    return current === this.#first ? Math.min(current.startMicros, this.fromMicros) : current.startMicros;
  }

  /** Whether it may still bring what lies at NPT `micros`. */
  mayBring(micros: number): boolean {
    return micros >= this.bringsFromMicros - JOINT_MICROS;
  }

  /** Stops taking packets from an origin that runs far ahead of its readers, and goes on. */
  throttle(isHeld: boolean): void {
    this.#isThrottled = isHeld;
    this.#haste?.hold(isHeld);
    if (isHeld) this.#session?.pauseReading();
    else {
      this.#ending.resume(this.#nowMs());
      this.#session?.resumeReading();
    }
  }

  /** Ends the flight because nobody needs what it would fetch next. */
  close(): void {
    this.#over('unneeded', undefined);
  }

  /** Called now and then: releases what waits, and looks whether the origin is done. */
  tick(nowMs: number): void {
    const stitch = this.#stitch;
    if (stitch === undefined || this.#isOver()) return;
    this.#attempt(() => stitch.tick(nowMs));
    if (this.#isOver()) return;
    this.#haste?.judge(this.positionMicros, false);
    if (this.#state === 'closing') {
      if (nowMs >= this.#closingDeadlineMs) stitch.settle();
      if (!stitch.draining) this.#over('reached-held', undefined);
      return;
    }
    const verdict = this.#isThrottled ? 'running' : this.#verdict(nowMs);
    if (verdict === 'end') this.#over('title-end', undefined);
    else if (verdict !== 'running')
      this.#over(verdict, new OriginError('origin-silent', 'the origin stopped sending'));
  }

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    const stitch = this.#stitch;
    if (stitch === undefined || this.#state === 'over') return;
    stitch.arrivalMs = this.#nowMs();
    this.#ending.packet(stream);
    try {
      stitch.packet(stream, bytes, start, end);
    } catch (error) {
      this.#defect(error);
    }
  }

  senderReport(stream: number, report: { packetCount: number }): void {
    this.#ending.senderReport(stream, report.packetCount);
  }

  bye(stream: number): void {
    this.#ending.bye(stream);
    this.tick(this.#nowMs());
  }

  closed(error: OriginError | undefined): void {
    if (this.#state === 'over') return;
    if (this.#verdict(this.#nowMs()) === 'end') this.#over('title-end', undefined);
    else this.#over('fault', error ?? new OriginError('origin-closed', 'the origin closed the session'));
  }

  async #open(): Promise<void> {
    const title = this.#title;
    const streams = title.streams.map((_, i) => i);
    const { signal } = this.#abort;
    const turn = {
      need: this.#o.need,
      come: () => this.#comeTurn(),
      lost: () => this.#move('opening', 'waiting'),
    };
    const { fill } = this.#o;
    const session = await this.#openSession({ ...this.#destination(), streams, signal, turn, fill });
    if (session === undefined) return;
    const askMicros = this.#askMicros;
    if (this.#isOver()) {
      await session.close();
      return;
    }
    this.#session = session;
    if (title.liveTime !== undefined) this.#begin(session, title.beginPull(title.liveTime), undefined);
    else await this.#joinAt(session, startOf(title, session.reply.range, askMicros));
  }

  async #joinAt(session: OriginSession, startMicros: number): Promise<void> {
    const title = this.#title;
    const { fill } = this.#o;
    const held = title.row.covering(startMicros);
    const behind = held && title.row.stretchEnd(held);
    if (held !== undefined && isTold(session.reply.range)) this.#resolveOpened(held);
    if (behind?.state === 'open' && behind.flying && fill === undefined) {
      // Another flight is there already, and ahead.
      this.#over('unneeded', undefined);
      return;
    }
    const isSeekProven = startMicros === 0 || title.findings.probablySeeks === true;
    const joining =
      behind === undefined
        ? undefined
        : await Joining.behind(title, behind, { isSeekProven, isTrial: fill !== undefined });
    if (this.#isOver()) return;
    // Without held media to compare with, nobody knows what it would be that comes faster than it plays.
    if (fill !== undefined && joining === undefined) this.#over('unneeded', undefined);
    else this.#begin(session, startMicros, joining);
  }

  /** @returns undefined where the origin refuses to play faster than the media @throws OriginError */
  async #openSession(options: OpenOptions): Promise<OriginSession | undefined> {
    try {
      return await this.#title.client.open(options, this);
    } catch (error) {
      const isRefusal = error instanceof OriginError && REFUSALS.has(error.code);
      if (options.fill === undefined || !isRefusal) throw error;
      this.#haste?.failed('refused');
      this.#over('unfit', undefined);
      return undefined;
    }
  }

  /** Its turn in line has come: what was held or described when it got into line may be so no more. */
  async #comeTurn(): Promise<Destination> {
    const title = this.#title;
    if (!this.#wasHeld && this.#isHeld()) {
      this.#over('unneeded', undefined);
      throw new OriginError('aborted', 'somebody else has brought it');
    }
    this.#hasWaited ||= this.#nowMs() - this.#bornMs >= WAITED_MS;
    this.#move('waiting', 'opening');
    await title.onOpening?.();
    return this.#destination();
  }

  #isHeld(): boolean {
    const { live, row } = this.#title;
    return !live && row.covering(this.fromMicros + 2 * JOINT_MICROS) !== undefined;
  }

  #destination(): Destination {
    const title = this.#title;
    // A live origin is never sent a range: one that shares its media would stop for everybody.
    if (title.live) return { origin: title.origin, startSeconds: undefined };
    this.#askMicros = askFor(title, this.fromMicros, this.#o.fill !== undefined);
    return { origin: title.origin, startSeconds: this.#askMicros / 1e6 };
  }

  #move(from: FlightState, to: FlightState): void {
    if (this.#state === from) this.#state = to;
  }

  #begin(session: OriginSession, startMicros: number, joining: Joining | undefined): void {
    this.#stitch = new Stitch({
      title: this.#title,
      fromMicros: this.#title.live ? startMicros : this.fromMicros,
      startMicros,
      startMs: this.#nowMs(),
      rtpInfo: session.reply.rtpInfo,
      joining,
      isTrial: this.#o.fill !== undefined,
      onUnfit: () => {
        this.#haste?.failed('unequal');
        this.#over('unfit', undefined);
      },
      onFill: (held) => this.#filled(held),
      onHeld: (nowMs) => {
        this.#state = 'closing';
        this.#closingDeadlineMs = nowMs + CLOSING_MS;
      },
      onLost: (error) => {
        if (error === undefined) this.#over('reached-held', undefined);
        else this.#over('fault', asOriginError(error));
      },
    });
    this.#ending = this.#newEnding();
    this.#state = 'flying';
    session.start();
  }

  #filled(held: Held): void {
    if (this.#first === undefined) {
      this.#haste?.begin(this.positionMicros);
      this.#o.onFirst();
    }
    this.#first ??= held;
    this.#resolveOpened(held);
    this.#o.onSegment();
  }

  #newEnding(): Ending {
    return new Ending(this.#nowMs(), this.#title.client.profile.saysBye === true);
  }

  /** Live media has no end that an origin could announce: it is tried again. */
  #verdict(nowMs: number): EndingVerdict {
    const { live, durationSeconds } = this.#title;
    const verdict = this.#ending.verdict(nowMs, this.positionMicros / 1e6, durationSeconds);
    if (live) return verdict === 'running' ? 'running' : 'fault';
    return verdict === 'goodbye' && this.#isGoodbyeBelieved() ? 'end' : verdict;
  }

  #isGoodbyeBelieved(): boolean {
    const before = this.#o.goodbyeMicros;
    return before !== undefined && Math.abs(this.positionMicros - before) <= SAME_PLACE_MICROS;
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #nowMs(): number {
    return this.#title.shelves.clock.nowMs();
  }

  #over(end: FlightEnd, error: OriginError | undefined): void {
    if (this.#state === 'over') return;
    this.#haste?.judge(this.positionMicros, true);
    this.#state = 'over';
    this.#abort.abort();
    this.#attempt(() => this.#leave(end));
    this.#rejectOpened(error ?? new OriginError('origin-closed', 'the flight ended before it delivered'));
    this.#session?.close().catch(() => undefined);
    this.#o.onOver(end, error);
  }

  /** Leaves what it filled as the next flight, or nobody, needs it. */
  #leave(end: FlightEnd): void {
    const nowMs = this.#nowMs();
    // What is only believed is not written to the disk.
    if (end === 'title-end') {
      this.#title.client.profile.saysBye = this.#ending.isGoodbye;
      this.#stitch?.finish(nowMs, this.#isGoodbyeBelieved() ? 'believed' : 'told');
    } else if (this.#title.live) this.#stitch?.finish(nowMs, 'no');
    else this.#stitch?.suspend(end !== 'unneeded' && end !== 'unfit');
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#defect(error);
    }
  }

  /** A defect of ours ends the flight, and nothing else. */
  #defect(error: unknown): void {
    this.#title.shelves.log.error({ error }, 'flight lost to a defect');
    this.#over('fault', asOriginError(error));
  }
}

function asOriginError(error: unknown): OriginError {
  if (error instanceof OriginError) return error;
  return new OriginError('internal', 'the flight failed', { cause: error });
}
