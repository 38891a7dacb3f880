import { PACKET_FLAG, type PacketRun, SegmentBuilder } from '@forebay/cache';
import { ROLE, sequenceDelta, sequenceNumber, timestamp, timestampDelta } from '@forebay/rtp';
import { roleOf } from '../fill/role.js';
import { Clamped } from './clamped.js';
import { packetTicks } from './cursor.js';
import type { Playable } from './playable.js';

/** All that may wait for a viewer. */
const MOST_BYTES = 8 << 20;
/** A run of which so much was sent is replaced. */
const SPENT_BYTES = 1 << 20;
/** Packets missing at a time that are believed; more is another numbering. */
const MOST_LOST = 1000;
/** RTP-Info that is further from the first packet is wrong. */
const BASE_SECONDS = 0.5;
const FRAME_BYTES = 4;

interface Lane {
  /** Timestamp that the range begins with. */
  readonly baseTicks: number;
  nextSequence: number;
  lost: number;
}

/** Packets of an origin on their way to one viewer, in a run whose timestamps count from the start of the range. */
export class PassBuffer {
  readonly #title: Playable;
  readonly #lanes: (Lane | undefined)[] = [];
  #builder: SegmentBuilder;
  #isSettled = false;
  #divisor = 1;
  /** Clock reading from which `dueMicros` of the run count: when each packet came. */
  epochMs = 0;
  /** The next packet to send. */
  next = 0;

  constructor(title: Playable) {
    this.#title = title;
    this.#builder = this.#newBuilder();
  }

  get run(): PacketRun {
    return this.#builder.run;
  }

  get isSent(): boolean {
    return this.next >= this.run.count;
  }

  get waitingBytes(): number {
    return this.#builder.byteLength - this.run.offsets[this.next]!;
  }

  /** A packet came. @param saidTicks what RTP-Info says that the range begins with */
  take(
    stream: number,
    bytes: Buffer,
    at: { start: number; end: number; nowMs: number; saidTicks: number | undefined },
  ): void {
    const { start, end, nowMs } = at;
    const ticks = timestamp(bytes, start);
    const lane = (this.#lanes[stream] ??= this.#newLane(stream, ticks, at.saidTicks));
    const sequence = sequenceNumber(bytes, start);
    const missing = lane.nextSequence < 0 ? 0 : sequenceDelta(lane.nextSequence, sequence);
    if (missing > 0 && missing <= MOST_LOST) lane.lost += missing;
    lane.nextSequence = (sequence + 1) & 0xffff;
    if (this.run.count === 0) this.epochMs = nowMs;
    const number = this.#builder.append(bytes, start, end, {
      stream,
      dueMicros: Math.max(0, Math.round((nowMs - this.epochMs) * 1000)),
      flags: this.#isSettled ? 0 : this.#flagsOf(stream, bytes, start, end),
      canonicalTicks: Math.round(timestampDelta(lane.baseTicks, ticks) / this.#divisor),
      lostBefore: lane.lost,
    });
    lane.lost = number < 0 ? lane.lost + 1 : 0;
  }

  /**
   * What came so far is now as it will go out: timestamps divided by `divisor`, and nothing under a timestamp that is not its
   * own.
   */
  settle(divisor: number): void {
    this.#isSettled = true;
    this.#divisor = divisor;
    const { run } = this;
    this.#builder = this.#newBuilder();
    const clamped = new Clamped(run, this.#title.reference);
    for (let i = 0; i < run.count; i++) {
      if (clamped.has(i)) continue;
      const packet = run.offsets[i]! + FRAME_BYTES;
      this.#builder.append(run.bytes, packet, run.offsets[i + 1]!, {
        stream: run.streams[i]!,
        dueMicros: run.dueMicros[i]!,
        flags: 0,
        canonicalTicks: Math.round((packetTicks(run, i) | 0) / divisor),
        lostBefore: sequenceNumber(run.bytes, packet),
      });
    }
  }

  /** Room is made where everything was sent. */
  renew(): void {
    if (!this.isSent || this.#builder.byteLength < SPENT_BYTES) return;
    this.#builder = this.#newBuilder();
    this.next = 0;
  }

  #newLane(stream: number, firstTicks: number, saidTicks: number | undefined): Lane {
    const rate = this.#title.streams[stream]?.clockRate ?? 90_000;
    const isRight =
      saidTicks !== undefined && Math.abs(timestampDelta(saidTicks, firstTicks)) <= BASE_SECONDS * rate;
    return { baseTicks: isRight ? saidTicks : firstTicks, nextSequence: -1, lost: 0 };
  }

  #flagsOf(stream: number, bytes: Buffer, start: number, end: number): number {
    const classifier = this.#title.streams[stream]?.classifier;
    const isStart =
      classifier !== undefined && roleOf(classifier, { bytes, start, end }) === ROLE.randomAccess;
    return isStart ? PACKET_FLAG.randomAccess : 0;
  }

  #newBuilder(): SegmentBuilder {
    return new SegmentBuilder({
      key: '',
      clockRates: this.#title.streams.map(({ clockRate }) => clockRate),
      maxBytes: MOST_BYTES,
    });
  }
}
