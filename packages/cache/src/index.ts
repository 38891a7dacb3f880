export type { TitleRecord } from './catalogue.js';
export { CACHE_ERRORS, CacheError, type CacheErrorCode } from './errors.js';
export { inspectSegmentFile, type SegmentInspection, type StreamInspection } from './inspect.js';
export type { Schedule } from './lane.js';
export { formatSegmentName, parseSegmentName } from './names.js';
export { GrowthReader, GrowthWriter } from './growth-log.js';
export type { MemoryTier } from './memory-tier.js';
export { listCache, purgeCache, type CacheListing } from './offline.js';
export {
  DEFAULT_OPTIONS,
  PopularityEngine,
  PopularityPolicy,
  ViewerCredit,
  type AdmitReason,
  type CachePolicy,
  type Decision,
  type EngineOptions,
  type PopularityOptions,
  type RejectReason,
  type SegmentFacts,
  type Term,
} from './policy/index.js';
export { RamTier } from './ram.js';
export {
  SegmentBuilder,
  packetHash,
  type PacketPlace,
  type SegmentBuilderOptions,
} from './segment-builder.js';
export { decodeSegment, encodeSegment } from './segment-file.js';
export { segmentFileBytes } from './segment-header.js';
export {
  PACKET_FLAG,
  SEGMENT_LIMITS,
  segmentMemoryBytes,
  type PacketRun,
  type Segment,
  type SegmentMeta,
  type StreamExtent,
} from './segment.js';
export { SharedFolder } from './shared-folder.js';
export { SharedTier, type SharedFile } from './shared-tier.js';
export type { EvictReason, StoreEvent } from './store-events.js';
export { nodeStoreFs, type FoundName, type StoreFile, type StoreFs } from './store-fs.js';
export { SegmentStore, type SegmentStoreOptions } from './store.js';
