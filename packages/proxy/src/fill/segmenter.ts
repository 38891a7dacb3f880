import { SegmentBuilder } from '@forebay/cache';
import type { AccessUnitClassifier } from '@forebay/rtp';
import { AccessUnits } from './access-units.js';
import { keepArrival, type Arrival } from './arrival.js';
import { type Held, JOINT_MICROS, type Row } from './row.js';

/** Segment limits; a unit that begins past one of them begins a new segment even if it is no random access point. */
const SEGMENT_LIMITS = {
  /** Target length; cuts fall on the first random access point of each cell of this grid. */
  seconds: 4,
  maxSeconds: 20,
  maxBytes: 32 * 1024 * 1024,
  maxPackets: 65_536,
} as const;

/** Packets of other streams that run ahead of the picture at a possible cut wait for it this long. */
const EARLY_WAIT_MS = 300;
const EARLY_PACKETS = 256;
/** After a cut, stragglers of other streams are awaited this long. */
const STRAGGLER_WAIT_MS = 1000;
/** A session that was silent for longer stood still. */
export const STANDSTILL_MS = 500;

export interface SegmenterStream {
  readonly clockRate: number;
  readonly classifier: AccessUnitClassifier | undefined;
}

export interface SegmenterOptions {
  /** Canonical URL of the title. */
  readonly key: string;
  readonly streams: readonly SegmenterStream[];
  /** The stream whose random access points cut: the first video stream, else the first. */
  readonly reference: number;
  readonly row: Row;
  readonly anchor: number;
  /** The first segment covers the title from here on, whatever its first timestamp is; undefined: from its first picture. */
  readonly startMicros: number | undefined;
  /** A segment was begun: readers may follow it. */
  readonly onOpen: (held: Held) => void;
  /** A segment has all its packets: it can be sealed. */
  readonly onComplete: (held: Held) => void;
}

interface Lane {
  maxTicks: number;
  stepTicks: number;
  /** Clock reading of the newest packet; streams that fell silent are not waited for. */
  arrivedMs: number;
  /** Reached the end of the segment that drains. */
  passed: boolean;
}

/**
 * Cuts the packets of one origin session into segments: at random access points of the reference stream, the first of each
 * cell of a fixed grid, so that sessions that start anywhere cut alike; packets of the other streams go by media time.
 */
export class Segmenter {
  readonly #o: SegmenterOptions;
  readonly #units: AccessUnits;
  readonly #lanes: Lane[];
  readonly #early: Arrival[] = [];
  readonly #segmentMicros = SEGMENT_LIMITS.seconds * 1e6;
  readonly #append = { stream: 0, dueMicros: 0, flags: 0, canonicalTicks: 0, lostBefore: 0 };
  #current: Held | undefined;
  #draining: Held | undefined;
  #drainDeadlineMs = 0;
  /** How far pictures run ahead of their decoding order, microseconds. */
  #reorderMicros = 0;
  #referenceMicros = -Infinity;
  #heardMs = Infinity;
  #begun = false;

