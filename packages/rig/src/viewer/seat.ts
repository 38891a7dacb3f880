import { randomInt } from 'node:crypto';
import { formatTransport, parseTransport } from '@forebay/rtsp';
import type { ChannelPair, RtspResponse, StreamDescription, TransportSpec } from '@forebay/rtsp';
import { RigError } from '../errors.js';
import { bindUdpPair } from '../udp-pair.js';
import type { UdpPair } from '../udp-pair.js';
import { StreamRecording } from './recording.js';
import type { RecordingOptions } from './recording.js';

export interface SeatOptions {
  readonly stream: StreamDescription;
  /** For SETUP. */
  readonly url: string;
  readonly transport: 'tcp' | 'udp';
  /** To receive UDP on. */
  readonly address: string;
  readonly recording: RecordingOptions;
  /** Called after each datagram. */
  readonly progress: () => void;
}

/** One stream's place at the viewer: its recording, and how its packets get there. */
export class StreamSeat {
  readonly url: string;
  readonly recording: StreamRecording;
  /** The Transport header to ask for. */
  readonly offer: string;
  /** Of our receiver reports. */
  readonly ssrc = randomInt(1, 2 ** 32);
  /** Over TCP, as the peer chose. */
  channels: ChannelPair | undefined;
  readonly #pair: UdpPair | undefined;
  #peer: { readonly address: string; readonly ports: readonly [rtp: number, rtcp: number] } | undefined;

  private constructor(options: SeatOptions, offer: TransportSpec, pair: UdpPair | undefined) {
    this.url = options.url;
    this.recording = new StreamRecording(options.stream, options.recording);
    this.offer = formatTransport(offer);
    this.channels = offer.interleaved;
    this.#pair = pair;
    const { progress } = options;
    pair?.rtp.on('message', (message, { port }) => {
      if (this.#isStray(port, 0)) return;
      this.recording.rtp(message, 0, message.length, performance.now());
      progress();
    });
    pair?.rtcp.on('message', (message, { port }) => {
      if (this.#isStray(port, 1)) return;
      this.recording.rtcp(message, 0, message.length, performance.now());
      progress();
    });
  }

  /** Chooses channels or binds ports, so that nothing is missed however early it comes. */
  static async reserve(options: SeatOptions): Promise<StreamSeat> {
    if (options.transport === 'tcp') {
      const interleaved = [2 * options.stream.index, 2 * options.stream.index + 1] as const;
      return new StreamSeat(options, { lower: 'tcp', delivery: 'unicast', interleaved }, undefined);
    }
    const pair = await bindUdpPair(options.address);
    return new StreamSeat(options, { lower: 'udp', delivery: 'unicast', clientPort: pair.ports }, pair);
  }

  /**
   * Reads the answer to SETUP.
   * @throws RigError `protocol` if the transport is another than asked for
   */
  take(response: RtspResponse, remoteAddress: string): void {
    const transport = parseTransport(response.headers.get('Transport') ?? '', 'origin')[0];
    const isTcp = this.#pair === undefined;
    if (transport === undefined || (transport.lower === 'tcp') !== isTcp) {
      throw new RigError('protocol', `Transport: ${response.headers.get('Transport')}`);
    }
    this.recording.announcedSsrc = transport.ssrc;
    if (isTcp) this.channels = transport.interleaved ?? this.channels;
    else if (transport.serverPort !== undefined) {
      this.#peer = { address: transport.source ?? remoteAddress, ports: transport.serverPort };
    }
  }

  /** Over UDP; nothing is sent where the peer named no port. */
  sendRtcp(bytes: Buffer): void {
    if (this.#peer !== undefined) this.#pair?.rtcp.send(bytes, this.#peer.ports[1], this.#peer.address);
  }

  /** Ports are used again: last words for whoever had this one before may still come. */
  #isStray(port: number, of: 0 | 1): boolean {
    return this.#peer !== undefined && port !== this.#peer.ports[of];
  }

  async close(): Promise<void> {
    await this.#pair?.close();
  }
}
