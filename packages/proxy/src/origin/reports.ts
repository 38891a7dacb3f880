import { randomBytes } from 'node:crypto';
import { formatReceiverReport } from '@forebay/rtp';
import type { Intake } from './intake.js';

/** One name for all sessions of this process, telling nothing about the host (RFC 7022 section 4.2). */
const CNAME = randomBytes(12).toString('base64');

/** A receiver report on the stream at `place`, with SDES, and BYE where the session ends. */
export function formatReports(intake: Intake, place: number, o: { bye?: boolean; nowMs?: number }): Buffer {
  const block = o.nowMs === undefined ? undefined : intake.inlets[place]?.report(o.nowMs);
  return formatReceiverReport({
    ssrc: intake.ssrc,
    cname: CNAME,
    reports: block === undefined ? [] : [block],
    bye: o.bye ?? false,
  });
}

/** `rtcp` as an interleaved frame (RFC 2326 section 10.12). */
export function formatFrame(channel: number, rtcp: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + rtcp.length);
  frame[0] = 0x24;
  frame[1] = channel;
  frame.writeUInt16BE(rtcp.length, 2);
  rtcp.copy(frame, 4);
  return frame;
}
