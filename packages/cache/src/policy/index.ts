export type { AdmitReason, CachePolicy, Decision, RejectReason, SegmentFacts } from './policy.js';
