export { PopularityEngine, type EngineOptions, type Term } from './engine.js';
export type { AdmitReason, CachePolicy, Decision, RejectReason, SegmentFacts } from './policy.js';
export { DEFAULT_OPTIONS, PopularityPolicy, type PopularityOptions } from './popularity.js';
export { ViewerCredit } from './viewer-credit.js';
