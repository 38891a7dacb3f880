import { SegmentBuilder, type StreamExtent } from '@forebay/cache';
import { classifierFor, timestampDelta, type AccessUnitClassifier } from '@forebay/rtp';
import type { Description } from '@forebay/rtsp';
import type { Arrival } from './arrival.js';
import { type Held, JOINT_MICROS } from './row.js';

/** Segment limits; a unit that begins past one of them begins a new segment even if it is no random access point. */
const SEGMENT_LIMITS = {
  /** Target length; cuts fall on the first random access point of each cell of this grid. */
  seconds: 4,
  maxSeconds: 20,
  maxBytes: 32 * 1024 * 1024,
  maxPackets: 65_536,
} as const;

/** Room for the rest of a unit that begins before a limit. */
const FULL_SHARE = 0.75;
/**
 * While a segment grows its packets leave in the order in which they came: one of another stream that is due much later
 * than the picture it came with must not hold up the pictures behind it.
 */
const AHEAD_MICROS = 1_000_000;

export interface SegmenterStream {
  readonly clockRate: number;
  readonly classifier: AccessUnitClassifier | undefined;
}

/** The streams of a description. Many titles have but one IDR picture: recovery points count, too. */
export function streamsOf({ streams }: Description): SegmenterStream[] {
  return streams.map(({ clockRate, encoding, media, fmtp }) => ({
    clockRate,
    classifier: classifierFor(encoding, media, fmtp, { recoveryPoint: true }),
  }));
}

/** The stream whose random access points cut segments: the first of pictures, else the first of sound. */
export function referenceOf({ streams }: Description): number {
  const video = streams.findIndex((s) => s.media === 'video');
  const audio = streams.findIndex((s) => s.media === 'audio');
  return video >= 0 ? video : Math.max(0, audio);
}

export interface FillingOptions {
  /** Canonical URL of the title. */
  readonly key: string;
  readonly streams: readonly SegmenterStream[];
  /** The stream whose random access points cut: the first video stream, else the first. */
  readonly reference: number;
  readonly anchor: number;
}

interface Lane {
  maxTicks: number;
  stepTicks: number;
}

type GrowingExtent = { -readonly [K in keyof StreamExtent]: StreamExtent[K] };

/** Grid cell of NPT `micros`. */
export const cellOf = (micros: number): number =>
  Math.floor((micros + JOINT_MICROS) / (SEGMENT_LIMITS.seconds * 1e6));

/** Appends the packets of one session to segments, with when they are due and where each stream is expected to go on. */
export class Filling {
  readonly #o: FillingOptions;
  readonly #lanes: Lane[];
  readonly #append = { stream: 0, dueMicros: 0, flags: 0, canonicalTicks: 0, lostBefore: 0 };
  /** How far pictures run ahead of their decoding order, microseconds. */
  #reorderMicros = 0;
  /** NPT of the newest picture. */
  #referenceMicros = -Infinity;
  /** NPT at which the last packet of a picture is due: pictures travel in decoding order. */
  #pictureDueMicros = -Infinity;

  constructor(options: FillingOptions) {
    this.#o = options;
    this.#lanes = options.streams.map(() => ({ maxTicks: -Infinity, stepTicks: 0 }));
  }

  get referenceMicros(): number {
    return this.#referenceMicros;
  }

  open(startMicros: number, randomAccess: boolean): Held {
    const { key, streams, anchor } = this.#o;
    const builder = new SegmentBuilder({
      key,
      clockRates: streams.map((s) => s.clockRate),
      maxBytes: SEGMENT_LIMITS.maxBytes,
      maxPackets: SEGMENT_LIMITS.maxPackets,
    });
    return {
      startMicros,
      index: cellOf(startMicros),
      randomAccess,
      anchor,
      endMicros: startMicros,
      state: 'open',
      last: false,
      growth: {
        run: builder.run,
        builder,
        extents: streams.map(() => ({ packets: 0, firstTicks: 0, endTicks: 0 })),
        damaged: false,
      },
      meta: undefined,
      flying: true,
      headless: false,
      onDisk: false,
      touchedMs: 0,
    };
  }

