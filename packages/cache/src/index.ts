export { CACHE_ERRORS, CacheError, type CacheErrorCode } from './errors.js';
export { PACKET_FLAG, type PacketRun, type Segment, type SegmentMeta, type StreamExtent } from './segment.js';
export type { AdmitReason, CachePolicy, Decision, RejectReason, SegmentFacts } from './policy/index.js';
export { PopularityPolicy, type PopularityOptions } from './policy/index.js';
