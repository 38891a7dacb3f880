import type { PacketRun } from '@forebay/cache';
import { payloadEnd, payloadStart } from '@forebay/rtp';
import type { TransportSpec } from '@forebay/rtsp';
import type { Timeline } from '../read/timeline.js';

/** `$`, channel, 16-bit length. Source: RFC 2326 section 10.12. */
export const FRAME_BYTES = 4;
const RTP_HEADER_BYTES = 12;

/** How one session's media and reports leave, and what comes back. All streams of a session share one kind. */
export interface MediaTransport {
  readonly kind: 'udp' | 'tcp';
  /** Replaces the transport of `stream` if it has one. @returns what the viewer is told */
  setUp(stream: number, asked: TransportSpec): Promise<TransportSpec> | TransportSpec;
  /** Frees what `stream` holds. */
  drop(stream: number): void;
  writable(): boolean;
  /** As `MediaSink.send`. */
  send(run: PacketRun, from: number, to: number, timeline: Timeline): number;
  /** Sends one RTCP compound for `stream`. */
  report(stream: number, compound: Buffer): void;
  /** Frees everything; nothing is sent or received afterwards. */
  close(): void;
}

/** What a receiver report is about: a stream of this session, of another, or, as far as can be told, nothing. */
export type ReportSubject = 'ours' | 'other' | 'none';

/** What a transport tells its session. */
export interface TransportOwner {
  /** Something came from the port that media goes to. */
  punched(): void;
  /** Bytes[start, end) came as RTCP. */
  reports(bytes: Buffer, start: number, end: number): ReportSubject;
  /** Nothing has been reaching the viewer for too long. */
  unreachable(): void;
}

/** Payload octets of the RTP packet at bytes[start, end), as sender reports count them: no header, no padding. */
export function payloadBytes(bytes: Buffer, start: number, end: number): number {
  // Version 2 and nothing else: no padding, no extension, no contributing sources.
  if (bytes[start] === 0x80) return end - start - RTP_HEADER_BYTES;
  return payloadEnd(bytes, start, end) - payloadStart(bytes, start, end);
}
