import { type EngineOptions, OTHERS, PopularityEngine } from './engine.js';
import type { CachePolicy, Decision, SegmentFacts } from './policy.js';
import { absorbState, savingState } from './state.js';
import { TitleIndex } from './title-index.js';
import { ViewerCredit, hashText } from './viewer-credit.js';

/** A title whose end is not known is taken to be this long. */
const UNKNOWN_DURATION_SECONDS = 7200;
const MOST_VICTIMS = 256;
/** Segments valued anew before victims are chosen without a candidate. */
const VICTIM_LOOKS = 64;
const MOST_GROUPS = 64;
/** Write budget that may be saved up, in seconds. */
const SAVED_UP_SECONDS = 3600;
const NONE = -1;
const ANY_GROUP = -1;

export interface Quota {
  /** Titles of one group share one quota: a route, say. */
  readonly group: string;
  readonly bytes: number;
}

export interface PopularityOptions extends Partial<Omit<EngineOptions, 'truth' | 'groups'>> {
  /** The quota that a title falls under; at most 63 groups, later ones have none. Default: no quotas. */
  readonly quotaOf?: (title: string) => Quota | undefined;
  /** Bytes a second that may be written on average; an hour of it may be saved up. Default: no limit. */
  readonly writeBytesPerSecond?: number;
}

/** Every number is justified in docs/popularity.md. */
export const DEFAULT_OPTIONS: EngineOptions = {
  titles: 262_144,
  groups: 1,
  startShare: 0.03,
  startSeconds: 6,
  margin: 1.3,
  looks: 6,
};

/**
 * Keeps the segments with the greatest expected demand per byte: how often a title is asked for, times how likely its viewers
 * reach a position, plus what present viewers are about to need, plus what a fast start is worth. See docs/popularity.md.
 */
export class PopularityPolicy implements CachePolicy {
  readonly name = 'forebay';
  readonly #options: PopularityOptions;
  readonly #engine: PopularityEngine;
  readonly #slots = new TitleIndex();
  readonly #names: (string | undefined)[] = [];
  readonly #viewers = new Map<number, number>();
  readonly #credit = new ViewerCredit();
  readonly #groups = new Map<string, number>();
  readonly #groupOf: number[] = [];
  readonly #groupBytes = new Float64Array(MOST_GROUPS);
  readonly #quotaBytes = new Float64Array(MOST_GROUPS).fill(Number.POSITIVE_INFINITY);
  #writableBytes = Number.POSITIVE_INFINITY;
  #refilledSeconds = Number.NaN;

