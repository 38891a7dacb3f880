import type { Place } from '../fill/row.js';
import { packetTicks } from './cursor.js';
import { PATIENCE_MS } from './patience.js';
import { type Direction, type Picture, Pictures } from './pictures.js';
import { FAREWELL_MS, RANGE_STEP_MICROS, type RangeSender, type SenderParts } from './range-sender.js';

/**
 * Between one picture and the next, viewer's time: as long as normal play takes for as many bytes, so that the data rate stays
 * what it is (RFC 2326 section 12.34), and within these bounds: ten pictures a second at most, two at least where there are
 * as many.
 */
const STEP_MICROS = { least: 100_000, most: 500_000 } as const;
/** A picture that comes later than this, viewer's time, is shown when it comes, and time goes on from there. */
const LATE_MICROS = 1_000_000;
/** Segments without a random access point that are looked through in one turn. */
const LOOKED_THROUGH = 16;

export interface SkimRange {
  readonly startMicros: number;
  /** NPT; undefined: to the end of the title in this direction. */
  readonly endMicros: number | undefined;
  readonly scale: number;
}

/**
 * Shows a title faster than it is, or backward, by the key frames of what is held; other streams are silent. Timestamps advance
 * with the viewer's time, so NPT advances `scale` times as fast as they do (RFC 2326 section 12.34, appendix B).
 *
 * Holes are jumped over: the picture behind one follows as the next. Forward, where nothing is held any more, a flight is
 * followed at the pace at which it brings media; backward the range ends there.
 */
export class Skim implements RangeSender {
  readonly #p: SenderParts;
  readonly #pictures: Pictures;
  #direction: Direction = 1;
  #scale = 1;
  #endMicros: number | undefined;
  /** NPT from which on the next picture is wanted. */
  #wantedMicros = 0;
  #picture: Picture | undefined;
  /** The next packet of it. */
  #next = 0;
  /** NPT behind the last picture: nothing follows. */
  #overMicros: number | undefined;
  #waitingSinceMs: number | undefined;
  #sentMs = 0;
  #viewerEndMicros = 0;
  isReady = false;

  constructor(parts: SenderParts) {
    this.#p = parts;
    this.#pictures = new Pictures(parts.title);
  }

  /** Takes up a range, laid on the timeline already. */
  begin({ startMicros, endMicros, scale }: SkimRange): void {
    this.#direction = scale < 0 ? -1 : 1;
    this.#scale = scale;
    this.#endMicros = endMicros;
    this.#wantedMicros = startMicros;
    this.#picture = undefined;
    this.#overMicros = undefined;
    this.isReady = true;
    this.#choose(startMicros, this.#p.clock.nowMs);
  }

  get held(): Place | undefined {
    return this.#direction > 0 && this.isReady ? this.#p.title.row.last : undefined;
  }

  /** Backward it is where held media begins, at the latest. */
  get endMicros(): number | undefined {
    return this.#direction > 0 ? this.#endMicros : this.#floor;
  }

  start(): number {
    this.#waitingSinceMs = undefined;
    return this.#p.clock.positionMicros;
  }

