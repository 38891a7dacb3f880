import { crc32 } from 'node:zlib';
import {
  classifierFor,
  marker,
  parseCompound,
  payloadEnd,
  payloadStart,
  Reception,
  ROLE,
  sequenceNumber,
  SequenceUnwrapper,
  ssrc,
  timestamp,
} from '@forebay/rtp';
import type { AccessUnitClassifier, ReportBlock, RtcpPacket } from '@forebay/rtp';
import type { StreamDescription } from '@forebay/rtsp';

/** Sender reports and BYEs kept of one stream. */
const MAX_REPORTS = 4096;
const FIRST_CAPACITY = 1024;

/** Tells whether bytes[start, end), a payload of `stream`, is what it should be. */
export type PayloadCheck = (stream: number, bytes: Buffer, start: number, end: number) => boolean;

export interface RecordingOptions {
  /** Packets kept; later ones are counted only. 0 keeps counters alone. */
  readonly maxPackets: number;
  readonly check?: PayloadCheck | undefined;
}

export interface SenderReportRecord {
  /** Monotonic clock (performance.now()). */
  readonly arrivalMs: number;
  readonly ssrc: number;
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
}

/**
 * What arrived of one stream, a column a property, in order of arrival. A column is a view of the packets kept so far:
 * take it again after more have come. Times are of the monotonic clock, performance.now().
 */
export class StreamRecording {
  readonly stream: StreamDescription;
  readonly classifier: AccessUnitClassifier | undefined;
  /** Packets received, kept or not. */
  packets = 0;
  payloadBytes = 0;
  /** Datagrams or frames that were no RTP or RTCP. */
  faults = 0;
  /** Payloads that the check refused. */
  wrongPayloads = 0;
  /** Since the last PLAY. */
  firstRtpMs: number | undefined;
  /** Since the last PLAY: when the first access unit that a decoder can start with was complete. */
  firstKeyFrameMs: number | undefined;
  lastRtpMs: number | undefined;
  /** Index of the first packet since the last PLAY. */
  firstPacket = 0;
  readonly senderReports: SenderReportRecord[] = [];
  readonly byeTimesMs: number[] = [];
  /** A BYE came since the last PLAY. */
  ended = false;
  /** Of the last sender or of SETUP's Transport. */
  announcedSsrc: number | undefined;

  readonly #maxPackets: number;
  readonly #check: PayloadCheck | undefined;
  readonly #unwrapper = new SequenceUnwrapper();
  #reception: Reception | undefined;
  #lastSsrc = -1;
  #lastSequence = 0;
  #count = 0;
  #capacity = 0;
  #sequences = new Float64Array(0);
  #timestamps = new Uint32Array(0);
  #markers = new Uint8Array(0);
  #roles = new Uint8Array(0);
  #hashes = new Uint32Array(0);
  #payloadSizes = new Uint16Array(0);
  #ssrcs = new Uint32Array(0);
  #arrivalsMs = new Float64Array(0);
  /** Timestamp of the key frame that is arriving; -1 for none. */
  #openKeyFrame = -1;

  constructor(stream: StreamDescription, options: RecordingOptions) {
    this.stream = stream;
    this.classifier = classifierFor(stream.encoding, stream.media, stream.fmtp);
    this.#maxPackets = options.maxPackets;
    this.#check = options.check;
  }

  /** Packets kept. */
  get count(): number {
    return this.#count;
  }
  /** Extended sequence numbers: the first is as it came, none wraps. */
  get sequences(): Float64Array {
    return this.#sequences.subarray(0, this.#count);
  }
  get timestamps(): Uint32Array {
    return this.#timestamps.subarray(0, this.#count);
  }
  /** 1 where the marker bit was set. */
  get markers(): Uint8Array {
    return this.#markers.subarray(0, this.#count);
  }
  /** Values of ROLE. */
  get roles(): Uint8Array {
    return this.#roles.subarray(0, this.#count);
  }
  /** CRC-32 of the payload without padding. */
  get hashes(): Uint32Array {
    return this.#hashes.subarray(0, this.#count);
  }
  get payloadSizes(): Uint16Array {
    return this.#payloadSizes.subarray(0, this.#count);
  }
  get ssrcs(): Uint32Array {
    return this.#ssrcs.subarray(0, this.#count);
  }
  get arrivalsMs(): Float64Array {
    return this.#arrivalsMs.subarray(0, this.#count);
  }

