import type { PacketRun } from '@forebay/cache';
import type { Place } from '../fill/row.js';
import {
  type Cursor,
  cursorAt,
  dropBounds,
  grownTo,
  inBounds,
  newestDue,
  nextDue,
  type Start,
  UNBOUNDED,
} from './cursor.js';
import { Lateness } from './lateness.js';
import type { MediaSink } from './library.js';
import { CatchUp, groupAfter, leaveOut, nearEdge } from './live-edge.js';
import { LIVE_GIVE_UP_MS, PATIENCE_MS } from './patience.js';
import type { PlayClock } from './play-clock.js';
import type { Boarder, Playable } from './playable.js';
import { Places } from './places.js';
import { FAREWELL_MS, type RangeSender, type SenderParts } from './range-sender.js';
import { newestStart } from './start.js';
import type { ReaderTally } from './tally.js';
import { Supply } from './supply.js';
import type { Tempo } from './tempo.js';
import type { Timeline } from './timeline.js';

/** A packet of a growing segment may leave this early: it came when the origin sent it. */
const FOLLOW_LEAD_MICROS = 50_000;
/** A viewer that took nothing for longer does not get what it missed in a burst. */
const BLOCKED_MS = 2000;
/** A viewer of what is on whose next packet waits for longer leaves out groups of pictures. */
const BEHIND_MICROS = 2_000_000;
/** What is missing for less is no gap: pictures and pulls have their rhythm. */
const LEAST_GAP_MS = 250;
/** Between two turns of a viewer that has everything, unless more comes. */
const FOLLOW_MS = 50;
/** Wider holes are not jumped. */
const JUMP_MICROS = 15_000_000;

/** Sends one range to one viewer, segment by segment, as it becomes due. */
export class Delivery implements RangeSender {
  readonly #title: Playable;
  readonly #flights: Boarder;
  readonly #timeline: Timeline;
  readonly #sink: MediaSink;
  readonly #clock: PlayClock;
  readonly #tally: ReaderTally;
  readonly #tempo: Tempo;
  readonly #onReached: (held: Place) => void;
  readonly #supply: Supply;
  readonly #lateness = new Lateness();
  readonly #places: Places;
  #endMicros: number | undefined;
  /** It shows what is on, live: what it is too slow for is left out. */
  #isAtEdge = false;
  readonly #catchUp = new CatchUp();
  #isBlocked = false;
  #blockedSinceMs: number | undefined;
  /** What this turn may still send, in all segments together. */
  #leftBytes = 0;
  #sentMs = 0;
  /** When what it needs next was in line for a session of the origin last: the origin's own time begins after that. */
  #inLineMs = -Infinity;

  /** @param onReached the viewer has everything up to the end of a segment */
  constructor(parts: SenderParts, flights: Boarder, onReached: (held: Place) => void) {
    this.#title = parts.title;
    this.#flights = flights;
    this.#timeline = parts.timeline;
    this.#sink = parts.options.sink;
    this.#clock = parts.clock;
    this.#tally = parts.tally;
    this.#tempo = parts.tempo;
    this.#onReached = onReached;
    this.#supply = new Supply(parts.title);
    this.#places = new Places(parts.title, parts.timeline);
  }

  /** The segment that it is in. */
  get held(): Place | undefined {
    return this.#places.held;
  }

  /** NPT where the range ends, unless it takes the whole title. */
  get endMicros(): number | undefined {
    return this.#endMicros;
  }

  /** There is something to send. */
  get isReady(): boolean {
    return this.#places.last !== undefined;
  }

  /** It stands in a segment that nobody will go on with. */
  get isStranded(): boolean {
    return this.#places.isStranded;
  }

  /** Takes up a range. @param from where in a live presentation it begins; on demand every place is one */
  begin(start: Start, endMicros: number | undefined, from: 'edge' | 'place'): void {
    this.#endMicros = endMicros;
    this.#isAtEdge = from === 'edge';
    this.#supply.prefetch(start.held);
    this.#places.goTo(this.#bounded(cursorAt(this.#title, start)));
  }

  /** Keeps its place, and no segment for it: many may stand still in many places. */
  release(): void {
    this.#places.release();
  }

  /** Finds the segments of its place again. @returns false when one of them is gone */
  async reclaim(): Promise<boolean> {
    const isBack = await this.#places.reclaim();
    if (isBack) this.#isAtEdge = false;
    return isBack;
  }

