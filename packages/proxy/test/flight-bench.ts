import { type CachePolicy, RamTier, type SegmentMeta, type SegmentStore } from '@forebay/cache';
import { parseDescription } from '@forebay/rtsp';
import { Flights, type Rider } from '../src/fill/flights.js';
import { type Shelves, Title } from '../src/fill/title.js';
import { silentLog } from '../src/log.js';
import { Metrics } from '../src/metrics.js';
import type { OriginClient } from '../src/origin/client.js';
import type { OriginDescription } from '../src/origin/description.js';
import { OriginProfile } from '../src/origin/profile.js';
import type { OpenOptions, OriginSession, OriginSink } from '../src/origin/session.js';
import { type MadePacket, rtpPacket } from './packets.js';
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
class FakeSession implements OriginSession {
  readonly transport = 'tcp';
  readonly ssrcs: readonly (number | undefined)[] = [];
  readonly bytesReceived = 0;
  readonly sink: OriginSink;
  readonly askedSeconds: number | undefined;
  /** Where it says that it starts. */
  readonly startSeconds: number | undefined;
  readonly reply: OriginSession['reply'];
  isStarted = false;
  isClosed = false;
  isReading = true;
  readonly #sequences = new Map<number, number>();

  constructor(sink: OriginSink, asked: number | undefined, start: number | undefined) {
    this.sink = sink;
    this.askedSeconds = asked;
    this.startSeconds = start;
    const range = start === undefined ? {} : { range: { unit: 'npt', start } as const };
    this.reply = { ...range, rtpInfo: [] };
  }

  /** Sends packets as they are; `shiftTicks` is added to timestamps. */
  send(packets: readonly MadePacket[], shift: (p: MadePacket) => number = () => 0): void {
    for (const p of packets) {
      const sequence = this.#sequences.get(p.stream) ?? 0;
      this.#sequences.set(p.stream, sequence + 1);
      const bytes = rtpPacket(p, sequence, (p.ticks + shift(p)) >>> 0);
      this.sink.rtp(p.stream, bytes, 0, bytes.length);
    }
  }

  /** The next packet of a stream is lost. */
  skip(stream: number): void {
    this.#sequences.set(stream, (this.#sequences.get(stream) ?? 0) + 1);
  }

  /** The numbers of a stream go on elsewhere. */
  renumber(stream: number, sequence: number): void {
    this.#sequences.set(stream, sequence);
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

/** An origin that a test plays by hand. */
export interface FakeOrigin {
  readonly client: OriginClient;
  readonly sessions: FakeSession[];
  /** What it answers to PLAY; by default it starts where it was asked. */
  answer: { startSeconds?: number; refuse?: Error };
  description: OriginDescription;
  /** The session that was opened last. */
  last(): FakeSession;
}

export function fakeOrigin(description = described()): FakeOrigin {
  const sessions: FakeSession[] = [];
  const client = {
    profile: new OriginProfile('fake', { scales: false }),
    sessions: { used: 0, waiting: 0, most: Infinity },
    describe: () => Promise.resolve(made.description),
    open: async (options: OpenOptions, sink: OriginSink) => {
      await settle();
      const { refuse, startSeconds } = made.answer;
      if (refuse !== undefined) throw refuse;
      const place = (await options.turn?.come()) ?? options;
      const start = startSeconds ?? place.startSeconds;
      const session = new FakeSession(sink, place.startSeconds, start);
      sessions.push(session);
      return session;
    },
  } as unknown as OriginClient;
  const made: FakeOrigin = { client, sessions, answer: {}, description, last: () => sessions.at(-1)! };
  return made;
}

export interface FlightBench extends FakeOrigin {
  readonly clock: TestClock;
  readonly shelves: Shelves;
  readonly title: Title;
  readonly flights: Flights;
  rider(positionSeconds?: number): Rider & { positionMicros: number };
  /** Lets time pass, in steps in which flights are driven. */
  pass(ms: number): Promise<void>;
}

const noPolicy = (onPolicy?: (call: string) => void): CachePolicy =>
  new Proxy({}, { get: (_, call) => () => onPolicy?.(String(call)) }) as unknown as CachePolicy;

export interface FlightBenchOptions {
  readonly description?: OriginDescription;
  readonly store?: Partial<SegmentStore>;
  readonly ramBytes?: number;
  /** Is told every call of the policy, by its name. */
  readonly onPolicy?: (call: string) => void;
  /** Of a live title. */
  readonly windowSeconds?: number;
}

/** Shelves on a virtual clock; `onEvict` is told what RAM drops. */
export function fakeShelves(
  clock: TestClock,
  o: FlightBenchOptions,
  onEvict: (meta: SegmentMeta) => void,
): Shelves {
  return {
    ram: new RamTier(o.ramBytes ?? 64e6, ({ meta }) => onEvict(meta)),
    store: o.store as SegmentStore | undefined,
    policy: noPolicy(o.onPolicy),
    policySeconds: () => clock.nowMs() / 1000,
    clock,
    metrics: new Metrics(),
    log: silentLog,
  };
}

/** Lets promises run on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A title and its flights on a virtual clock, with an origin that a test plays by hand. */
export function flightBench(o: FlightBenchOptions = {}): FlightBench {
  const clock = new TestClock();
  const origin = fakeOrigin(o.description);
  const titles: Title[] = [];
  const shelves = fakeShelves(clock, o, (meta) => {
    for (const title of titles) title.offRam(meta.startMicros);
  });
  const title = new Title({
    key: 'rtsp://origin/a',
    generation: '0'.repeat(32),
    client: origin.client,
    origin: origin.description,
    durationSeconds: undefined,
    windowSeconds: o.windowSeconds,
    shelves,
  });
  titles.push(title);
  const flights = new Flights(title);
  return Object.assign(origin, {
    clock,
    shelves,
    title,
    flights,
    rider: (positionSeconds = 0) => ({ positionMicros: positionSeconds * 1e6, need: 'playing' as const }),
    pass: async (ms: number) => {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100));
        flights.tick(clock.nowMs());
        title.sweep(clock.nowMs());
        await settle();
      }
    },
  });
}

/** Seconds at which the segments of a title begin and end. */
export const spans = (title: Title): [number, number][] =>
  [...title.row].map((held) => [
    Math.round(held.startMicros / 1e4) / 100,
    Math.round(held.endMicros / 1e4) / 100,
  ]);

export const between = (packets: readonly MadePacket[], from: number, to: number): MadePacket[] =>
  packets.filter(({ sentSeconds }) => sentSeconds >= from && sentSeconds < to);

/** Sends a stretch of a film in real time. */
export async function playStretch(
  b: FlightBench,
  packets: readonly MadePacket[],
  from: number,
  to: number,
): Promise<void> {
  const session = b.last();
  for (let at = from; at < to; at += 0.5) {
    session.send(between(packets, at, Math.min(at + 0.5, to)));
    await b.pass(500);
  }
}

/** Lets time pass until `promise` is settled. */
export async function inTime<T>(b: FlightBench, promise: Promise<T>): Promise<T> {
  const state = { isSettled: false };
  const settled = promise.finally(() => (state.isSettled = true));
  settled.catch(() => undefined);
  for (let i = 0; i < 200 && !state.isSettled; i++) await b.pass(100);
  return settled;
}