  /** Takes note of one RTP packet, bytes[start, end). */
  rtp(bytes: Buffer, start: number, end: number, nowMs: number): void {
    const payload = payloadStart(bytes, start, end);
    if (payload < 0) {
      this.faults += 1;
      return;
    }
    const stop = payloadEnd(bytes, start, end);
    this.packets += 1;
    this.payloadBytes += stop - payload;
    this.firstRtpMs ??= nowMs;
    this.lastRtpMs = nowMs;
    if (this.#check !== undefined && !this.#check(this.stream.index, bytes, payload, stop))
      this.wrongPayloads += 1;
    const sequence = this.#unwrapper.unwrap(sequenceNumber(bytes, start));
    const role = this.classifier?.classify(bytes, payload, stop) ?? ROLE.other;
    this.#receive(bytes, start, nowMs);
    const ticks = timestamp(bytes, start);
    const isLast = marker(bytes, start);
    if (this.firstKeyFrameMs === undefined && this.#isKeyFrameComplete(sequence, role, ticks, isLast)) {
      this.firstKeyFrameMs = nowMs;
    }
    this.#lastSequence = sequence;
    if (this.#count === this.#maxPackets) return;
    if (this.#count === this.#capacity) this.#grow();
    const i = this.#count++;
    this.#sequences[i] = sequence;
    this.#timestamps[i] = ticks;
    this.#markers[i] = isLast ? 1 : 0;
    this.#roles[i] = role;
    this.#hashes[i] = crc32(bytes.subarray(payload, stop));
    this.#payloadSizes[i] = stop - payload;
    this.#ssrcs[i] = ssrc(bytes, start);
    this.#arrivalsMs[i] = nowMs;
  }

  /** Takes note of one RTCP compound, bytes[start, end). */
  rtcp(bytes: Buffer, start: number, end: number, nowMs: number): void {
    let packets: readonly RtcpPacket[];
    try {
      packets = parseCompound(bytes, start, end);
    } catch {
      this.faults += 1;
      return;
    }
    for (const packet of packets) {
      if (packet.type === 'sr') this.#noteSenderReport(packet, nowMs);
      if (packet.type === 'bye') {
        this.ended = true;
        if (this.byeTimesMs.length < MAX_REPORTS) this.byeTimesMs.push(nowMs);
      }
    }
  }

  /** A new PLAY: first times and the end are those of what comes now. */
  restart(): void {
    this.firstRtpMs = undefined;
    this.firstKeyFrameMs = undefined;
    this.firstPacket = this.#count;
    this.ended = false;
    this.#openKeyFrame = -1;
  }

  /** What a receiver report says of this stream; undefined before the first packet. */
  report(nowMs: number): ReportBlock | undefined {
    return this.#reception?.report(nowMs);
  }

  #noteSenderReport(report: Omit<SenderReportRecord, 'arrivalMs'>, nowMs: number): void {
    this.#reception?.senderReport(report.ntpSeconds, report.ntpFraction, nowMs);
    if (this.senderReports.length === MAX_REPORTS) return;
    const { ssrc: sender, ntpSeconds, ntpFraction, rtpTimestamp, packetCount, octetCount } = report;
    const counts = { packetCount, octetCount };
    this.senderReports.push({
      arrivalMs: nowMs,
      ssrc: sender,
      ntpSeconds,
      ntpFraction,
      rtpTimestamp,
      ...counts,
    });
  }

  #receive(bytes: Buffer, start: number, nowMs: number): void {
    const sender = ssrc(bytes, start);
    if (sender !== this.#lastSsrc || this.#reception === undefined) {
      this.#lastSsrc = sender;
      this.#reception = new Reception({ ssrc: sender, clockRate: this.stream.clockRate });
    }
    this.#reception.packet(sequenceNumber(bytes, start), timestamp(bytes, start), nowMs);
  }

  /** A key frame is complete at its marker or when another timestamp follows; a hole in it spoils it. */
  #isKeyFrameComplete(sequence: number, role: number, ticks: number, isLast: boolean): boolean {
    if (this.#openKeyFrame >= 0) {
      if (sequence !== this.#lastSequence + 1) this.#openKeyFrame = -1;
      else if (ticks !== this.#openKeyFrame) return true;
    }
    if (role === ROLE.randomAccess) this.#openKeyFrame = ticks;
    return isLast && this.#openKeyFrame === ticks;
  }

  #grow(): void {
    this.#capacity = Math.min(this.#maxPackets, Math.max(FIRST_CAPACITY, this.#capacity * 2));
    this.#sequences = enlarged(this.#sequences, new Float64Array(this.#capacity));
    this.#timestamps = enlarged(this.#timestamps, new Uint32Array(this.#capacity));
    this.#markers = enlarged(this.#markers, new Uint8Array(this.#capacity));
    this.#roles = enlarged(this.#roles, new Uint8Array(this.#capacity));
    this.#hashes = enlarged(this.#hashes, new Uint32Array(this.#capacity));
    this.#payloadSizes = enlarged(this.#payloadSizes, new Uint16Array(this.#capacity));
    this.#ssrcs = enlarged(this.#ssrcs, new Uint32Array(this.#capacity));
    this.#arrivalsMs = enlarged(this.#arrivalsMs, new Float64Array(this.#capacity));
  }
}

function enlarged<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