  turn(nowMs: number): 'end' | 'failed' | undefined {
    const dueMicros = this.#p.clock.dueMicros(nowMs);
    if (this.#picture === undefined) this.#choose(dueMicros, nowMs);
    const picture = this.#picture;
    if (picture !== undefined) {
      if (this.#isDue(picture.micros, dueMicros) && this.#send(picture, nowMs)) this.#sent(picture, nowMs);
      return undefined;
    }
    if (this.#overMicros !== undefined) return this.#isOver(this.#overMicros, nowMs) ? 'end' : undefined;
    const waitedMs = this.#waitingSinceMs === undefined ? 0 : nowMs - this.#waitingSinceMs;
    return waitedMs >= PATIENCE_MS.flying.giveUp ? 'failed' : undefined;
  }

  nextTurnMs(nowMs: number): number {
    const picture = this.#picture;
    const isBegun = picture !== undefined && this.#next > picture.from;
    return nowMs + this.#p.tempo.waitMs(isBegun ? 0 : Infinity);
  }

  place(): number {
    const position = this.#waitingSinceMs === undefined ? this.#p.clock.positionMicros : this.#wantedMicros;
    return Math.max(0, Math.round(position));
  }

  viewerEnd(): number {
    return this.#viewerEndMicros;
  }

  end(): void {
    this.isReady = false;
    this.#picture = undefined;
  }

  get #floor(): number {
    const { row } = this.#p.title;
    return Math.max(this.#endMicros ?? 0, row.firstFrom(0)?.startMicros ?? 0);
  }

  #isDue(micros: number, dueMicros: number): boolean {
    return (dueMicros - micros) * this.#direction >= 0;
  }

  #isOver(overMicros: number, nowMs: number): boolean {
    if (nowMs - this.#sentMs < FAREWELL_MS) return false;
    return this.#isDue(overMicros, this.#p.clock.dueMicros(nowMs));
  }

  /** Finds the next picture; what should have been shown before now is left out. */
  #choose(dueMicros: number, nowMs: number): void {
    const isWaiting = this.#waitingSinceMs !== undefined;
    const isBehind = !isWaiting && this.#isDue(this.#wantedMicros, dueMicros);
    const fromMicros = isBehind ? dueMicros : this.#wantedMicros;
    const found = this.#find(fromMicros);
    if (found === 'later') {
      if (this.#isDue(this.#wantedMicros, dueMicros)) this.#waitingSinceMs ??= nowMs;
      return;
    }
    if (found === 'over') return;
    const { picture, holeMicros } = found;
    const lateMicros = (dueMicros - picture.micros) / this.#scale;
    if (isWaiting && lateMicros > LATE_MICROS) this.#lay(picture.micros, dueMicros, nowMs);
    else if (holeMicros !== undefined) this.#lay(picture.micros, holeMicros, nowMs);
    this.#waitingSinceMs = undefined;
    this.#picture = picture;
    this.#next = picture.from;
  }

  /** `holeMicros`: where the hole that lies in between begins. */
  #find(fromMicros: number): { picture: Picture; holeMicros: number | undefined } | 'later' | 'over' {
    const { row } = this.#p.title;
    if (this.#isBeyond(fromMicros)) return this.#over();
    let holeMicros: number | undefined;
    let held = row.covering(fromMicros);
    if (held === undefined) {
      holeMicros = fromMicros;
      held = this.#neighbour(fromMicros);
    }
    for (let looked = 0; held !== undefined; looked++) {
      const picture = this.#pictures.in(held, fromMicros, this.#direction);
      if (picture === 'later' || looked === LOOKED_THROUGH) return 'later';
      if (picture !== 'none') return this.#isBeyond(picture.micros) ? this.#over() : { picture, holeMicros };
      if (held.last && this.#direction > 0) return this.#over();
      const next = this.#neighbour(this.#direction > 0 ? held.startMicros + 1 : held.startMicros - 1);
      if (next !== undefined && !this.#touch(held, next))
        holeMicros ??= this.#direction > 0 ? held.endMicros : held.startMicros;
      held = next;
    }
    return this.#direction < 0 || row.last?.last === true ? this.#over() : 'later';
  }

  #neighbour(micros: number): Place | undefined {
    const { row } = this.#p.title;
    return this.#direction > 0 ? row.firstFrom(micros) : row.before(micros);
  }

  #touch(held: Place, next: Place): boolean {
    const { row } = this.#p.title;
    return this.#direction > 0 ? row.following(held) === next : row.following(next) === held;
  }

  #isBeyond(micros: number): boolean {
    return this.#endMicros !== undefined && (micros - this.#endMicros) * this.#direction >= 0;
  }

  #over(): 'over' {
    const { row, durationSeconds } = this.#p.title;
    const titleEnd = row.last?.last === true ? row.last.endMicros : (durationSeconds ?? 0) * 1e6;
    this.#overMicros = this.#direction > 0 ? (this.#endMicros ?? titleEnd) : this.#floor;
    return 'over';
  }

  /** The picture at NPT `micros` is shown when NPT `insteadMicros` would have been. */
  #lay(micros: number, insteadMicros: number, nowMs: number): void {
    const { timeline, clock } = this.#p;
    const dueMicros = clock.dueMicros(nowMs);
    timeline.lay(micros, timeline.viewerMicros(insteadMicros), this.#scale);
    clock.run(micros + (dueMicros - insteadMicros), nowMs);
  }

  /** Sends of a picture what the transport takes. @returns whether all of it is sent */
  #send(picture: Picture, nowMs: number): boolean {
    const { title, timeline, options, tally, tempo } = this.#p;
    const { run, to, source } = picture;
    const batches = tempo.batches(0);
    timeline.place(title.reference, packetTicks(run, picture.from), picture.micros);
    for (let batch = 0; this.#next < to; batch++) {
      if (batch === batches || !options.sink.writable()) return false;
      const from = this.#next;
      const byteLimit = run.offsets[from]! + tempo.batchBytes;
      let end = from;
      while (end < to && run.streams[end] === title.reference && run.offsets[end + 1]! <= byteLimit) end++;
      if (end > from) tally.sent(source, options.sink.send(run, from, end, timeline), nowMs);
      this.#next = end;
      while (this.#next < to && run.streams[this.#next] !== title.reference) this.#next++;
      this.#sentMs = nowMs;
    }
    return true;
  }

  #sent(picture: Picture, nowMs: number): void {
    const { timeline, clock } = this.#p;
    this.#viewerEndMicros = timeline.viewerMicros(picture.micros) + RANGE_STEP_MICROS;
    this.#wantedMicros = picture.micros + this.#scale * stepMicros(picture);
    this.#picture = undefined;
    this.#choose(clock.dueMicros(nowMs), nowMs);
  }
}

/** How long a picture stands, viewer's time: see {@link STEP_MICROS}. */
function stepMicros({ held, run, from, to }: Picture): number {
  const share = (run.offsets[to]! - run.offsets[from]!) / Math.max(1, run.offsets[run.count]!);
  const micros = share * Math.max(0, held.endMicros - held.startMicros);
  return Math.min(Math.max(micros, STEP_MICROS.least), STEP_MICROS.most);
}
