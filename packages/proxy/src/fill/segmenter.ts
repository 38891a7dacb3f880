import { AccessUnits } from './access-units.js';
import type { Arrival } from './arrival.js';
import { EarlyPackets } from './early.js';
import { cellOf, Filling, type FillingOptions } from './filling.js';
import type { Followers } from './followers.js';
import { type Held, JOINT_MICROS, type Row } from './row.js';

export type { SegmenterStream } from './filling.js';

/** Packets of other streams that run ahead of the picture at a possible cut wait for it this long. */
const EARLY_WAIT_MS = 300;
/** After a cut, stragglers of other streams are awaited this long. */
const STRAGGLER_WAIT_MS = 1000;
/** A session that was silent for longer stood still. */
export const STANDSTILL_MS = 500;
/** What a segment lasts at least whose only picture tells nothing of its length: about a frame. */
const LEAST_MICROS = 40_000;

export interface SegmenterOptions extends FillingOptions {
  readonly row: Row;
  /** Nothing that is held comes after what it cuts. */
  readonly isLive?: boolean;
  /** The first segment covers the title from here on, whatever its first timestamp is; undefined: from its first picture. */
  readonly startMicros: number | undefined;
  /** They are told of each packet that is put into a segment. */
  readonly followers: Followers;
  /** A segment was begun: readers may follow it. */
  readonly onOpen: (held: Held) => void;
  /** A segment has all its packets: it can be sealed. */
  readonly onComplete: (held: Held) => void;
  /** The picture that a segment would begin with is held already. */
  readonly onHeld: (micros: number, nowMs: number) => void;
  /** The segment that grows has no more room, and no picture came with which another could begin. */
  readonly onFull: () => void;
}

interface Lane {
  /** Clock reading of the newest packet; streams that fell silent are not waited for. */
  arrivedMs: number;
  /** Reached the end of the segment that drains. */
  passed: boolean;
}

/** What a segment may begin with: a random access point, any picture (held media ends right before it), or nothing. */
type Entry = 'random-access' | 'any' | 'none';

/**
 * Cuts the packets of one origin session into segments: at random access points of the reference stream, the first of each
 * cell of a fixed grid, so that sessions that start anywhere cut alike; packets of the other streams go by media time.
 */
export class Segmenter {
  readonly #o: SegmenterOptions;
  readonly #units: AccessUnits;
  readonly #filling: Filling;
  readonly #lanes: Lane[];
  readonly #early: EarlyPackets;
  readonly #place = (p: Arrival): void => this.#toItsSegment(p);
  #current: Held | undefined;
  #draining: Held | undefined;
  #drainDeadlineMs = 0;
  #heardMs = Infinity;
  #entry: Entry = 'random-access';
  #begun = false;
  #startMicros: number | undefined;

