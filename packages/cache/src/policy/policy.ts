/** What a policy knows of a segment, held or offered. */
export interface SegmentFacts {
  /** Canonical URL of the title at its origin. */
  readonly title: string;
  /** Grid cell of the segment within the title. */
  readonly segment: number;
  readonly startSeconds: number;
  readonly durationSeconds: number;
  /** Size on disk. */
  readonly bytes: number;
  /** Undefined: live, or not known. */
  readonly titleDurationSeconds: number | undefined;
}

/** Why a segment was stored; a metric label. `window`: it is live, and not judged. */
export type AdmitReason = 'free-space' | 'worth-more' | 'wished' | 'window';

/** Why a segment was not stored; a metric label. */
export type RejectReason =
  | 'worth-less'
  | 'too-large'
  | 'pinned-full'
  | 'quota'
  | 'write-budget'
  | 'held'
  | 'disk-error'
  | 'incomplete'
  | 'disabled';

export type Decision =
  | {
      readonly admitted: true;
      readonly reason: AdmitReason;
      /** Handles to drop first. */
      readonly victims: readonly number[];
    }
  | { readonly admitted: false; readonly reason: RejectReason };

/**
 * Popularity, admission and eviction. Pure: no I/O, no clock of its own, and no random numbers that are
 * not seeded, so that a replay over a trace takes the same decisions as the proxy that served it.
 */
export interface CachePolicy {
  readonly name: string;

  sessionStarted(
    session: number,
    start: {
      title: string;
      startSeconds: number;
      titleDurationSeconds: number | undefined;
      viewerAddress: string;
    },
    nowSeconds: number,
  ): void;
  /** Media up to `positionSeconds` was delivered to this session; called at most once a segment. */
  sessionReached(session: number, positionSeconds: number, nowSeconds: number): void;
  sessionEnded(session: number, nowSeconds: number): void;

  /**
   * Takes a segment into the held set (stored, or found on disk at start).
   * @returns its handle: a small integer, used again after `dropped(handle)`.
   */
  hold(facts: SegmentFacts, nowSeconds: number): number;
  /** The segment left the held set. */
  dropped(handle: number): void;
  /** Being read: it is no victim until `unpin`. */
  pin(handle: number): void;
  unpin(handle: number): void;

  /**
   * Should this candidate be stored? Does not change the held set.
   * @param freeBytes capacity minus held bytes.
   * @returns admitted with the victims whose removal makes room, or the reason why not.
   */
  decide(candidate: SegmentFacts, freeBytes: number, nowSeconds: number): Decision;
  /** Handles to drop so that at least `bytes` are freed; fewer where the rest is pinned. */
  victims(bytes: number, nowSeconds: number): readonly number[];
  /** Expected demand per byte and second, for `forebay ls` and the dashboard. */
  value(facts: SegmentFacts, nowSeconds: number): number;

  /**
   * What was learned, for the next process; made in slices, a millisecond or so each, between which others may have their turn.
   * Handles and the held set are not part of it.
   */
  saving(): Generator<undefined, Uint8Array>;
  /** @throws CacheError `bad-state` on garbage, and then nothing has changed. */
  restore(state: Uint8Array): void;
}
