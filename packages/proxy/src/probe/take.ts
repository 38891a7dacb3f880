import { packetHash } from '@forebay/cache';
import {
  classifierFor,
  payloadEnd,
  payloadStart,
  ROLE,
  sequenceNumber,
  timestamp,
  timestampDelta,
} from '@forebay/rtp';
import type { StreamDescription } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { OriginError } from '../origin/errors.js';
import type { OriginSink } from '../origin/session.js';

/** Packets that are kept of a stream; more are counted as bytes only. */
const MAX_PACKETS = 50_000;
const LOOK_EVERY_MS = 20;

/** The packets of one stream of one play. */
export interface StreamTake {
  readonly clockRate: number;
  /** Fingerprints of marker and payload. */
  readonly hashes: number[];
  /** Since the first packet, unwrapped. */
  readonly ticks: number[];
  readonly arrivedMs: number[];
  /** ROLE of each packet; random access where the encoding is not known. */
  readonly roles: number[];
  firstTimestamp: number;
  firstSequence: number;
}

/** Everything that came of one play. */
export class Take implements OriginSink {
  readonly streams: readonly StreamTake[];
  readonly byes = new Map<number, number>();
  bytes = 0;
  reports = 0;
  ended: 'no' | 'closed' | 'lost' = 'no';
  readonly #clock: Clock;
  readonly #classify: readonly ((bytes: Buffer, start: number, end: number) => number)[];

  constructor(streams: readonly StreamDescription[], clock: Clock) {
    this.#clock = clock;
    this.streams = streams.map(({ clockRate }) => ({
      clockRate,
      hashes: [],
      ticks: [],
      arrivedMs: [],
      roles: [],
      firstTimestamp: 0,
      firstSequence: 0,
    }));
    this.#classify = streams.map(({ encoding, media, fmtp }) => {
      const classifier = classifierFor(encoding, media, fmtp);
      if (classifier === undefined) return () => ROLE.randomAccess;
      return (bytes, start, end) =>
        classifier.classify(bytes, payloadStart(bytes, start, end), payloadEnd(bytes, start, end));
    });
  }

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    const take = this.streams[stream];
    if (take === undefined || take.hashes.length >= MAX_PACKETS) return;
    const ts = timestamp(bytes, start);
    if (take.hashes.length === 0) {
      take.firstTimestamp = ts;
      take.firstSequence = sequenceNumber(bytes, start);
    }
    const lastTicks = take.ticks.at(-1) ?? 0;
    const lastTimestamp = (take.firstTimestamp + lastTicks) % 2 ** 32;
    take.hashes.push(packetHash(bytes, start, end));
    take.ticks.push(lastTicks + timestampDelta((lastTimestamp + 2 ** 32) % 2 ** 32, ts));
    take.arrivedMs.push(this.#clock.nowMs());
    take.roles.push(this.#classify[stream]!(bytes, start, end));
  }

  senderReport(): void {
    this.reports++;
  }

  bye(stream: number): void {
    this.byes.set(stream, this.#clock.nowMs());
  }

  closed(error: OriginError | undefined): void {
    this.ended = error === undefined ? 'closed' : 'lost';
  }

  /** Clock reading of the newest packet; undefined before the first. */
  get lastMs(): number | undefined {
    const lasts = this.streams.flatMap(({ arrivedMs }) => arrivedMs.at(-1) ?? []);
    return lasts.length === 0 ? undefined : Math.max(...lasts);
  }

  get packets(): number {
    return this.streams.reduce((sum, { hashes }) => sum + hashes.length, 0);
  }

  /** Every stream that sent anything has taken leave. */
  get hasEnded(): boolean {
    const active = this.streams.flatMap(({ hashes }, i) => (hashes.length > 0 ? [i] : []));
    return active.length > 0 && active.every((i) => this.byes.has(i));
  }

  /** Media time that came, by the timestamps of the stream that came furthest, seconds. */
  get mediaSeconds(): number {
    const spans = this.streams.map(({ ticks, clockRate }) => (ticks.at(-1) ?? 0) / clockRate);
    return Math.max(0, ...spans);
  }

  /** Resolves after `ms`, or earlier once `enough` says so, or the session is over. @throws why `signal` aborted */
  async wait(ms: number, signal: AbortSignal, enough: () => boolean = () => false): Promise<void> {
    const untilMs = this.#clock.nowMs() + ms;
    while (this.#clock.nowMs() < untilMs && this.ended === 'no' && !enough()) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}
