export type { AdmitReason, CachePolicy, Decision, RejectReason, SegmentFacts } from './policy.js';
export { PopularityPolicy, type PopularityOptions } from './popularity.js';
