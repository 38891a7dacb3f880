import {
  type DescribingOrigin,
  type OpenOptions,
  OriginProfile,
  type OriginSession,
  type OriginSink,
} from '@forebay/proxy';
import { parseDescription } from '@forebay/rtsp';
import type { VirtualClock } from './virtual-clock.js';

/** From asking to the first packet. */
const STARTUP_MS = 300;
const CLOCK_RATE = 90_000;
const PAYLOAD_BYTES = 32;
const RTP_HEADER_BYTES = 12;
/** NAL unit type 5: every picture is one that a decoder can start with. */
const IDR = 0x65;

/** An origin of one title, a picture a second, that sends at the pace of the media. */
export class ModelledOrigin implements DescribingOrigin {
  readonly profile = new OriginProfile('model');
  readonly sessions = { used: 0, waiting: 0, most: Infinity };
  readonly #clock: VirtualClock;
  readonly #seconds: number;
  readonly #open = new Set<ModelledSession>();
  /** Media seconds sent. */
  sentSeconds = 0;
  /** Sessions opened. */
  opened = 0;

  constructor(clock: VirtualClock, seconds: number) {
    this.#clock = clock;
    this.#seconds = seconds;
  }

  /** Sessions that are open. */
  get openSessions(): number {
    return this.#open.size;
  }

  describe(): ReturnType<DescribingOrigin['describe']> {
    const sdp = `v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=range:npt=0-${this.#seconds}\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/${CLOCK_RATE}\r\na=control:0\r\n`;
    const url = 'rtsp://origin/title';
    return Promise.resolve({ description: parseDescription(sdp), contentBase: `${url}/`, url });
  }

  async open(options: OpenOptions, sink: OriginSink): Promise<OriginSession> {
    const { startSeconds = 0 } = (await options.turn?.come()) ?? options;
    await new Promise<void>((resolve) => void this.#clock.setTimeout(resolve, STARTUP_MS));
    const first = Math.max(0, Math.min(Math.floor(startSeconds + 1e-6), this.#seconds - 1));
    const session = new ModelledSession(sink, first, {
      sent: () => void this.sentSeconds++,
      closed: () => void this.#open.delete(session),
    });
    this.opened++;
    this.#open.add(session);
    return session;
  }

  /** Sends what is due by `nowMs`. */
  send(nowMs: number): void {
    for (const session of this.#open) session.send(nowMs, this.#seconds);
  }
}

class ModelledSession implements OriginSession {
  readonly transport = 'tcp';
  readonly ssrcs: readonly undefined[] = [];
  readonly bytesReceived = 0;
  readonly reply: OriginSession['reply'];
  readonly #sink: OriginSink;
  readonly #told: { readonly sent: () => void; readonly closed: () => void };
  readonly #packet = Buffer.alloc(RTP_HEADER_BYTES + PAYLOAD_BYTES);
  #next: number;
  #sequence = 0;
  #isStarted = false;
  /** When NPT 0 would have been sent. */
  #zeroMs: number | undefined;
  #state: 'open' | 'said-goodbye' | 'closed' = 'open';

  constructor(sink: OriginSink, first: number, told: { sent: () => void; closed: () => void }) {
    this.#sink = sink;
    this.#next = first;
    this.#told = told;
    this.reply = { range: { unit: 'npt', start: first }, rtpInfo: [] };
    this.#packet[0] = 0x80;
    this.#packet[1] = 0x80 | 96;
    this.#packet[RTP_HEADER_BYTES] = IDR;
  }

  send(nowMs: number, seconds: number): void {
    if (!this.#isStarted) return;
    this.#zeroMs ??= nowMs - this.#next * 1000;
    while (this.#state === 'open' && this.#zeroMs + this.#next * 1000 <= nowMs) {
      if (this.#next >= seconds) {
        this.#state = 'said-goodbye';
        this.#sink.bye(0);
        return;
      }
      this.#write(this.#next++);
    }
  }

  start(): void {
    this.#isStarted = true;
  }

  play(): Promise<OriginSession['reply']> {
    return Promise.resolve(this.reply);
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }

  pauseReading(): void {
    // At the pace of the media a flight is never far ahead.
  }

  resumeReading(): void {
    // See above.
  }

  close(): Promise<void> {
    this.#state = 'closed';
    this.#told.closed();
    return Promise.resolve();
  }

  #write(second: number): void {
    const packet = this.#packet;
    packet.writeUInt16BE(this.#sequence++ & 0xffff, 2);
    packet.writeUInt32BE((second * CLOCK_RATE) >>> 0, 4);
    packet.writeUInt32BE(second, RTP_HEADER_BYTES + 1);
    this.#told.sent();
    this.#sink.rtp(0, packet, 0, packet.length);
  }
}
