import { Buffer } from 'node:buffer';
import { isRtcp } from '@forebay/rtp';
import type { ChannelPair, StreamDescription } from '@forebay/rtsp';
import type { Metrics } from '../metrics.js';
import { Inlet, type InletHost } from './inlet.js';
import { ORIGIN_LIMITS } from './limits.js';
import type { OriginSink } from './session.js';

/**
 * - `asking`: PLAY is not answered; a few packets are kept
 * - `holding`: it is, but nobody wants packets yet
 * - `flowing`: packets go to the sink
 * - `dropping`: nobody wants these packets
 */
type Flow = 'asking' | 'holding' | 'flowing' | 'dropping';

interface Held {
  readonly inlet: Inlet;
  readonly bytes: Buffer;
}

export interface IntakeOptions {
  readonly streams: readonly StreamDescription[];
  readonly sink: OriginSink;
  readonly metrics: Metrics;
  /** Our SSRC in reports. */
  readonly ssrc: number;
  /** The first RTP packet is here, whether it is delivered or kept. */
  readonly onFirst: () => void;
  readonly onSourceChanged: () => void;
  /** More is kept than should be: reading had better stop until start(). */
  readonly onFull: () => void;
}

/** All media of one session: which channel or port is which stream's, and what waits until it is wanted. */
export class Intake implements InletHost {
  arrivalMs = 0;
  readonly sink: OriginSink;
  readonly ssrc: number;
  readonly inlets: readonly Inlet[];
  readonly #o: IntakeOptions;
  readonly #byChannel = Array.from<Inlet | undefined>({ length: 256 });
  #flow: Flow = 'asking';
  #held: Held[] = [];
  #first = false;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.sink = options.sink;
    this.ssrc = options.ssrc;
    this.inlets = options.streams.map((stream) => new Inlet(stream, this));
  }

  /**
   * Media of the stream at `place` comes on these interleaved channels.
   * @returns false where another stream has one of them
   */
  bind(place: number, channels: ChannelPair): boolean {
    const inlet = this.inlets[place]!;
    if (channels.some((channel) => (this.#byChannel[channel] ?? inlet) !== inlet)) return false;
    for (const channel of channels) this.#byChannel[channel] = inlet;
    return true;
  }

  /** An interleaved frame. */
  frame(channel: number, bytes: Buffer, start: number, end: number): void {
    const inlet = this.#byChannel[channel];
    if (inlet === undefined) {
      if (this.#flow !== 'dropping') this.reject('channel');
    } else if (this.#flow === 'flowing' && this.#first) inlet.take(bytes, start, end);
    else this.take(inlet, bytes, start, end);
  }

  /** Packets of one stream that are in order already. */
  take(inlet: Inlet, bytes: Buffer, start: number, end: number): void {
    if (this.#flow === 'dropping') return;
    if (!this.#first && !isRtcp(bytes, start, end)) {
      if (!inlet.accepts(bytes, start, end)) return;
      this.#first = true;
      this.#o.onFirst();
    }
    if (this.#flow === 'flowing') inlet.take(bytes, start, end);
    else this.#hold(inlet, bytes, start, end);
  }

  /** PLAY has been sent: what comes now may be what it asked for. */
  ask(): void {
    this.#flow = 'asking';
    for (const inlet of this.inlets) inlet.restart();
  }

  /** PLAY has been answered. */
  answered(): void {
    if (this.#flow === 'asking') this.#flow = 'holding';
  }

  start(): void {
    if (this.#flow !== 'holding') return;
    const held = this.#held;
    this.#held = [];
    this.#flow = 'flowing';
    for (const { inlet, bytes } of held) this.take(inlet, bytes, 0, bytes.length);
  }

  /** Nothing more is delivered, until the next ask() and start(). */
  drop(): void {
    this.#flow = 'dropping';
    this.#held = [];
  }

  /** Packets wait for start(). */
  get isHolding(): boolean {
    return this.#flow === 'holding';
  }

  sourceChanged(): void {
    this.#o.onSourceChanged();
  }

  reject(reason: string): void {
    this.#o.metrics.rejects.inc({ reason: `origin-${reason}` });
  }

  #hold(inlet: Inlet, bytes: Buffer, start: number, end: number): void {
    const limit = this.#flow === 'asking' ? ORIGIN_LIMITS.earlyPackets : ORIGIN_LIMITS.heldPackets;
    if (this.#held.length >= limit) {
      this.reject('early');
      return;
    }
    this.#held.push({ inlet, bytes: Buffer.from(bytes.subarray(start, end)) });
    if (this.#flow === 'holding' && this.#held.length >= ORIGIN_LIMITS.heldPauses) this.#o.onFull();
  }
}
