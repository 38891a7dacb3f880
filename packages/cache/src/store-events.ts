import type { CacheError } from './errors.js';
import type { AdmitReason } from './policy/index.js';
import type { SegmentMeta } from './segment.js';

/**
 * Why a segment was deleted; a metric label.
 *
 * - `room`: a segment that is worth more took its place
 * - `capacity`: more was held than the capacity allows
 * - `superseded`: its title has a newer generation
 * - `purged`: the operator said so
 * - `passed`: it was of a live presentation, and its window is over
 * - `window-room`: the windows of live presentations took their whole share of the capacity, and it was the oldest
 */
export type EvictReason = 'room' | 'capacity' | 'superseded' | 'purged' | 'passed' | 'window-room';

/** What happened in the store, for logs and metrics. */
export type StoreEvent =
  /** The directory has been read: hits are complete, and segments are taken, from now on. */
  | { readonly type: 'indexed'; readonly titles: number; readonly segments: number; readonly bytes: number }
  | { readonly type: 'stored'; readonly meta: SegmentMeta; readonly reason: AdmitReason }
  | { readonly type: 'evicted'; readonly meta: SegmentMeta; readonly reason: EvictReason }
  /** A segment could not be served: wrong content (set aside), gone, or unreadable. */
  | { readonly type: 'lost'; readonly meta: SegmentMeta; readonly error: CacheError }
  /** A title record or a file with what was learned is damaged. */
  | { readonly type: 'damaged'; readonly file: string; readonly error: CacheError }
  /** The same, or the folder of a title, may not be read by this user: it is left out. */
  | { readonly type: 'unreadable'; readonly file: string; readonly error: CacheError }
  /** The disk failed; nothing is asked of it for `retrySeconds` (0: until the hung call comes back). */
  | { readonly type: 'degraded'; readonly error: CacheError; readonly retrySeconds: number }
  | { readonly type: 'recovered' }
  /** A mistake of ours, or of the policy, in work that nobody waits for. */
  | { readonly type: 'failed'; readonly error: unknown };