  constructor(options: SegmenterOptions) {
    this.#o = options;
    this.#startMicros = options.startMicros;
    this.#filling = new Filling(options);
    this.#units = new AccessUnits(
      {
        unitStarts: (randomAccess, ticks, nowMs) => this.#unitStarts(randomAccess, ticks, nowMs),
        unitPacket: (p, flags) => this.#put(this.#current, p, flags),
      },
      options.streams[options.reference]?.classifier,
    );
    this.#early = new EarlyPackets(options.streams.length);
    this.#lanes = options.streams.map(() => ({ arrivedMs: -Infinity, passed: false }));
  }

  /** The segment that grows, if any. */
  get current(): Held | undefined {
    return this.#current;
  }

  /** A segment was cut whose stragglers are still awaited. */
  get draining(): boolean {
    return this.#draining !== undefined;
  }

  /** Goes on inside `held`, which an earlier session left open. */
  resume(held: Held): void {
    this.#current = held;
    this.#begun = true;
    this.#entry = 'none';
    held.flying = true;
    const ticks = this.#filling.resume(held);
    if (ticks !== undefined) this.#units.resume(ticks);
  }

  /** The next picture follows held media without a hole: a segment may begin with it, whatever it is. */
  proceed(): void {
    if (this.#entry === 'random-access') this.#entry = 'any';
  }

  /** Takes the next packet; packets of one stream come in order. */
  packet(p: Arrival): void {
    this.#hear(p.nowMs);
    if (p.stream === this.#o.reference) {
      this.#units.push(p);
      if (!this.#early.isEmpty) this.#releaseEarly(p.nowMs);
    } else if (this.#mustWait(p)) {
      this.#early.keep(p);
    } else {
      this.#toItsSegment(p);
    }
    if (this.#draining !== undefined) this.#drain(p.nowMs);
  }

  /** Lets go what has waited long enough. Not to be called while the session stands still. */
  tick(nowMs: number): void {
    if (!this.#early.isEmpty) this.#releaseEarly(nowMs);
    if (this.#draining !== undefined) this.#drain(nowMs);
  }

  /** Held media begins at `micros`: the running segment ends there. Stragglers of other streams may still come. */
  closeAt(micros: number, nowMs: number): void {
    this.#units.drop();
    this.#entry = 'none';
    if (this.#current !== undefined) this.#cut(this.#current, micros, nowMs);
    this.#current = undefined;
    if (this.#draining !== undefined) this.#draining.state = 'closing';
    this.#releaseEarly(nowMs);
  }

  /** A packet of `stream` came that belongs to the held media in front: no stragglers of it come any more. */
  passed(stream: number, nowMs: number): void {
    const draining = this.#draining;
    if (draining?.state !== 'closing') return;
    this.#lanes[stream]!.passed = true;
    this.#drain(nowMs);
  }

  /** After {@link Segmenter.closeAt}: stragglers that have not come by now will not come. */
  settle(): void {
    this.#complete();
  }

  /** After {@link Segmenter.closeAt}: a hole follows, media is wanted again from its next random access point. */
  reopen(): void {
    this.#begun = false;
    this.#entry = 'random-access';
  }

  /** Nothing more comes: the running segment ends here, and with `last` the title does. */
  finish(nowMs: number, last: boolean): void {
    this.#units.flush(nowMs);
    this.#releaseEarly(Infinity);
    this.#complete();
    const held = this.#current;
    this.#current = undefined;
    if (held === undefined) return;
    held.last = last;
    held.endMicros = Math.max(held.endMicros, this.#filling.endOf(held), held.startMicros + LEAST_MICROS);
    held.state = 'cut';
    this.#o.onComplete(held);
  }

  /** The session ends with the title unfinished: the running segment stays open for the next session. */
  suspend(): void {
    this.#units.drop();
    this.#early.clear();
    if (this.#draining?.growth !== undefined) this.#draining.growth.damaged = true;
    this.#complete();
    if (this.#current !== undefined) this.#current.flying = false;
    this.#current = undefined;
  }

  #unitStarts(randomAccess: boolean, ticks: number, nowMs: number): boolean {
    const micros = this.#filling.micros(this.#o.reference, ticks);
    const held = this.#current;
    if (held === undefined) {
      if (!this.#begin(micros, randomAccess, nowMs)) return false;
    } else if (micros > held.startMicros) {
      const isCut = randomAccess && cellOf(micros) > held.index;
      if (isCut || this.#filling.isFull(held, micros)) {
        this.#cut(held, micros, nowMs);
        this.#current = undefined;
        if (!this.#openAt(micros, randomAccess, nowMs)) return false;
      }
    }
    const current = this.#current;
    if (this.#filling.picture(micros) && current !== undefined && micros > current.endMicros)
      current.endMicros = micros;
    return true;
  }

  /** Begins the first segment, or the first after a reopening. */
  #begin(micros: number, randomAccess: boolean, nowMs: number): boolean {
    if (this.#entry === 'none' || (this.#entry === 'random-access' && !randomAccess)) return false;
    const startMicros = this.#startMicros ?? micros;
    this.#startMicros = undefined;
    return this.#openAt(startMicros, randomAccess, nowMs);
  }

  #openAt(micros: number, randomAccess: boolean, nowMs: number): boolean {
    const startMicros = Math.max(0, micros);
    this.#entry = 'none';
    if (!this.#o.row.isFree(startMicros)) {
      this.#units.drop();
      if (this.#o.isLive === true) {
        // Placed behind the end of the last pull by mistake: the next key frame will not be.
        this.#entry = 'random-access';
        return false;
      }
      this.#o.onHeld(startMicros, nowMs);
      return false;
    }
    const held = this.#filling.open(startMicros, randomAccess);
    this.#begun = true;
    this.#current = held;
    this.#o.row.insert(held);
    this.#o.onOpen(held);
    return true;
  }

  #cut(held: Held, micros: number, nowMs: number): void {
    this.#complete();
    held.endMicros = micros;
    held.state = 'cut';
    this.#draining = held;
    this.#drainDeadlineMs = nowMs + STRAGGLER_WAIT_MS;
    for (const lane of this.#lanes) lane.passed = lane.arrivedMs < nowMs - STRAGGLER_WAIT_MS;
    this.#lanes[this.#o.reference]!.passed = true;
  }

  /** While a session stands still, at the origin or because nobody reads it, no stream is late. */
  #hear(nowMs: number): void {
    const silentMs = nowMs - this.#heardMs;
    this.#heardMs = nowMs;
    if (silentMs <= STANDSTILL_MS) return;
    this.#drainDeadlineMs += silentMs;
    for (const lane of this.#lanes) lane.arrivedMs += silentMs;
    this.#early.delay(silentMs);
  }

  #drain(nowMs: number): void {
    if (nowMs < this.#drainDeadlineMs) for (const lane of this.#lanes) if (!lane.passed) return;
    this.#complete();
  }

  #complete(): void {
    const held = this.#draining;
    this.#draining = undefined;
    if (held !== undefined) this.#o.onComplete(held);
  }

  /**
   * Whether a packet runs so far ahead of the picture that the next cut may fall before it. Live it does not wait to be told:
   * who begins right behind the cut lacks that sound, everybody else has it a picture earlier.
   */
  #mustWait(p: Arrival): boolean {
    const held = this.#current;
    if (held === undefined) return !this.#begun;
    if (this.#o.isLive === true) return false;
    if (this.#early.isFull) this.#early.release(() => true, this.#place);
    if (this.#early.has(p.stream)) return true;
    const micros = this.#filling.micros(p.stream, p.ticks);
    return cellOf(micros - JOINT_MICROS) > held.index && micros > this.#filling.referenceMicros;
  }

  #releaseEarly(nowMs: number): void {
    if (!this.#begun) return;
    this.#early.release((p) => this.#isDue(p, nowMs), this.#place);
  }

  #isDue(p: Arrival, nowMs: number): boolean {
    if (this.#current === undefined || nowMs - p.nowMs >= EARLY_WAIT_MS) return true;
    return this.#filling.micros(p.stream, p.ticks) <= this.#filling.referenceMicros;
  }

  /** Packets of other streams go by media time: into the segment that was cut, or into the one that grows. */
  #toItsSegment(p: Arrival): void {
    const micros = this.#filling.micros(p.stream, p.ticks);
    const draining = this.#draining;
    const boundary = draining?.endMicros ?? this.#current?.startMicros ?? 0;
    if (draining !== undefined && micros < boundary) {
      this.#put(draining, p, 0);
      return;
    }
    const lane = this.#lanes[p.stream]!;
    lane.passed = true;
    lane.arrivedMs = p.nowMs;
    const held = this.#current;
    if (held === undefined) return;
    const isPreRoll =
      micros < held.startMicros - JOINT_MICROS && held.growth?.extents[p.stream]?.packets === 0;
    if (!isPreRoll) this.#put(held, p, 0);
  }

  #put(held: Held | undefined, p: Arrival, flags: number): void {
    if (held === undefined) return;
    this.#lanes[p.stream]!.arrivedMs = p.nowMs;
    if (!this.#filling.put(held, p, flags) && held === this.#current) this.#o.onFull();
    this.#o.followers.tell(p.nowMs);
  }
}
