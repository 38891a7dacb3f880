import type { PacketRun } from '@forebay/cache';
import { parseDescription, rewriteDescription, RtspError } from '@forebay/rtsp';
import type { RtspRange, RtspUrl } from '@forebay/rtsp';
import type { Clock, TimerHandle } from '../src/clock.js';
import type {
  Enquirer,
  Library,
  PlayResult,
  Presentation,
  Reader,
  ReaderOptions,
} from '../src/read/library.js';
import { Timeline } from '../src/read/timeline.js';

const VIDEO = 'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n';
const AUDIO = 'm=audio 0 RTP/AVP 97\r\na=rtpmap:97 OPUS/48000/2\r\na=control:trackID=1\r\n';
const HEAD = 'v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\n';

const FIRST_SEQUENCE = 65530;
export const FIRST_TIMESTAMP = 0xffff_ff00;
const DURATION_SECONDS = 60;

/** Time that stands still until it is moved. */
export class TestClock implements Clock {
  #nowMs = 1000.5;
  #timers = new Set<{ at: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const timer = { at: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    this.#timers.delete(handle as { at: number; callback: () => void });
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Moves time on by `ms`, running timers when they are due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#timers].filter((timer) => timer.at <= endMs).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** Moves time in one leap, as a process sees it that was stopped meanwhile. */
  leap(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Packets that a reader sends: `lost` were lost before it. */
export interface FakePacket {
  readonly stream: number;
  readonly bytes?: number;
  readonly ticks?: number;
  readonly lost?: number;
}

/** A run whose payloads are filled with the number of their packet. */
export function fakeRun(packets: readonly FakePacket[]): PacketRun {
  const chunks = packets.map((packet, i) => {
    const payload = packet.bytes ?? 100;
    const bytes = Buffer.alloc(16 + payload, i & 0xff);
    bytes[0] = 0x24;
    bytes[1] = packet.stream * 2;
    bytes.writeUInt16BE(12 + payload, 2);
    bytes[4] = 0x80;
    bytes[5] = 96 + packet.stream;
    bytes.writeUInt16BE(packet.lost ?? 0, 6);
    bytes.writeUInt32BE(packet.ticks ?? 0, 8);
    bytes.writeUInt32BE(0, 12);
    return bytes;
  });
  const offsets = new Uint32Array(packets.length + 1);
  chunks.forEach((chunk, i) => (offsets[i + 1] = offsets[i]! + chunk.length));
  return {
    bytes: Buffer.concat(chunks),
    count: packets.length,
    offsets,
    streams: Uint8Array.from(packets.map((packet) => packet.stream)),
    dueMicros: new Uint32Array(packets.length),
    flags: new Uint8Array(packets.length),
    hashes: new Uint32Array(packets.length),
  };
}

/** A reader that sends what the test tells it to. */
export class FakeReader implements Reader {
  readonly options: ReaderOptions;
  readonly timeline: Timeline;
  readonly stats = {
    bytes: { ram: 0, disk: 0, flight: 0, sibling: 0, pass: 0 },
    startupMs: undefined as number | undefined,
    seams: 2,
    gapSeconds: 0.5,
  };
  readonly calls: string[] = [];
  state: 'idle' | 'ready' | 'playing' | 'paused' | 'closed' = 'idle';
  positionSeconds = 0;
  readonly #library: FakeLibrary;

  constructor(library: FakeLibrary, options: ReaderOptions) {
    this.#library = library;
    this.options = options;
    this.timeline = new Timeline(
      options.streams.map(({ stream, ssrc }) => ({
        stream,
        ssrc,
        clockRate: stream === 0 ? 90_000 : 48_000,
        firstSequence: FIRST_SEQUENCE,
        firstTimestamp: FIRST_TIMESTAMP,
      })),
    );
  }

  async play(range: RtspRange | undefined, signal: AbortSignal): Promise<PlayResult> {
    this.calls.push(`play ${range === undefined ? '-' : JSON.stringify(range)}`);
    const npt = range?.unit === 'npt' ? range : undefined;
    if (typeof npt?.start === 'number' && npt.start > DURATION_SECONDS)
      throw new RtspError('viewer', 'range-invalid');
    await this.#library.playGate;
    const error = this.#library.playError;
    this.#library.playError = undefined;
    if (error !== undefined) throw error;
    if (signal.aborted) throw new Error('aborted');
    if (typeof npt?.start === 'number') this.positionSeconds = npt.start;
    this.timeline.lay(this.positionSeconds * 1e6, 0);
    this.state = 'ready';
    return {
      startSeconds: this.#library.live ? 'now' : this.positionSeconds,
      endSeconds: this.#library.live ? undefined : (npt?.end ?? DURATION_SECONDS),
      pace: { scale: 1, speed: 1 },
      streams: this.options.streams.map(({ stream }) => ({
        stream,
        sequence: this.timeline.nextSequence(stream),
        rtpTime: this.timeline.rtpTime(stream, this.positionSeconds * 1e6),
      })),
    };
  }

  start(): void {
    this.calls.push('start');
    this.state = 'playing';
    this.timeline.run(this.positionSeconds * 1e6, this.#library.clock.nowMs());
    if (this.#library.onStart.length > 0) this.emit(this.#library.onStart);
  }

  pause(): { positionSeconds: number } {
    this.calls.push('pause');
    this.state = 'paused';
    this.positionSeconds += 1;
    this.timeline.halt(this.positionSeconds * 1e6);
    return { positionSeconds: this.positionSeconds };
  }

  close(): void {
    this.calls.push('close');
    this.state = 'closed';
  }

  /** Sends packets as one batch. @returns bytes handed over */
  emit(packets: readonly FakePacket[]): number {
    const bytes = this.options.sink.send(fakeRun(packets), 0, packets.length, this.timeline);
    this.stats.bytes.ram += bytes;
    this.stats.startupMs ??= 3;
    return bytes;
  }
}

const TITLES = new Set(['/vod/a', '/vod/one', '/vod/big', '/live', '/slow', '/forbidden', '/broken', '/bug']);

/** Titles: /vod/a (video and audio), /vod/one (video), /vod/big (a description of 200 kB), /live, and those that fail; /slow answers when it is released. */
export class FakeLibrary implements Library {
  readonly clock: Clock;
  readonly readers: FakeReader[] = [];
  readonly asked: string[] = [];
  readonly aborted: string[] = [];
  onStart: FakePacket[] = [];
  playGate: Promise<void> = Promise.resolve();
  playError: Error | undefined;
  live = false;
  release: () => void = () => undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async find(url: RtspUrl, { signal }: Enquirer): Promise<Presentation> {
    this.asked.push(url.path + url.query);
    if (!TITLES.has(url.path)) throw Object.assign(new Error('no such title'), { status: 404 });
    if (url.path === '/forbidden') throw Object.assign(new Error('no'), { status: 403 });
    if (url.path === '/broken') throw Object.assign(new Error('origin down'), { status: 503 });
    if (url.path === '/bug') throw new Error('a defect');
    if (url.path === '/slow') {
      await new Promise<void>((resolve, reject) => {
        this.release = resolve;
        signal.addEventListener('abort', () => {
          this.aborted.push(url.path);
          reject(new Error('aborted'));
        });
      });
    }
    const range = url.path === '/live' ? 'a=range:npt=now-\r\n' : `a=range:npt=0-${DURATION_SECONDS}\r\n`;
    const padding = url.path === '/vod/big' ? `a=x:${'x'.repeat(200_000)}\r\n` : '';
    const media = url.path === '/vod/one' ? VIDEO : VIDEO + AUDIO;
    const description = parseDescription(HEAD + range + media);
    return {
      key: `rtsp://origin${url.path}${url.query}`,
      route: 'test',
      description,
      live: url.path === '/live',
      durationSeconds: url.path === '/live' ? undefined : DURATION_SECONDS,
      sdp: () => rewriteDescription(description, {}) + padding,
    };
  }

  open(_presentation: Presentation, options: ReaderOptions): FakeReader {
    const reader = new FakeReader(this, options);
    this.readers.push(reader);
    return reader;
  }

  get reader(): FakeReader {
    const reader = this.readers.at(-1);
    if (reader === undefined) throw new Error('nothing was opened');
    return reader;
  }
}
