import { Buffer } from 'node:buffer';
import {
  isRtcp,
  PACKET_FAULTS,
  parseCompound,
  payloadStart,
  payloadType,
  Reception,
  type ReportBlock,
  type RtcpPacket,
  RtpError,
  sequenceDelta,
  sequenceNumber,
  ssrc,
  timestamp,
} from '@forebay/rtp';
import type { StreamDescription } from '@forebay/rtsp';
import type { OriginSink } from './session.js';

const NONE = -1;
/** A source that sent this many packets is the stream's source; before, another may take its place. */
const ESTABLISHED_PACKETS = 16;

/** What an inlet needs of the session around it. */
export interface InletHost {
  readonly sink: OriginSink;
  /** Our own SSRC in reports: packets that carry it are our own, come back. */
  readonly ssrc: number;
  /** When the packets that are being taken arrived. */
  readonly arrivalMs: number;
  /** Counts a packet that is dropped. */
  reject(reason: string): void;
  /** The stream's packets come from another source than before, for good. */
  sourceChanged(): void;
}

/**
 * The packets of one stream, as they enter: validated, of the right payload type, of one source.
 *
 * The first packet names the source. Another source takes over when two of its packets follow each other in order
 * (RFC 3550 appendix A.1); of one that has been heard for a while that is the end of the session, since nothing of the
 * new one's numbers continues the old one's.
 */
export class Inlet {
  readonly stream: number;
  readonly #host: InletHost;
  readonly #payloadType: number;
  readonly #clockRate: number;
  #reception: Reception | undefined;
  #source = NONE;
  #packets = 0;
  #candidate = NONE;
  #candidatePacket: Buffer | undefined;

  constructor(description: StreamDescription, host: InletHost) {
    this.stream = description.index;
    this.#host = host;
    this.#payloadType = description.payloadType;
    this.#clockRate = description.clockRate;
  }

  /** Whether bytes[start,end) is an RTP packet of this stream; others are counted. */
  accepts(bytes: Buffer, start: number, end: number): boolean {
    const offset = payloadStart(bytes, start, end);
    if (offset < 0) this.#host.reject(`rtp-${PACKET_FAULTS[offset]}`);
    else if (payloadType(bytes, start) !== this.#payloadType) this.#host.reject('payload-type');
    else return true;
    return false;
  }

  /** Takes a packet that accepts() accepts. */
  rtp(bytes: Buffer, start: number, end: number): void {
    const source = ssrc(bytes, start);
    if (source !== this.#source && !this.#admit(source, bytes, start, end)) return;
    const early = this.#candidatePacket;
    this.#candidate = NONE;
    this.#candidatePacket = undefined;
    if (early !== undefined && ssrc(early, 0) === source) this.#deliver(early, 0, early.length);
    this.#deliver(bytes, start, end);
  }

  /** Takes bytes that isRtcp() holds for RTCP. */
  rtcp(bytes: Buffer, start: number, end: number): void {
    let packets: RtcpPacket[];
    try {
      packets = parseCompound(bytes, start, end);
    } catch (error) {
      if (!(error instanceof RtpError)) throw error;
      this.#host.reject(error.code);
      return;
    }
    for (const packet of packets) {
      if (packet.type === 'sr' && this.#isSource(packet.ssrc)) {
        this.#reception?.senderReport(packet.ntpSeconds, packet.ntpFraction, this.#host.arrivalMs);
        this.#host.sink.senderReport(this.stream, packet);
      } else if (packet.type === 'bye' && packet.ssrcs.some((source) => this.#isSource(source))) {
        this.#host.sink.bye(this.stream);
      }
    }
  }

  /** Takes packets of either kind, wherever they came in (RFC 5761). */
  take(bytes: Buffer, start: number, end: number): void {
    if (isRtcp(bytes, start, end)) this.rtcp(bytes, start, end);
    else if (this.accepts(bytes, start, end)) this.rtp(bytes, start, end);
  }

  /** The origin starts anew (PLAY): any source may follow. */
  restart(): void {
    this.#packets = 0;
    this.#candidate = NONE;
    this.#candidatePacket = undefined;
  }

  /** What is to be said of the reception, if there was one. */
  report(nowMs: number): ReportBlock | undefined {
    return this.#reception?.report(nowMs);
  }

  #isSource(source: number): boolean {
    return this.#source === NONE || source === this.#source;
  }

  /** True when packets of `source` are the stream's from now on. */
  #admit(source: number, bytes: Buffer, start: number, end: number): boolean {
    if (source === this.#host.ssrc) {
      this.#host.reject('rtp-own-ssrc');
      return false;
    }
    if (this.#source !== NONE && !this.#follows(source, bytes, start)) {
      this.#host.reject('rtp-other-ssrc');
      this.#candidate = source;
      this.#candidatePacket = Buffer.from(bytes.subarray(start, end));
      return false;
    }
    if (this.#packets >= ESTABLISHED_PACKETS) {
      this.#host.sourceChanged();
      return false;
    }
    this.#source = source;
    this.#packets = 0;
    this.#reception = new Reception({ ssrc: source, clockRate: this.#clockRate });
    return true;
  }

  #follows(source: number, bytes: Buffer, start: number): boolean {
    const candidate = this.#candidatePacket;
    if (candidate === undefined || source !== this.#candidate) return false;
    return sequenceDelta(sequenceNumber(candidate, 0), sequenceNumber(bytes, start)) === 1;
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    this.#packets++;
    this.#reception?.packet(sequenceNumber(bytes, start), timestamp(bytes, start), this.#host.arrivalMs);
    this.#host.sink.rtp(this.stream, bytes, start, end);
  }
}