  constructor(options: PopularityOptions = {}) {
    this.#options = options;
    const { quotaOf, writeBytesPerSecond, ...engine } = options;
    const groups = quotaOf === undefined ? 1 : MOST_GROUPS;
    this.#engine = new PopularityEngine({ ...DEFAULT_OPTIONS, ...engine, groups }, (slot) =>
      this.#forget(slot),
    );
    if (writeBytesPerSecond !== undefined) this.#writableBytes = writeBytesPerSecond * SAVED_UP_SECONDS;
  }

  sessionStarted(
    session: number,
    start: Parameters<CachePolicy['sessionStarted']>[1],
    nowSeconds: number,
  ): void {
    this.sessionEnded(session, nowSeconds);
    const slot = this.#open(start.title, start.titleDurationSeconds);
    const weight = this.#credit.weigh(start.viewerAddress, start.title, nowSeconds);
    this.#viewers.set(session, this.#engine.start(slot, start.startSeconds, weight, nowSeconds));
  }

  sessionReached(session: number, positionSeconds: number, nowSeconds: number): void {
    const viewer = this.#viewers.get(session);
    if (viewer !== undefined) this.#engine.reached(viewer, positionSeconds, nowSeconds);
  }

  sessionEnded(session: number, _nowSeconds: number): void {
    const viewer = this.#viewers.get(session);
    if (viewer === undefined) return;
    this.#engine.end(viewer);
    this.#viewers.delete(session);
  }

  hold(facts: SegmentFacts, nowSeconds: number): number {
    const slot = this.#open(facts.title, facts.titleDurationSeconds);
    this.#groupBytes[this.#groupOf[slot] ?? 0]! += facts.bytes;
    return this.#engine.shelf.hold(slot, facts, nowSeconds);
  }

  dropped(handle: number): void {
    const held = this.#engine.shelf.held;
    if (!held.has(handle)) return;
    this.#groupBytes[this.#groupOf[held.title(handle)] ?? 0]! -= held.bytesOf(handle);
    this.#engine.shelf.drop(handle);
  }

  pin(handle: number): void {
    this.#engine.shelf.held.pin(handle);
  }

  unpin(handle: number): void {
    this.#engine.shelf.unpin(handle);
  }

  decide(candidate: SegmentFacts, freeBytes: number, nowSeconds: number): Decision {
    const slot = this.#open(candidate.title, candidate.titleDurationSeconds);
    const group = this.#groupOf[slot] ?? 0;
    const roomBytes = this.#quotaBytes[group]! - this.#groupBytes[group]!;
    if (candidate.bytes > freeBytes + this.#engine.shelf.held.bytes)
      return { admitted: false, reason: 'too-large' };
    if (candidate.bytes > this.#quotaBytes[group]!) return { admitted: false, reason: 'quota' };
    if (!this.#mayWrite(candidate.bytes, nowSeconds)) return { admitted: false, reason: 'write-budget' };
    const quotaFull = candidate.bytes > roomBytes;
    const needBytes = candidate.bytes - (quotaFull ? Math.min(freeBytes, roomBytes) : freeBytes);
    if (needBytes <= 0)
      return this.#written(candidate.bytes, { admitted: true, reason: 'free-space', victims: [] });
    const value = this.#valueOf(slot, candidate, nowSeconds);
    const from = quotaFull ? group : ANY_GROUP;
    const victims = this.#choose(needBytes, () => this.#engine.shelf.admit(value, from, nowSeconds));
    if (victims !== undefined)
      return this.#written(candidate.bytes, { admitted: true, reason: 'worth-more', victims });
    if (this.#engine.shelf.leastValue === Number.POSITIVE_INFINITY)
      return { admitted: false, reason: 'pinned-full' };
    return { admitted: false, reason: quotaFull ? 'quota' : 'worth-less' };
  }

  victims(bytes: number, nowSeconds: number): readonly number[] {
    const chosen: number[] = [];
    this.#engine.shelf.sweep(VICTIM_LOOKS, nowSeconds);
    this.#choose(bytes, () => this.#engine.shelf.least(ANY_GROUP, nowSeconds), chosen);
    return chosen;
  }

  value(facts: SegmentFacts, nowSeconds: number): number {
    const slot = this.#slots.get(facts.title);
    return slot === undefined ? 0 : this.#valueOf(slot, facts, nowSeconds);
  }

  saving(): Generator<undefined, Uint8Array> {
    return savingState(this.#engine, (slot) => this.#names[slot]);
  }

  restore(state: Uint8Array): void {
    absorbState(this.#engine, state, (title, durationSeconds) => this.#open(title, durationSeconds));
  }

  #open(title: string, durationSeconds: number | undefined): number {
    const known = this.#slots.get(title);
    if (known !== undefined) return known;
    const group = this.#group(title);
    const slot = this.#engine.open(hashText(title), durationSeconds ?? UNKNOWN_DURATION_SECONDS, group);
    if (slot === OTHERS) return slot;
    this.#slots.set(title, slot);
    this.#names[slot] = title;
    this.#groupOf[slot] = group;
    return slot;
  }

  #group(title: string): number {
    const quota = this.#options.quotaOf?.(title);
    if (quota === undefined) return 0;
    const group = this.#groups.get(quota.group) ?? this.#groups.size + 1;
    if (group >= MOST_GROUPS) return 0;
    this.#groups.set(quota.group, group);
    this.#quotaBytes[group] = quota.bytes;
    return group;
  }

  #forget(slot: number): void {
    const name = this.#names[slot];
    if (name !== undefined) this.#slots.delete(name);
    this.#names[slot] = undefined;
  }

  #valueOf(slot: number, facts: SegmentFacts, nowSeconds: number): number {
    return (
      this.#engine.value(slot, facts.startSeconds, facts.durationSeconds, nowSeconds) /
      Math.max(1, facts.bytes)
    );
  }

  /** Victims that free `bytes` together, each from `next`; undefined when it runs out. None of them is proposed twice. */
  #choose(bytes: number, next: () => number, chosen: number[] = []): readonly number[] | undefined {
    const held = this.#engine.shelf.held;
    let freed = 0;
    while (freed < bytes && chosen.length < MOST_VICTIMS) {
      const handle = next();
      if (handle === NONE) break;
      freed += held.bytesOf(handle);
      chosen.push(handle);
      held.pin(handle);
    }
    for (const handle of chosen) this.#engine.shelf.unpin(handle);
    return freed < bytes ? undefined : chosen;
  }

  #mayWrite(bytes: number, nowSeconds: number): boolean {
    const rate = this.#options.writeBytesPerSecond;
    if (rate === undefined) return true;
    const elapsed = nowSeconds - this.#refilledSeconds;
    if (elapsed > 0)
      this.#writableBytes = Math.min(rate * SAVED_UP_SECONDS, this.#writableBytes + rate * elapsed);
    this.#refilledSeconds = nowSeconds;
    return this.#writableBytes >= bytes;
  }

  #written(bytes: number, decision: Decision): Decision {
    this.#writableBytes -= bytes;
    return decision;
  }
}