  constructor(options: SegmenterOptions) {
    this.#o = options;
    const reference = options.streams[options.reference];
    this.#units = new AccessUnits(
      {
        unitStarts: (randomAccess, ticks, nowMs) => this.#unitStarts(randomAccess, ticks, nowMs),
        unitPacket: (p, flags) => this.#put(this.#current, p, flags),
      },
      reference?.classifier,
    );
    this.#lanes = options.streams.map(() => ({
      maxTicks: -Infinity,
      stepTicks: 0,
      arrivedMs: -Infinity,
      passed: false,
    }));
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
    held.flying = true;
    this.#referenceMicros = held.endMicros;
    held.growth?.extents.forEach((extent, stream) => {
      const lane = this.#lanes[stream];
      if (lane === undefined || extent.packets === 0) return;
      lane.maxTicks = extent.endTicks;
      if (stream === this.#o.reference) this.#units.resume(lastTicks(held, stream, extent.endTicks));
    });
  }

  /** Takes the next packet; packets of one stream come in order. */
  packet(p: Arrival): void {
    this.#hear(p.nowMs);
    if (p.stream === this.#o.reference) {
      this.#units.push(p);
      if (this.#early.length > 0) this.#releaseEarly(p.nowMs);
    } else if (this.#mustWait(p)) {
      this.#early.push(keepArrival(p));
    } else {
      this.#place(p);
    }
    if (this.#draining !== undefined) this.#drain(p.nowMs);
  }

  /** Lets go what has waited long enough. Not to be called while the session stands still. */
  tick(nowMs: number): void {
    if (this.#early.length > 0) this.#releaseEarly(nowMs);
    if (this.#draining !== undefined) this.#drain(nowMs);
  }

  /** Held media begins at `micros`: the running segment ends there. Stragglers of other streams may still come. */
  closeAt(micros: number, nowMs: number): void {
    this.#units.drop();
    if (this.#current !== undefined) this.#cut(this.#current, micros, nowMs);
    this.#current = undefined;
    this.#releaseEarly(nowMs);
  }

  /** After {@link Segmenter.closeAt}: stragglers that have not come by now will not come. */
  settle(): void {
    this.#complete();
  }

  /** After {@link Segmenter.closeAt}: a hole follows, media is wanted again from its next random access point. */
  reopen(): void {
    this.#begun = false;
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
    const extent = held.growth?.extents[this.#o.reference];
    const rate = this.#rate(this.#o.reference);
    if (extent !== undefined)
      held.endMicros = Math.max(held.endMicros, Math.round((extent.endTicks * 1e6) / rate));
    held.state = 'cut';
    this.#o.onComplete(held);
  }

  /** The session ends with the title unfinished: the running segment stays open for the next session. */
  suspend(): void {
    this.#units.drop();
    this.#early.length = 0;
    if (this.#draining?.growth !== undefined) this.#draining.growth.damaged = true;
    this.#complete();
    if (this.#current !== undefined) this.#current.flying = false;
    this.#current = undefined;
  }

  #unitStarts(randomAccess: boolean, ticks: number, nowMs: number): boolean {
    const micros = this.#micros(this.#o.reference, ticks);
    const held = this.#current;
    if (held === undefined) {
      if (this.#begun || !randomAccess || this.#o.row.covering(micros + 2 * JOINT_MICROS) !== undefined)
        return false;
      this.#open(this.#o.startMicros ?? micros, true);
    } else if (micros > held.startMicros) {
      const cell = Math.floor((micros + JOINT_MICROS) / this.#segmentMicros);
      if ((randomAccess && cell > held.index) || this.#overlong(held, micros)) {
        this.#cut(held, micros, nowMs);
        this.#open(micros, randomAccess);
      }
    }
    this.#reorderMicros = Math.max(this.#reorderMicros, Math.min(this.#referenceMicros - micros, 1e6));
    if (micros > this.#referenceMicros) {
      this.#referenceMicros = micros;
      const current = this.#current;
      if (current !== undefined && micros > current.endMicros) current.endMicros = micros;
    }
    return true;
  }

  #overlong(held: Held, micros: number): boolean {
    const run = held.growth?.builder.run;
    if (run === undefined) return false;
    return (
      micros - held.startMicros >= SEGMENT_LIMITS.maxSeconds * 1e6 ||
      run.count >= SEGMENT_LIMITS.maxPackets * 0.75 ||
      held.growth!.builder.byteLength >= SEGMENT_LIMITS.maxBytes * 0.75
    );
  }

  #open(startMicros: number, randomAccess: boolean): void {
    this.#begun = true;
    const held: Held = {
      startMicros,
      index: Math.floor((startMicros + JOINT_MICROS) / this.#segmentMicros),
      randomAccess,
      anchor: this.#o.anchor,
      endMicros: startMicros,
      state: 'open',
      last: false,
      growth: {
        builder: new SegmentBuilder({
          key: this.#o.key,
          clockRates: this.#o.streams.map((s) => s.clockRate),
          maxBytes: SEGMENT_LIMITS.maxBytes,
          maxPackets: SEGMENT_LIMITS.maxPackets,
        }),
        extents: this.#o.streams.map(() => ({ packets: 0, firstTicks: 0, endTicks: 0 })),
        damaged: false,
      },
      meta: undefined,
      flying: true,
      onDisk: false,
      touchedMs: 0,
    };
    this.#current = held;
    this.#o.row.insert(held);
    this.#o.onOpen(held);
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
    for (const p of this.#early) p.nowMs += silentMs;
  }

  #drain(nowMs: number): void {
    if (nowMs >= this.#drainDeadlineMs || this.#lanes.every((lane) => lane.passed)) this.#complete();
  }

  #complete(): void {
    const held = this.#draining;
    this.#draining = undefined;
    if (held !== undefined) this.#o.onComplete(held);
  }

  /** Whether a packet runs so far ahead of the picture that the next cut may fall before it. */
  #mustWait(p: Arrival): boolean {
    if (this.#early.length >= EARLY_PACKETS) return false;
    const held = this.#current;
    if (held === undefined) return !this.#begun;
    if (this.#early.some((e) => e.stream === p.stream)) return true;
    const micros = this.#micros(p.stream, p.ticks);
    return micros >= (held.index + 1) * this.#segmentMicros && micros > this.#referenceMicros;
  }

  #releaseEarly(nowMs: number): void {
    if (!this.#begun) return;
    let kept = 0;
    for (const p of this.#early) {
      const due =
        this.#micros(p.stream, p.ticks) <= this.#referenceMicros || nowMs - p.nowMs >= EARLY_WAIT_MS;
      if (due || this.#current === undefined) this.#place(p);
      else this.#early[kept++] = p;
    }
    this.#early.length = kept;
  }

  #place(p: Arrival): void {
    const micros = this.#micros(p.stream, p.ticks);
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
    const preRoll = micros < held.startMicros - JOINT_MICROS && held.growth?.extents[p.stream]?.packets === 0;
    if (!preRoll) this.#put(held, p, 0);
  }

  #put(held: Held | undefined, p: Arrival, flags: number): void {
    const growth = held?.growth;
    if (held === undefined || growth === undefined) return;
    const lane = this.#lanes[p.stream]!;
    lane.arrivedMs = p.nowMs;
    const reorder = p.stream === this.#o.reference ? this.#reorderMicros : 0;
    const a = this.#append;
    a.stream = p.stream;
    a.dueMicros = Math.max(0, Math.round(this.#micros(p.stream, p.ticks) - held.startMicros - reorder));
    a.flags = flags;
    a.canonicalTicks = p.ticks;
    a.lostBefore = Math.min(p.lost, 0xffff);
    if (growth.builder.append(p.bytes, p.start, p.end, a) < 0) {
      growth.damaged = true;
      return;
    }
    if (p.lost > 0) growth.damaged = true;
    held.touchedMs = p.nowMs;
    this.#extend(growth.extents, p, lane);
  }

  #extend(
    extents: { packets: number; firstTicks: number; endTicks: number }[],
    p: Arrival,
    lane: Lane,
  ): void {
    const step = p.ticks - lane.maxTicks;
    if (step > 0) {
      if (Number.isFinite(step)) lane.stepTicks = step;
      lane.maxTicks = p.ticks;
    }
    const extent = extents[p.stream]!;
    if (extent.packets === 0) extent.firstTicks = p.ticks;
    extent.packets++;
    extent.endTicks = Math.max(extent.endTicks, lane.maxTicks + lane.stepTicks);
  }

  #micros(stream: number, ticks: number): number {
    return Math.round((ticks * 1e6) / this.#rate(stream));
  }

  #rate(stream: number): number {
    return this.#o.streams[stream]?.clockRate ?? 90_000;
  }
}

function lastTicks(held: Held, stream: number, endTicks: number): number {
  const run = held.growth!.builder.run;
  for (let i = run.count - 1; i >= 0; i--) {
    if (run.streams[i] === stream)
      return endTicks + signed(run.bytes.readUInt32BE(run.offsets[i]! + 8) - endTicks);
  }
  return endTicks;
}

const signed = (ticks: number): number => ticks | 0;
