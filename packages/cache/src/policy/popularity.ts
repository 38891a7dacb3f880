import { type EngineOptions, PopularityEngine } from './engine.js';
import type { CachePolicy, Decision, SegmentFacts } from './policy.js';
import { ViewerCredit } from './viewer-credit.js';

/** A title whose end is not known is taken to be this long. */
const UNKNOWN_DURATION_SECONDS = 7200;
const MOST_VICTIMS = 64;
const NONE = -1;

export type PopularityOptions = Partial<Omit<EngineOptions, 'truth'>>;

export const DEFAULT_OPTIONS: EngineOptions = {
  titles: 131_072,
  startShare: 1,
  startSeconds: 6,
  margin: 1.3,
  looks: 4,
};

/**
 * Keeps the segments with the greatest expected demand per byte: how often a title is asked for, times how likely its viewers
 * reach a position, plus what present viewers are about to need, plus what a fast start is worth. See docs/popularity.md.
 */
export class PopularityPolicy implements CachePolicy {
  readonly name = 'forebay';
  readonly #engine: PopularityEngine;
  readonly #slots = new Map<string, number>();
  readonly #viewers = new Map<number, number>();
  readonly #credit = new ViewerCredit();

  constructor(options: PopularityOptions = {}) {
    this.#engine = new PopularityEngine({ ...DEFAULT_OPTIONS, ...options });
  }

  sessionStarted(
    session: number,
    start: Parameters<CachePolicy['sessionStarted']>[1],
    nowSeconds: number,
  ): void {
    this.sessionEnded(session, nowSeconds);
    const slot = this.#slot(start.title, start.titleDurationSeconds);
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
    const slot = this.#slot(facts.title, facts.titleDurationSeconds);
    return this.#engine.hold(slot, facts, nowSeconds);
  }

  dropped(handle: number): void {
    this.#engine.drop(handle);
  }

  pin(handle: number): void {
    this.#engine.held.pin(handle);
  }

  unpin(handle: number): void {
    this.#engine.held.unpin(handle);
  }

  decide(candidate: SegmentFacts, freeBytes: number, nowSeconds: number): Decision {
    if (candidate.bytes <= freeBytes) return { admitted: true, reason: 'free-space', victims: [] };
    if (candidate.bytes > freeBytes + this.#engine.held.bytes)
      return { admitted: false, reason: 'too-large' };
    const value = this.value(candidate, nowSeconds);
    const victims: number[] = [];
    let freed = freeBytes;
    while (freed < candidate.bytes && victims.length < MOST_VICTIMS) {
      const handle = this.#engine.admit(value, nowSeconds);
      if (handle === NONE) break;
      freed += this.#engine.held.bytesOf(handle);
      victims.push(handle);
      this.#engine.held.pin(handle);
    }
    for (const handle of victims) this.#engine.held.unpin(handle);
    return freed < candidate.bytes
      ? { admitted: false, reason: 'worth-less' }
      : { admitted: true, reason: 'worth-more', victims };
  }

  victims(bytes: number, nowSeconds: number): readonly number[] {
    const chosen: number[] = [];
    let freed = 0;
    while (freed < bytes) {
      const handle = this.#engine.least(nowSeconds, 4);
      if (handle === NONE) break;
      freed += this.#engine.held.bytesOf(handle);
      chosen.push(handle);
      this.#engine.held.pin(handle);
    }
    for (const handle of chosen) this.#engine.held.unpin(handle);
    return chosen;
  }

  value(facts: SegmentFacts, nowSeconds: number): number {
    const slot = this.#slot(facts.title, facts.titleDurationSeconds);
    return (
      this.#engine.value(slot, facts.startSeconds, facts.durationSeconds, nowSeconds) /
      Math.max(1, facts.bytes)
    );
  }

  save(): Uint8Array {
    return new Uint8Array();
  }

  restore(_state: Uint8Array): void {}

  #slot(title: string, durationSeconds: number | undefined): number {
    const known = this.#slots.get(title);
    if (known !== undefined) return known;
    const slot = this.#slots.size % DEFAULT_OPTIONS.titles;
    this.#slots.set(title, slot);
    this.#engine.reach.open(slot, durationSeconds ?? UNKNOWN_DURATION_SECONDS);
    return slot;
  }
}
