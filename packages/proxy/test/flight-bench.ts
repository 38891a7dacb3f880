import { type CachePolicy, RamTier, type SegmentStore } from '@forebay/cache';
import { parseDescription, type RtpInfoEntry } from '@forebay/rtsp';
import { Flights, type Rider } from '../src/fill/flights.js';
import { type Shelves, Title } from '../src/fill/title.js';
import { silentLog } from '../src/log.js';
import { Metrics } from '../src/metrics.js';
import type { OriginClient } from '../src/origin/client.js';
import type { OriginDescription } from '../src/origin/description.js';
import { OriginProfile } from '../src/origin/profile.js';
import type { OpenOptions, OriginSession, OriginSink } from '../src/origin/session.js';
import type { Library, MediaSink, Presentation } from '../src/read/library.js';
import { Pacer } from '../src/read/pacer.js';
import { CLOCK_RATES, type MadePacket, rtpPacket } from './packets.js';
import { TestClock } from './viewer-fakes.js';

export const sdp = (range = 'npt=0-60', media = 'video'): string =>
  [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=x',
    't=0 0',
    ...(range === '' ? [] : [`a=range:${range}`]),
    ...(media === 'audio' ? [] : ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000', 'a=control:0']),
    'm=audio 0 RTP/AVP 97',
    'a=rtpmap:97 MPEG4-GENERIC/48000/2',
    'a=control:1',
    '',
  ].join('\r\n');

export const described = (text = sdp()): OriginDescription => ({
  description: parseDescription(text),
  contentBase: 'rtsp://origin/a/',
  url: 'rtsp://origin/a',
});

/** One session that a test plays the origin of. */
export class FakeSession implements OriginSession {
  readonly transport = 'tcp';
  readonly ssrcs: readonly (number | undefined)[] = [];
  readonly bytesReceived = 0;
  readonly sink: OriginSink;
  readonly askedSeconds: number | undefined;
  readonly reply: OriginSession['reply'];
  isStarted = false;
  isClosed = false;
  isReading = true;
  readonly #sequences = [0, 0];

  constructor(sink: OriginSink, asked: number | undefined, reply: OriginSession['reply']) {
    this.sink = sink;
    this.askedSeconds = asked;
    this.reply = reply;
  }

  /** Sends packets as they are; `shiftTicks` is added to timestamps. */
  send(packets: readonly MadePacket[], shift: (p: MadePacket) => number = () => 0): void {
    for (const p of packets) {
      const bytes = rtpPacket(p, this.#sequences[p.stream]!++, (p.ticks + shift(p)) >>> 0);
      this.sink.rtp(p.stream, bytes, 0, bytes.length);
    }
  }

  /** The numbers of a stream go on elsewhere. */
  renumber(stream: number, sequence: number): void {
    this.#sequences[stream] = sequence;
  }

  bye(): void {
    this.sink.bye(0);
    this.sink.bye(1);
  }

  start(): void {
    this.isStarted = true;
  }

  play(): Promise<OriginSession['reply']> {
    return Promise.resolve(this.reply);
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }

  pauseReading(): void {
    this.isReading = false;
  }

  resumeReading(): void {
    this.isReading = true;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

export interface FlightBench {
  readonly clock: TestClock;
  readonly pacer: Pacer;
  readonly shelves: Shelves;
  readonly client: OriginClient;
  readonly sessions: FakeSession[];
  readonly title: Title;
  readonly flights: Flights;
  /** What the origin answers to PLAY; by default it starts where it was asked. */
  answer: { startSeconds?: number; refuse?: Error };
  rider(positionSeconds?: number): Rider & { positionMicros: number };
  /** Lets time pass, in steps in which flights are driven. */
  pass(ms: number): Promise<void>;
  /** The session that was opened last. */
  last(): FakeSession;
}

const noPolicy = new Proxy({}, { get: () => () => undefined }) as unknown as CachePolicy;

export interface FlightBenchOptions {
  readonly description?: OriginDescription;
  readonly store?: Partial<SegmentStore>;
  readonly ramBytes?: number;
  /** Drives what the test drives by itself otherwise. */
  readonly onTick?: (nowMs: number) => void;
}

/** Lets promises run on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A title and its flights on a virtual clock, with an origin that a test plays by hand. */
export function flightBench(o: FlightBenchOptions = {}): FlightBench {
  const clock = new TestClock();
  const sessions: FakeSession[] = [];
  const profile = new OriginProfile('fake');
  const client = {
    profile,
    describe: () => Promise.resolve(o.description ?? described()),
    open: async (options: OpenOptions, sink: OriginSink) => {
      await settle();
      const { refuse, startSeconds } = made.answer;
      if (refuse !== undefined) throw refuse;
      const start = startSeconds ?? options.startSeconds;
      const rtpInfo: (RtpInfoEntry | undefined)[] = [];
      const range = start === undefined ? {} : { range: { unit: 'npt', start } as const };
      const session = new FakeSession(sink, options.startSeconds, { ...range, rtpInfo });
      sessions.push(session);
      return session;
    },
  } as unknown as OriginClient;
  const titles: Title[] = [];
  const ram = new RamTier(o.ramBytes ?? 64e6, ({ meta }) => {
    for (const title of titles) title.offRam(meta.startMicros);
  });
  const shelves: Shelves = {
    ram,
    store: o.store as SegmentStore | undefined,
    policy: noPolicy,
    policySeconds: () => clock.nowMs() / 1000,
    clock,
    metrics: new Metrics(),
    log: silentLog,
  };
  const title = new Title({
    key: 'rtsp://origin/a',
    generation: '0'.repeat(32),
    client,
    origin: o.description ?? described(),
    durationSeconds: undefined,
    shelves,
  });
  titles.push(title);
  const flights = new Flights(title);
  const made: FlightBench = {
    clock,
    pacer: new Pacer(clock),
    shelves,
    client,
    sessions,
    title,
    flights,
    answer: {},
    rider: (positionSeconds = 0) => ({ positionMicros: positionSeconds * 1e6 }),
    pass: async (ms) => {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100));
        flights.tick(clock.nowMs());
        title.sweep(clock.nowMs());
        o.onTick?.(clock.nowMs());
        await settle();
      }
    },
    last: () => sessions.at(-1)!,
  };
  return made;
}

/** Seconds at which the segments of a title begin and end. */
export const spans = (title: Title): [number, number][] =>
  [...title.row].map((held) => [
    Math.round(held.startMicros / 1e4) / 100,
    Math.round(held.endMicros / 1e4) / 100,
  ]);

export const between = (packets: readonly MadePacket[], from: number, to: number): MadePacket[] =>
  packets.filter((p) => {
    const seconds = p.ticks / CLOCK_RATES[p.stream]!;
    return seconds >= from && seconds < to;
  });

export type { Library, MediaSink, Presentation };
