export { PopularityEngine, type EngineOptions } from './engine.js';
export type { AdmitReason, CachePolicy, Decision, RejectReason, SegmentFacts } from './policy.js';
export { DEFAULT_OPTIONS, PopularityPolicy, type PopularityOptions } from './popularity.js';
export { ViewerCredit } from './viewer-credit.js';
export type { Term } from './worth.js';
