export { RTP_ERRORS, RtpError } from './errors.js';
export type { RtpErrorCode } from './errors.js';
export { ntpFromUnix, unixFromNtp } from './ntp.js';
export type { NtpTime } from './ntp.js';
export {
  marker,
  PACKET_FAULTS,
  payloadEnd,
  payloadStart,
  payloadType,
  RTP_HEADER_BYTES,
  sequenceNumber,
  ssrc,
  timestamp,
} from './packet.js';
export { classifierFor } from './random-access.js';
export type { ClassifierOptions } from './random-access.js';
export { Reception } from './reception.js';
export { ROLE } from './role.js';
export type { AccessUnitClassifier, Role } from './role.js';
export { formatReceiverReport, formatSenderReport } from './rtcp-format.js';
export type { CompoundTail, ReceiverReport, SenderReport } from './rtcp-format.js';
export { isRtcp, parseCompound } from './rtcp.js';
export type { ReportBlock, RtcpPacket, SdesChunk, SenderFacts } from './rtcp.js';
export { sequenceDelta, SequenceUnwrapper, wrapSequence } from './sequence.js';
export { timestampDelta, TimestampUnwrapper, wrapTimestamp } from './timestamp.js';
