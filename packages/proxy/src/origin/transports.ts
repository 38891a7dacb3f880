import { type ChannelPair, parseTransport, type RtspResponse, type TransportSpec } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { OriginConnection } from './connection.js';
import { asOriginError, OriginError } from './errors.js';
import type { Intake } from './intake.js';
import { UdpStream } from './udp.js';

export interface TransportsOptions {
  readonly lower: 'tcp' | 'udp';
  /** Whether the other transport may be taken on 461. */
  readonly mayChange: boolean;
  readonly connection: OriginConnection;
  readonly intake: Intake;
  readonly clock: Clock;
}

/** What was agreed for one stream. */
export interface Way {
  readonly ssrc: number | undefined;
  /** Interleaved, or else by UDP. */
  readonly channels: ChannelPair | undefined;
  readonly udp: UdpStream | undefined;
}

/** How the media of a session travels: what is offered to the origin, and what it made of that. */
export class Transports {
  lower: 'tcp' | 'udp';
  /** The origin agreed to something else than was asked for. */
  mismatched = false;
  readonly #o: TransportsOptions;
  readonly #udp: UdpStream[] = [];

  constructor(options: TransportsOptions) {
    this.#o = options;
    this.lower = options.lower;
  }

  /** The other transport from now on, if that is allowed and was not tried yet. */
  change(): boolean {
    if (!this.#o.mayChange || this.lower !== this.#o.lower) return false;
    this.lower = this.lower === 'tcp' ? 'udp' : 'tcp';
    return true;
  }

  /**
   * What to ask for, for the stream at `place`.
   * @throws OriginError `transport` where no UDP ports are free; `aborted`
   */
  async offer(place: number, signal: AbortSignal): Promise<TransportSpec> {
    if (this.lower === 'tcp') {
      return { lower: 'tcp', delivery: 'unicast', interleaved: channelsOf(place) };
    }
    const { intake, clock, connection } = this.#o;
    const { localAddress, peerAddress } = connection;
    const inlet = intake.inlets[place]!;
    this.#udp[place] ??= await UdpStream.open({ intake, inlet, clock, localAddress, peerAddress }, signal);
    return { lower: 'udp', delivery: 'unicast', clientPort: this.#udp[place].ports };
  }

  /** Media of this stream may follow the answer in the same read, when PLAY was sent in one go with SETUP. */
  expect(place: number, response: RtspResponse): void {
    try {
      const channels = this.#channels(place, this.#read(place, response));
      if (channels !== undefined) this.#o.intake.bind(place, channels);
    } catch (error) {
      if (!(error instanceof OriginError)) throw error;
      // The same comes to light, and is dealt with, when the answer is looked at in its turn.
    }
  }

  /** @throws OriginError `transport` where the answer is not what was asked for */
  agree(place: number, response: RtspResponse): Way {
    const spec = this.#read(place, response);
    const channels = this.#channels(place, spec);
    if (channels !== undefined && !this.#o.intake.bind(place, channels)) {
      throw new OriginError('transport', `channels ${channels.join('-')} for two streams`);
    }
    const udp = this.lower === 'udp' ? this.#udp[place] : undefined;
    udp?.announced(spec?.serverPort);
    return { ssrc: spec?.ssrc, channels, udp };
  }

  close(): void {
    for (const udp of this.#udp) udp.close();
  }

  /** The channels that the origin says, else those that it was asked for; undefined over UDP. */
  #channels(place: number, spec: TransportSpec | undefined): ChannelPair | undefined {
    return this.lower === 'udp' ? undefined : (spec?.interleaved ?? channelsOf(place));
  }

  /** Whatever the origin says about addresses is not looked at: media goes to and comes from its own. */
  #read(place: number, response: RtspResponse): TransportSpec | undefined {
    const header = response.headers.get('transport');
    if (header === undefined) return undefined;
    let spec: TransportSpec | undefined;
    try {
      [spec] = parseTransport(header, 'origin');
    } catch (error) {
      this.mismatched = true;
      throw asOriginError(error, 'transport', 'unusable');
    }
    const ours = this.#udp[place]?.ports;
    const theirs = spec?.clientPort;
    const samePorts = ours === undefined || theirs === undefined || theirs[0] === ours[0];
    if (spec?.lower === this.lower && spec.delivery === 'unicast' && samePorts) return spec;
    this.mismatched = true;
    throw new OriginError('transport', 'another one than asked for');
  }
}

const channelsOf = (place: number): ChannelPair => [2 * place, 2 * place + 1];