  /** Time begins to run. @returns NPT that is due now: that of the first packet at least, since the viewer does not wait for it */
  start(): number {
    this.#lateness.reset();
    this.#blockedSinceMs = undefined;
    const position = this.#clock.positionMicros;
    const { first } = this.#places;
    const due = first === undefined ? Infinity : nextDue(first);
    // What has left early before a pause is no reason to hurry.
    const place = Number.isFinite(due) && due - position > this.#aheadMicros ? due : position;
    return this.#isAtEdge && Number.isFinite(due) ? Math.max(place, nearEdge(this.#title, due)) : place;
  }

  /** Forgets the range. */
  end(): void {
    this.#places.goTo();
  }

  /** Sends what is due. @returns how the range ended, if it did */
  turn(nowMs: number): 'end' | 'failed' | undefined {
    const dueMicros = this.#clock.dueMicros(nowMs);
    this.#isBlocked = false;
    const batches = this.#tempo.batches(dueMicros - this.#places.nextDue());
    this.#leftBytes = batches * this.#tempo.batchBytes;
    while (this.#leftBytes > 0 && !this.#isBlocked) {
      const isSent = this.#pumpAll(dueMicros, nowMs);
      const before = this.#places.last;
      this.#moveOn();
      if (this.#isDone(dueMicros, nowMs)) return 'end';
      // What has come of the next segment does not wait for another turn.
      if (!isSent && this.#places.last === before) break;
    }
    const { last } = this.#places;
    if (this.#isAtEdge && last !== undefined && last.next < last.run.count && !this.#isBlocked)
      this.#keepUp(last, dueMicros, nowMs);
    return this.#look(dueMicros, nowMs);
  }

  nextTurnMs(nowMs: number): number {
    const { last } = this.#places;
    const isWaiting = last === undefined || this.#isBlocked || last.next >= last.run.count;
    if (isWaiting) return nowMs + (this.isFollowing ? FOLLOW_MS : this.#tempo.waitMs(Infinity));
    const leadMicros = last.source === 'flight' ? FOLLOW_LEAD_MICROS : 0;
    return nowMs + this.#tempo.waitMs(this.#clock.untilMs(this.#places.nextDue() - leadMicros, nowMs));
  }

  /** It has sent all that there is of a segment to which more may come. */
  get isFollowing(): boolean {
    if (this.#isBlocked) return false;
    for (const { held, run, next } of this.#places.cursors)
      if (next >= run.count && held.state !== 'sealed') return true;
    return false;
  }

  /** NPT of the next packet to send, or of now where that is earlier. */
  place(): number {
    return this.#places.at(this.#clock.positionMicros);
  }

  /** The viewer's time after everything that was sent. */
  viewerEnd(): number {
    return this.#places.viewerEnd();
  }

  /** Held media may leave so early, media time. */
  get #aheadMicros(): number {
    return this.#tempo.aheadMs * 1000 * this.#clock.rate;
  }

  #pumpAll(dueMicros: number, nowMs: number): boolean {
    const { cursors } = this.#places;
    let isSent = false;
    for (const cursor of cursors) {
      isSent = this.#pump(cursor, dueMicros, nowMs) || isSent;
      if (cursors !== this.#places.cursors) return false;
    }
    return isSent;
  }

  /** Sends what is due in one segment, at most a batch. */
  #pump(cursor: Cursor, dueMicros: number, nowMs: number): boolean {
    const { run, held } = cursor;
    const from = cursor.next;
    if (from >= run.count || this.#leftBytes <= 0) return false;
    const lead = cursor.source === 'flight' ? FOLLOW_LEAD_MICROS : this.#aheadMicros;
    const limit = dueMicros + lead - held.startMicros;
    if (run.dueMicros[from]! > limit) return false;
    if (!this.#sink.writable()) {
      this.#isBlocked = true;
      this.#blockedSinceMs ??= nowMs;
      return false;
    }
    if (this.#blockedSinceMs !== undefined) this.#resumeAfterBlock(cursor, dueMicros, nowMs);
    const isBehind = this.#isAtEdge && limit - run.dueMicros[from]! > BEHIND_MICROS + lead;
    const newer = isBehind && cursor === this.#places.last ? leaveOut(this.#title, cursor) : undefined;
    if (newer !== undefined) {
      this.#goOn(newer.startMicros, nowMs, cursor, cursorAt(this.#title, newer));
      return false;
    }
    // What is left of an earlier segment says nothing of that: a viewer that left out groups may be far past it.
    if (cursor === this.#places.last)
      this.#resumeAfterGap(held.startMicros + run.dueMicros[from]!, dueMicros, nowMs);
    const byteLimit = run.offsets[from]! + Math.min(this.#tempo.batchBytes, this.#leftBytes);
    let to = from + 1;
    while (to < run.count && run.dueMicros[to]! <= limit && run.offsets[to + 1]! <= byteLimit) to++;
    if (isBehind) to = groupAfter(this.#title, run, { from, to });
    const bytes = cursor.bounds === undefined ? this.#send(run, from, to) : this.#sendBounded(cursor, to);
    cursor.next = to;
    this.#leftBytes -= run.offsets[to]! - run.offsets[from]!;
    if (cursor.bounds !== undefined) dropBounds(this.#title, cursor);
    if (bytes > 0) this.#sentMs = nowMs;
    this.#tally.sent(cursor.source, bytes, nowMs);
    return true;
  }

  #send(run: PacketRun, from: number, to: number): number {
    return this.#sink.send(run, from, to, this.#timeline);
  }

  #sendBounded(cursor: Cursor, to: number): number {
    let bytes = 0;
    let from = -1;
    for (let i = cursor.next; i < to; i++) {
      const inside = inBounds(this.#title, cursor, i);
      if (inside && from < 0) from = i;
      if (inside || from < 0) continue;
      bytes += this.#send(cursor.run, from, i);
      from = -1;
    }
    return from < 0 ? bytes : bytes + this.#send(cursor.run, from, to);
  }

  /** Leaves segments that are done, and enters the next. */
  #moveOn(): void {
    const { last } = this.#places;
    if (last === undefined) return;
    const { state } = last.held;
    const mayEnter = state === 'cut' || state === 'sealed';
    if (mayEnter && last.next >= last.run.count && !last.held.last) this.#enterNext(last);
    this.#places.leave();
  }

  #enterNext(last: Cursor): void {
    const next = this.#title.row.following(last.held);
    if (next === undefined || this.#places.isFull) return;
    const cursor = this.#supply.cursorInto(next);
    if (cursor === undefined) return;
    if (last.source !== 'flight' && cursor.source === 'flight') this.#tally.seams++;
    this.#places.enter(this.#bounded(cursor));
    this.#onReached(last.held);
    this.#supply.prefetch(next);
  }

  /** A viewer of what is on for whom pictures are there that are not due comes a little nearer. */
  #keepUp(cursor: Cursor, dueMicros: number, nowMs: number): void {
    const micros = grownTo(this.#title, cursor) - dueMicros - FOLLOW_LEAD_MICROS;
    const stepMicros = this.#catchUp.step(micros, nowMs);
    if (stepMicros > 0) this.#clock.run(dueMicros + stepMicros, nowMs);
  }

  /** The paced end of the range, or of the title, has come, and everything was sent. */
  #isDone(dueMicros: number, nowMs: number): boolean {
    if (!this.#isThrough(dueMicros)) return false;
    // What the kernel has not taken is not sent.
    if (!this.#sink.writable()) this.#sentMs = nowMs;
    return nowMs - this.#sentMs >= FAREWELL_MS;
  }

  #isThrough(dueMicros: number): boolean {
    const cursor = this.#places.last;
    if (cursor === undefined) return false;
    const end = this.#endMicros;
    if (end !== undefined && dueMicros >= end && this.#isSentUpTo(end)) return true;
    const { held, run, next } = cursor;
    return next >= run.count && held.state === 'sealed' && held.last && dueMicros >= held.endMicros;
  }

  #isSentUpTo(end: number): boolean {
    return this.#places.cursors.every(
      (cursor) =>
        nextDue(cursor) >= end && (cursor.held.state !== 'open' || grownTo(this.#title, cursor) >= end),
    );
  }

  #bounded(cursor: Cursor): Cursor {
    const end = this.#endMicros;
    if (end === undefined || (cursor.held.state === 'sealed' && cursor.held.endMicros <= end)) return cursor;
    const bounds = cursor.bounds ?? UNBOUNDED;
    cursor.bounds = { ...bounds, toMicros: Math.min(bounds.toMicros, end) };
    return cursor;
  }

  /** Notices that media is missing although it is due. */
  #look(dueMicros: number, nowMs: number): 'failed' | undefined {
    const cursor = this.#places.last;
    if (cursor === undefined || this.#isBlocked || cursor.next < cursor.run.count) {
      this.#lateness.satisfy(cursor !== undefined && nextDue(cursor) > dueMicros);
      return undefined;
    }
    if (cursor.held.state === 'sealed' && cursor.held.last) return undefined;
    const expected = cursor.held.state === 'open' ? newestDue(cursor) : cursor.held.endMicros;
    if (dueMicros <= expected) return undefined;
    const starvedMs = this.#lateness.starve(nowMs);
    if (this.#title.live) {
      this.#passHole(cursor, nowMs, starvedMs);
      return starvedMs >= LIVE_GIVE_UP_MS ? 'failed' : undefined;
    }
    // Faster than it comes it cannot be delivered: time waits, and that is no gap.
    if (this.#clock.rate > 1) this.#clock.run(expected, nowMs);
    const outlook = this.#flights.outlook(cursor.held.endMicros);
    const patience = PATIENCE_MS[outlook];
    if (outlook === 'waiting') this.#inLineMs = nowMs;
    const waitedMs = outlook === 'waiting' ? starvedMs : Math.min(starvedMs, nowMs - this.#inLineMs);
    if (waitedMs >= patience.jump) this.#jump(cursor);
    return waitedMs >= patience.giveUp ? 'failed' : undefined;
  }

  /** Media goes on behind a hole that nobody fills: the viewer does, too. */
  #jump(cursor: Cursor): void {
    const title = this.#title;
    const next = title.row.firstFrom(cursor.held.endMicros, cursor.held);
    if (next === undefined || title.row.following(cursor.held) === next) return;
    if (next.startMicros - cursor.held.endMicros > JUMP_MICROS || !next.randomAccess) return;
    const into = this.#supply.cursorInto(next);
    if (into !== undefined) this.#places.goTo(this.#bounded(into));
  }

  /**
   * Live, a hole is what nobody pulled, and is passed at once. What is on goes on in its time; from one place of a window
   * to another the viewer's time does not jump.
   */
  #passHole({ held }: Cursor, nowMs: number, starvedMs: number): void {
    const title = this.#title;
    if (held.state === 'open' || title.row.following(held) !== undefined) return;
    if (this.#isAtEdge) {
      const newest = newestStart(title);
      if (newest === undefined || newest.held === held) return;
      if (starvedMs >= LEAST_GAP_MS) this.#tally.missed(starvedMs * 1000);
      this.#goOn(nearEdge(title, newest.startMicros), nowMs, cursorAt(title, newest));
      return;
    }
    const next = title.row.firstFrom(held.endMicros, held);
    const into = next === undefined ? undefined : this.#supply.cursorInto(next);
    if (next === undefined || into === undefined) return;
    const atMicros = this.viewerEnd();
    this.#goOn(next.startMicros, nowMs, into);
    this.#timeline.lay(next.startMicros, atMicros);
  }

  /** Time runs on from NPT `micros`, in `cursors`. */
  #goOn(micros: number, nowMs: number, ...cursors: Cursor[]): void {
    this.#places.goTo(...cursors.map((cursor) => this.#bounded(cursor)));
    this.#lateness.reset();
    this.#clock.run(micros, nowMs);
  }

  /** The viewer takes media again: after a long time it goes on where it stopped, at its pace and not in a burst. */
  #resumeAfterBlock(cursor: Cursor, dueMicros: number, nowMs: number): void {
    const blockedMs = nowMs - this.#blockedSinceMs!;
    this.#blockedSinceMs = undefined;
    if (blockedMs < BLOCKED_MS || this.#isAtEdge) return;
    this.#lateness.reset();
    this.#clock.run(Math.min(dueMicros, nextDue(cursor)), nowMs);
  }

  #resumeAfterGap(packetMicros: number, dueMicros: number, nowMs: number): void {
    const resumed = this.#lateness.resume(dueMicros - packetMicros);
    if (resumed === undefined) return;
    const isFaster = this.#clock.rate > 1;
    if (!isFaster) this.#tally.missed(resumed.gapMicros);
    if (!isFaster && !resumed.isTooLate) return;
    this.#lateness.reset();
    this.#clock.run(packetMicros, nowMs);
  }
}
