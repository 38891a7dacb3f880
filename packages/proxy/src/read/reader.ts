import { RtspError, type RtspRange } from '@forebay/rtsp';
import type { Flights, Rider } from '../fill/flights.js';
import type { Title } from '../fill/title.js';
import type { Source } from '../metrics.js';
import { OriginError } from '../origin/errors.js';
import { type Cursor, cursorAt, inBounds, sentEndMicros, type Start } from './cursor.js';
import { askedRange } from './asked.js';
import type { PlayResult, Reader, ReaderOptions, ReaderStats } from './library.js';
import type { Paced, Pacer } from './pacer.js';
import { horizon } from './plan.js';
import { findStart, newestStart } from './start.js';
import { Supply } from './supply.js';
import type { Timeline } from './timeline.js';

/** How often a reader looks whether it needs a flight. */
const SURVEY_MS = 100;
/** A packet of a growing segment may leave this early: it came when the origin sent it. */
const FOLLOW_LEAD_MICROS = 50_000;
/** Media that came later than this was missing: a gap. */
const GAP_MICROS = 250_000;
/**
 * What is late by less follows in a burst, and the viewer stays on its time: GStreamer leaves at the announced end by its
 * own clock, whatever is still to come. After a longer gap the clock of the reader is set back.
 */
const CATCH_UP_MICROS = 2_000_000;
/** BYE travels on another socket: over UDP it leaves this long after the last packet, so that it does not overtake it. */
const FAREWELL_MS = 150;
/** Bytes of one batch: a write of this size costs little more than its copy. */
const BATCH_BYTES = 65_536;
const BATCHES_PER_TURN = 4;
/** A viewer that took nothing for longer does not get what it missed in a burst. */
const BLOCKED_MS = 2000;
/** Media that did not come for so long will not come. */
const GIVE_UP_MS = 30_000;
/** A hole that an origin does not fill is jumped when media goes on behind it. */
const JUMP_AFTER_MS = 2000;
/** The same while a flight is on its way there: it takes longer where groups of pictures are long, or the origin is. */
const JUMP_FLYING_MS = 15_000;
const JUMP_MICROS = 15_000_000;
/** A range that ends this close to the title's end takes all of it: announced lengths are rounded. */
const END_SLACK_SECONDS = 0.05;
/** Space between the last timestamp of one range and the first of the next: about a frame. */
const RANGE_STEP_MICROS = 40_000;

export interface ReaderParts {
  readonly title: Title;
  readonly flights: Flights;
  readonly pacer: Pacer;
  readonly timeline: Timeline;
  readonly options: ReaderOptions;
  /** A number for this session in the policy. */
  readonly session: number;
  readonly onClosed: () => void;
}

type State = 'idle' | 'ready' | 'playing' | 'paused' | 'ended' | 'closed';