  /** Goes on in `held`. @returns ticks of the newest packet of the reference stream in it, if there is one */
  resume(held: Held): number | undefined {
    this.#referenceMicros = held.endMicros;
    let newest: number | undefined;
    held.growth?.extents.forEach((extent, stream) => {
      const lane = this.#lanes[stream];
      if (lane === undefined || extent.packets === 0) return;
      lane.maxTicks = extent.endTicks;
      if (stream === this.#o.reference) newest = newestTicks(held, stream, extent.endTicks);
    });
    return newest;
  }

  /** A picture of NPT `micros` begins. @returns false when it is not the newest */
  picture(micros: number): boolean {
    this.#reorderMicros = Math.max(this.#reorderMicros, Math.min(this.#referenceMicros - micros, 1e6));
    if (micros <= this.#referenceMicros) return false;
    this.#referenceMicros = micros;
    return true;
  }

  /** True when `held` may not go on at NPT `micros` without getting too long. */
  isFull(held: Held, micros: number): boolean {
    const builder = held.growth?.builder;
    if (builder === undefined) return false;
    return (
      micros - held.startMicros >= SEGMENT_LIMITS.maxSeconds * 1e6 ||
      builder.run.count >= SEGMENT_LIMITS.maxPackets * FULL_SHARE ||
      builder.byteLength >= SEGMENT_LIMITS.maxBytes * FULL_SHARE
    );
  }

  /** @returns false where `held` has no room for it */
  put(held: Held, p: Arrival, flags: number): boolean {
    const growth = held.growth;
    if (growth === undefined) return true;
    const a = this.#append;
    a.stream = p.stream;
    a.dueMicros = this.#dueMicros(held, p);
    a.flags = flags;
    a.canonicalTicks = p.ticks;
    a.lostBefore = Math.min(p.lost, 0xffff);
    if (growth.builder.append(p.bytes, p.start, p.end, a) < 0) {
      growth.damaged = true;
      return false;
    }
    if (p.lost > 0) growth.damaged = true;
    held.touchedMs = p.nowMs;
    this.#extend(growth.extents[p.stream]!, p);
    return true;
  }

  /** Where the reference stream goes on after `held`, NPT. */
  endOf(held: Held): number {
    const extent = held.growth?.extents[this.#o.reference];
    return extent === undefined ? held.endMicros : this.micros(this.#o.reference, extent.endTicks);
  }

  micros(stream: number, ticks: number): number {
    return Math.round((ticks * 1e6) / (this.#o.streams[stream]?.clockRate ?? 90_000));
  }

  #dueMicros(held: Held, p: Arrival): number {
    const micros = this.micros(p.stream, p.ticks);
    if (p.stream !== this.#o.reference)
      return Math.max(0, Math.min(micros, this.#referenceMicros + AHEAD_MICROS) - held.startMicros);
    this.#pictureDueMicros = Math.max(this.#pictureDueMicros, micros - this.#reorderMicros);
    return Math.max(0, this.#pictureDueMicros - held.startMicros);
  }

  #extend(extent: GrowingExtent, p: Arrival): void {
    const lane = this.#lanes[p.stream]!;
    const step = p.ticks - lane.maxTicks;
    if (step > 0) {
      if (Number.isFinite(step)) lane.stepTicks = step;
      lane.maxTicks = p.ticks;
    }
    if (extent.packets === 0) extent.firstTicks = p.ticks;
    extent.packets++;
    extent.endTicks = Math.max(extent.endTicks, lane.maxTicks + lane.stepTicks);
  }
}

/** Ticks of the newest packet of `stream` in a growing segment, unwrapped near `endTicks`. */
function newestTicks(held: Held, stream: number, endTicks: number): number {
  const run = held.growth!.builder.run;
  for (let i = run.count - 1; i >= 0; i--) {
    if (run.streams[i] === stream)
      return endTicks + timestampDelta(endTicks, run.bytes.readUInt32BE(run.offsets[i]! + 8));
  }
  return endTicks;
}
