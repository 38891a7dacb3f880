export { RTSP_FAULTS, RtspError } from './errors.js';
export type { RtspErrorCode, RtspErrorOptions, RtspParty } from './errors.js';
export { LIMITS } from './limits.js';
export { Framer } from './framer.js';
export type { FramerSink } from './framer.js';
export { formatRequest, formatResponse, STATUS_REASONS } from './message.js';
export type { RtspHeaders } from './message.js';
export type {
  HeaderField,
  HeaderList,
  OutgoingRequest,
  OutgoingResponse,
  RtspMessage,
  RtspRequest,
  RtspResponse,
} from './message.js';
export { formatTransport, parseTransport } from './transport.js';
export type { ChannelPair, PortPair, TransportSpec } from './transport.js';
export { formatRange, parseRange } from './range.js';
export type { ClockRange, NptRange, RtspRange, SmpteRange } from './range.js';
export { formatRatio, parseRatio } from './ratio.js';
export type { SmpteFormat } from './smpte.js';
export { formatRtpInfo, parseRtpInfo } from './rtp-info.js';
export type { RtpInfoEntry } from './rtp-info.js';
export { formatSession, parseSession } from './session-header.js';
export type { SessionHeader } from './session-header.js';
export { formatChallenge, parseAuthorization } from './authorization.js';
export type { Authorization, BasicAuthorization, DigestAuthorization } from './authorization.js';
export { chooseChallenge, parseChallenges } from './challenge.js';
export type { Challenge, DigestAlgorithm } from './challenge.js';
export { authorizationFor, digestResponse } from './digest.js';
export type { Credentials, DigestRequest } from './digest.js';
export { parseDescription, rewriteDescription } from './sdp.js';
export type { Description, StreamDescription } from './sdp.js';
export { canonicalUrl, formatRtspUrl, normalEncoding, parseRtspUrl, splitStreamUrl } from './url.js';
export type { RtspUrl } from './url.js';
export { controlBase, resolveControl } from './control.js';
export type { BaseHeaders } from './control.js';
export { redactUrl } from './redact.js';
export { nextState, STATE_TABLE, VIEWER_METHODS } from './state.js';
export type { SessionState, ViewerMethod } from './state.js';