/** One viewer's cursor over the segments of a title, paced at 1.0x of media time. */
export class SegmentReader implements Reader, Rider, Paced {
  readonly timeline: Timeline;
  readonly #p: ReaderParts;
  readonly #supply: Supply;
  readonly #stats = {
    bytes: { ram: 0, disk: 0, flight: 0, sibling: 0 } satisfies Record<Source, number>,
    startupMs: undefined as number | undefined,
    seams: 0,
    gapSeconds: 0,
  };
  #state: State = 'idle';
  #cursors: Cursor[] = [];
  #endMicros: number | undefined;
  /** NPT `#baseMicros` is due at clock reading `#baseMs`. */
  #baseMicros = 0;
  #baseMs = 0;
  #surveyMs = 0;
  #playAskedMs: number | undefined;
  #starvedSinceMs: number | undefined;
  /** How late media is, as far as it was counted as a gap. */
  #lateMicros = 0;
  #sentMs = 0;
  #blocked = false;
  #blockedSinceMs: number | undefined;
  /** The viewer's time after everything that was sent from segments left behind: no later range begins before it. */
  #viewerEndMicros = 0;

  constructor(parts: ReaderParts) {
    this.#p = parts;
    this.#supply = new Supply(parts.title);
    this.timeline = parts.timeline;
  }

  get stats(): ReaderStats {
    return this.#stats;
  }

  get positionMicros(): number {
    if (this.#state !== 'playing') return this.#baseMicros;
    return this.#baseMicros + (this.#p.title.shelves.clock.nowMs() - this.#baseMs) * 1000;
  }

  async play(range: RtspRange | undefined, signal: AbortSignal): Promise<PlayResult> {
    const askedMs = this.#p.title.shelves.clock.nowMs();
    const asked = askedRange(range, this.#p.title.description.range);
    if (asked.start === undefined && asked.end === undefined) {
      if (this.#state === 'playing') return this.#result(Math.round(this.positionMicros));
      if (this.#state === 'paused') return this.#result(this.#baseMicros);
    }
    const title = this.#p.title;
    const duration = title.durationSeconds;
    const from = asked.start ?? (this.#state === 'paused' ? this.#baseMicros / 1e6 : 0);
    const outside = from < 0 || (duration !== undefined && !title.live && from > duration);
    if (outside || (asked.end !== undefined && asked.end <= from))
      throw new RtspError('viewer', 'range-invalid');
    const atMicros = this.#viewerEnd();
    this.#viewerEndMicros = atMicros;
    this.#halt('ready');
    this.#policyEnds();
    this.#baseMicros = Math.round(from * 1e6);
    const toTheEnd = asked.end === undefined || asked.end >= (duration ?? Infinity) - END_SLACK_SECONDS;
    const end = toTheEnd ? undefined : asked.end;
    this.#endMicros = end === undefined ? undefined : Math.round(end * 1e6);
    this.#playAskedMs ??= askedMs;
    const start = await this.#findStart(signal);
    if (signal.aborted || this.#closed()) throw new OriginError('aborted', 'the viewer went away');
    this.#baseMicros = start.startMicros;
    this.#supply.prefetch(start.held);
    this.#cursors = [this.#bounded(cursorAt(title, start))];
    this.timeline.lay(start.startMicros, atMicros);
    title.shelves.policy.sessionStarted(
      this.#p.session,
      {
        title: title.key,
        startSeconds: start.startMicros / 1e6,
        titleDurationSeconds: duration,
        viewerAddress: this.#p.options.viewerAddress,
      },
      title.shelves.policySeconds(),
    );
    this.#survey(title.shelves.clock.nowMs());
    return this.#result(start.startMicros);
  }

  async #findStart(signal: AbortSignal): Promise<Start> {
    const { title, flights } = this.#p;
    try {
      return await findStart({ title, flights, rider: this, targetMicros: this.#baseMicros, signal });
    } catch (error) {
      flights.leave(this);
      throw error;
    }
  }

  start(): void {
    if (this.#state === 'playing' || this.#state === 'closed' || this.#cursors.length === 0) return;
    this.#state = 'playing';
    const nowMs = this.#p.title.shelves.clock.nowMs();
    this.#setBase(this.#firstDue(), nowMs);
    this.#starvedSinceMs = undefined;
    this.#p.pacer.add(this);
    this.turn(nowMs);
  }

  pause(): { positionSeconds: number } {
    this.#halt('paused');
    return { positionSeconds: this.#baseMicros / 1e6 };
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#halt('closed');
    this.#cursors = [];
    this.#policyEnds();
    this.#p.onClosed();
  }

  turn(nowMs: number): void {
    if (this.#state !== 'playing') return;
    if (nowMs - this.#surveyMs >= SURVEY_MS) this.#survey(nowMs);
    const dueMicros = this.#baseMicros + (nowMs - this.#baseMs) * 1000;
    this.#blocked = false;
    for (let batches = 0; batches < BATCHES_PER_TURN && !this.#blocked; batches++) {
      let sent = false;
      for (const cursor of this.#cursors) sent = this.#pump(cursor, dueMicros, nowMs) || sent;
      this.#moveOn(dueMicros, nowMs);
      if (!sent || this.#state !== 'playing') break;
    }
    if (this.#state === 'playing') this.#look(dueMicros, nowMs);
  }

  /** Sends what is due in one segment, at most a batch. */
  #pump(cursor: Cursor, dueMicros: number, nowMs: number): boolean {
    const { run, held } = cursor;
    const from = cursor.next;
    if (from >= run.count) return false;
    const lead = cursor.source === 'flight' ? FOLLOW_LEAD_MICROS : 0;
    const limit = dueMicros + lead - held.startMicros;
    if (run.dueMicros[from]! > limit) return false;
    if (!this.#p.options.sink.writable()) {
      this.#blocked = true;
      this.#blockedSinceMs ??= nowMs;
      return false;
    }
    if (this.#blockedSinceMs !== undefined && !this.#resumeAfterBlock(cursor, dueMicros, nowMs)) return false;
    if (this.#starvedSinceMs !== undefined)
      this.#resumeAfterGap(held.startMicros + run.dueMicros[from]!, dueMicros, nowMs);
    const byteLimit = run.offsets[from]! + BATCH_BYTES;
    let to = from + 1;
    while (to < run.count && run.dueMicros[to]! <= limit && run.offsets[to + 1]! <= byteLimit) to++;
    const bytes = cursor.bounds === undefined ? this.#send(run, from, to) : this.#sendBounded(cursor, to);
    cursor.next = to;
    this.#account(cursor.source, bytes, nowMs);
    return true;
  }

  #send(run: Cursor['run'], from: number, to: number): number {
    return this.#p.options.sink.send(run, from, to, this.timeline);
  }

  #sendBounded(cursor: Cursor, to: number): number {
    let bytes = 0;
    let from = -1;
    for (let i = cursor.next; i < to; i++) {
      const inside = inBounds(this.#p.title, cursor, i);
      if (inside && from < 0) from = i;
      if (inside || from < 0) continue;
      bytes += this.#send(cursor.run, from, i);
      from = -1;
    }
    return from < 0 ? bytes : bytes + this.#send(cursor.run, from, to);
  }

  #account(source: Source, bytes: number, nowMs: number): void {
    if (bytes === 0) return;
    this.#sentMs = nowMs;
    const { metrics } = this.#p.title.shelves;
    this.#stats.bytes[source] += bytes;
    metrics.viewerBytes[source] += bytes;
    if (this.#stats.startupMs !== undefined || this.#playAskedMs === undefined) return;
    this.#stats.startupMs = nowMs - this.#playAskedMs;
    metrics.startup.observe({ source }, this.#stats.startupMs / 1000);
  }

  /** Leaves segments that are done, and enters the next. */
  #moveOn(dueMicros: number, nowMs: number): void {
    const last = this.#cursors.at(-1);
    if (last === undefined) return;
    if (last.next >= last.run.count && last.held.state !== 'open' && !last.held.last) this.#enterNext(last);
    while (this.#cursors.length > 1) {
      const first = this.#cursors[0]!;
      if (first.held.state !== 'sealed' || first.next < first.run.count) break;
      this.#viewerEndMicros = this.#viewerEnd();
      this.#cursors.shift();
    }
    if (this.#p.options.transport === 'udp' && nowMs - this.#sentMs < FAREWELL_MS) return;
    const end = this.#endMicros;
    const cursor = this.#cursors.at(-1)!;
    const done = cursor.next >= cursor.run.count && cursor.held.state === 'sealed' && cursor.held.last;
    if (end !== undefined && dueMicros >= end && this.#sentUpTo(end)) this.#finish('end');
    else if (done && dueMicros >= cursor.held.endMicros) this.#finish('end');
  }

  #sentUpTo(end: number): boolean {
    return this.#cursors.every(
      (c) => c.next >= c.run.count || c.held.startMicros + c.run.dueMicros[c.next]! >= end,
    );
  }

  #enterNext(last: Cursor): void {
    const next = this.#p.title.row.following(last.held);
    if (next === undefined || this.#cursors.length > 2) return;
    const cursor = this.#supply.cursorInto(next);
    if (cursor === undefined) return;
    if (last.source !== 'flight' && cursor.source === 'flight') this.#stats.seams++;
    this.#cursors.push(this.#bounded(cursor));
    const { policy, policySeconds } = this.#p.title.shelves;
    policy.sessionReached(this.#p.session, last.held.endMicros / 1e6, policySeconds());
    this.#supply.prefetch(next);
  }

  #bounded(cursor: Cursor): Cursor {
    const end = this.#endMicros;
    if (end === undefined || (cursor.held.state === 'sealed' && cursor.held.endMicros <= end)) return cursor;
    const bounds = cursor.bounds ?? { fromPacket: 0, fromMicros: -Infinity, toMicros: Infinity };
    cursor.bounds = { ...bounds, toMicros: end };
    return cursor;
  }

  /** Notices that media is missing although it is due. */
  #look(dueMicros: number, nowMs: number): void {
    const cursor = this.#cursors.at(-1);
    if (cursor === undefined || this.#blocked || cursor.next < cursor.run.count) {
      if (cursor !== undefined && nextDue(cursor) > dueMicros) this.#lateMicros = 0;
      this.#starvedSinceMs = undefined;
      return;
    }
    if (cursor.held.state === 'sealed' && cursor.held.last) return;
    const expected = cursor.held.state === 'open' ? newestDue(cursor) : cursor.held.endMicros;
    if (dueMicros <= expected) return;
    this.#starvedSinceMs ??= nowMs;
    const starvedMs = nowMs - this.#starvedSinceMs;
    const isFlying = this.#p.flights.mayBring(cursor.held.endMicros);
    if (starvedMs >= (isFlying ? JUMP_FLYING_MS : JUMP_AFTER_MS)) this.#jump(cursor);
    if (starvedMs >= GIVE_UP_MS) this.#finish('failed');
  }

  /** Media goes on behind a hole that nobody fills: the viewer does, too. */
  #jump(cursor: Cursor): void {
    const { title } = this.#p;
    const next = title.row.firstFrom(cursor.held.endMicros, cursor.held);
    if (next === undefined || title.row.following(cursor.held) === next) return;
    if (next.startMicros - cursor.held.endMicros > JUMP_MICROS || !next.randomAccess) return;
    const into = this.#supply.cursorInto(next);
    if (into === undefined) return;
    this.#viewerEndMicros = this.#viewerEnd();
    this.#cursors = [this.#bounded(into)];
  }

  /**
   * The viewer takes media again. After a long time it goes on where it stopped, at its pace and not in a burst; live,
   * whole groups of pictures are left out instead.
   * @returns false when the cursor was replaced
   */
  #resumeAfterBlock(cursor: Cursor, dueMicros: number, nowMs: number): boolean {
    const blockedMs = nowMs - this.#blockedSinceMs!;
    this.#blockedSinceMs = undefined;
    if (blockedMs < BLOCKED_MS) return true;
    const { title } = this.#p;
    const newest = title.live ? newestStart(title) : undefined;
    if (
      newest !== undefined &&
      newest.startMicros > cursor.held.startMicros + cursor.run.dueMicros[cursor.next]!
    ) {
      this.#viewerEndMicros = this.#viewerEnd();
      this.#cursors = [cursorAt(title, newest)];
      this.#setBase(newest.startMicros, nowMs);
      return false;
    }
    this.#setBase(Math.min(dueMicros, cursor.held.startMicros + cursor.run.dueMicros[cursor.next]!), nowMs);
    return true;
  }

  #resumeAfterGap(packetMicros: number, dueMicros: number, nowMs: number): void {
    this.#starvedSinceMs = undefined;
    const lateMicros = dueMicros - packetMicros;
    const gapMicros = lateMicros - this.#lateMicros;
    if (lateMicros < GAP_MICROS / 2) this.#lateMicros = 0;
    else if (gapMicros >= GAP_MICROS) {
      this.#lateMicros = lateMicros;
      this.#stats.gapSeconds += gapMicros / 1e6;
      this.#p.title.shelves.metrics.gapSeconds.inc(gapMicros / 1e6);
    }
    if (lateMicros >= CATCH_UP_MICROS) this.#setBase(packetMicros, nowMs);
  }

  /** Sees to it that a flight is under way in time for the next hole. */
  #survey(nowMs: number): void {
    this.#surveyMs = nowMs;
    const { title, flights } = this.#p;
    const cursor = this.#cursors.at(-1);
    if (cursor === undefined) return;
    const leadMicros = title.leadSeconds() * 1e6;
    const last = horizon(title.row, cursor.held, this.positionMicros + leadMicros);
    const endMicros = this.#endMicros ?? (title.durationSeconds ?? Infinity) * 1e6;
    if (last.last || (last.state === 'sealed' && last.endMicros >= endMicros)) return;
    if (last.endMicros - this.positionMicros > leadMicros) return;
    flights.board(last.endMicros, this);
  }

  #finish(reason: 'end' | 'failed'): void {
    this.#halt('ended');
    this.#viewerEndMicros = this.#viewerEnd();
    this.#cursors = [];
    this.#p.options.sink.ended(reason);
  }

  #halt(state: State): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'playing') {
      this.#baseMicros = this.#place();
      this.timeline.halt(this.#baseMicros);
    }
    this.#state = state;
    this.#p.pacer.remove(this);
    this.#p.flights.leave(this);
  }

  /** NPT of the next packet to send, or of now where that is earlier. */
  #place(): number {
    const now = Math.round(this.positionMicros);
    let place = now;
    for (const c of this.#cursors) {
      if (c.next < c.run.count) place = Math.min(place, c.held.startMicros + c.run.dueMicros[c.next]!);
    }
    return Math.max(place, this.#cursors[0]?.held.startMicros ?? 0);
  }

  #policyEnds(): void {
    const { policy, policySeconds } = this.#p.title.shelves;
    const nowSeconds = policySeconds();
    if (this.#stats.startupMs !== undefined) {
      policy.sessionReached(this.#p.session, this.#baseMicros / 1e6, nowSeconds);
    }
    policy.sessionEnded(this.#p.session, nowSeconds);
  }

  /** The viewer's time after everything that was sent. */
  #viewerEnd(): number {
    let end = -Infinity;
    for (const cursor of this.#cursors) end = Math.max(end, sentEndMicros(this.#p.title, cursor));
    if (end === -Infinity) return this.#viewerEndMicros;
    return Math.max(this.#viewerEndMicros, this.timeline.viewerMicros(end) + RANGE_STEP_MICROS);
  }

  /** NPT at which the first packet is due: the viewer does not wait for it. */
  #firstDue(): number {
    const { run, held, next } = this.#cursors[0]!;
    const due = next < run.count ? held.startMicros + run.dueMicros[next]! : this.#baseMicros;
    return Math.max(this.#baseMicros, due);
  }

  #setBase(micros: number, nowMs: number): void {
    this.#baseMicros = micros;
    this.#baseMs = nowMs;
    this.#lateMicros = 0;
    this.timeline.run(micros, nowMs);
  }

  #closed(): boolean {
    return this.#state === 'closed';
  }

  #result(startMicros: number): PlayResult {
    const { title, options } = this.#p;
    const end = this.#endMicros === undefined ? title.durationSeconds : this.#endMicros / 1e6;
    return {
      startSeconds: title.live ? 'now' : startMicros / 1e6,
      endSeconds: title.live ? undefined : end,
      streams: options.streams.map(({ stream }) => ({
        stream,
        sequence: this.timeline.nextSequence(stream),
        rtpTime: this.timeline.rtpTime(stream, startMicros),
      })),
    };
  }
}

/** NPT at which the next packet is due; Infinity when there is none. */
function nextDue({ run, held, next }: Cursor): number {
  return next < run.count ? held.startMicros + run.dueMicros[next]! : Infinity;
}

/** NPT of the newest packet of a growing segment. */
function newestDue({ run, held }: Cursor): number {
  return held.startMicros + (run.count === 0 ? 0 : run.dueMicros[run.count - 1]!);
}
