import type { PacketRun } from '@forebay/cache';
import { parseRtspUrl } from '@forebay/rtsp';
import { Catalogue } from '../src/read/catalogue.js';
import type { MediaSink, PlayResult, Reader } from '../src/read/library.js';
import { Pacer } from '../src/read/pacer.js';
import type { Latency } from '../src/read/tempo.js';
import { Routes } from '../src/read/routes.js';
import {
  between,
  fakeOrigin,
  type FakeOrigin,
  fakeShelves,
  type FlightBenchOptions,
  settle,
} from './flight-bench.js';
import { CLOCK_RATES, type MadePacket, makePackets } from './packets.js';
import { TestClock } from './viewer-fakes.js';

export const film = makePackets({ seconds: 60 });
const URL = parseRtspUrl('rtsp://proxy/a');

/** A viewer's transport that writes down NPT of what it is sent. */
class Screen implements MediaSink {
  isWritable = true;
  isBroken = false;
  over: 'end' | 'failed' | undefined;
  /** Of the pictures, seconds. */
  readonly pictures: number[] = [];
  /** Of the audio packets, seconds. */
  readonly sounds: number[] = [];

  writable(): boolean {
    return this.isWritable;
  }

  send(run: PacketRun, from: number, to: number): number {
    if (this.isBroken) throw new TypeError('test');
    for (let i = from; i < to; i++) {
      const stream = run.streams[i]!;
      const seconds = run.bytes.readUInt32BE(run.offsets[i]! + 8) / CLOCK_RATES[stream]!;
      (stream === 0 ? this.pictures : this.sounds).push(seconds);
    }
    return run.offsets[to]! - run.offsets[from]!;
  }

  ended(reason: 'end' | 'failed'): void {
    this.over = reason;
  }

  get newest(): number {
    return this.pictures.at(-1) ?? -1;
  }

  /** The longest step between pictures from `from` on, seconds; negative where one goes back. */
  steps(from = 0): { most: number; least: number } {
    const seen = this.pictures.slice(from);
    const steps = seen.slice(1).map((at, i) => at - seen[i]!);
    return { most: Math.max(...steps), least: Math.min(...steps) };
  }
}

export class House {
  readonly clock = new TestClock();
  readonly origin: FakeOrigin;
  readonly catalogue: Catalogue;
  readonly pacer: Pacer;
  #sent = new Map<number, number>();

  constructor(o: FlightBenchOptions & { readonly latency?: Latency } = {}) {
    this.origin = fakeOrigin(o.description);
    this.pacer = new Pacer(this.clock, o.latency);
    const shelves = fakeShelves(this.clock, o, (meta) => {
      this.catalogue.titleOf(meta.generation)?.offRam(meta.startMicros);
    });
    const route = {
      id: 'fake',
      pathPrefix: '/',
      baseUrl: parseRtspUrl('rtsp://origin/'),
      client: this.origin.client,
      ...(o.windowSeconds === undefined ? {} : { timeshiftSeconds: o.windowSeconds }),
    };
    this.catalogue = new Catalogue(new Routes([route]), shelves, this.pacer);
  }

  async viewer(transport: 'tcp' | 'udp' = 'tcp'): Promise<{ reader: Reader; screen: Screen }> {
    const shown = await this.catalogue.find(URL, { account: 'a', signal: new AbortController().signal });
    const screen = new Screen();
    const streams = [0, 1].map((stream) => ({ stream, ssrc: stream + 1 }));
    const reader = this.catalogue.open(shown, {
      streams,
      sink: screen,
      viewerAddress: '::1',
      transport,
    });
    return { reader, screen };
  }

  /** Lets time pass; origins send in real time, each session from where it was asked, back to a key frame. */
  async pass(ms: number, packets: readonly MadePacket[] = film): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.clock.advance(50);
      this.origin.sessions.forEach((session, i) => {
        if (session.isClosed || !session.isStarted || !session.isReading) return;
        const from = this.#sent.get(i) ?? Math.floor(session.startSeconds ?? 0);
        this.#sent.set(i, from + 0.05);
        session.send(between(packets, from, from + 0.05));
      });
      this.catalogue.tick(this.clock.nowMs());
      await settle();
    }
  }

  /** Plays and starts, as a viewer's session does. */
  async play(
    reader: Reader,
    start?: number,
    end?: number,
    packets: readonly MadePacket[] = film,
  ): Promise<PlayResult> {
    const range =
      start === undefined
        ? undefined
        : ({ unit: 'npt', start, ...(end === undefined ? {} : { end }) } as const);
    const state = { isSettled: false };
    const asked = reader.play(range, new AbortController().signal).finally(() => (state.isSettled = true));
    asked.catch(() => undefined);
    for (let i = 0; i < 400 && !state.isSettled; i++) await this.pass(50, packets);
    const result = await asked;
    reader.start();
    return result;
  }
}
