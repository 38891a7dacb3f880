import type { PacketRun, SegmentBuilder, SegmentMeta, StreamExtent } from '@forebay/cache';

/** Two segments belong together when the second starts this close to where the first ends: less than half a frame at 60 fps. */
export const JOINT_MICROS = 8_000;

/** A segment while a flight appends to it. */
export interface Growth {
  /** The packets so far; readers that follow the segment keep it. */
  readonly run: PacketRun;
  readonly builder: SegmentBuilder;
  /** By stream: what was appended so far. */
  readonly extents: StreamExtent[];
  /** Packets of some stream are missing inside: followers get it, nobody stores it. */
  damaged: boolean;
}

/** One segment of a title that is held somewhere, as readers see it. */
export interface Place {
  readonly startMicros: number;
  readonly randomAccess: boolean;
  /** Where the next segment starts; while `open`, where the newest picture is. */
  endMicros: number;
  /**
   * `open`: grows. `cut`: its end is known, stragglers of other streams may still come, and its flight goes on in the next
   * segment. `closing`: the same, but what follows was held before: the stragglers come first. `sealed`: immutable.
   */
  state: 'open' | 'cut' | 'closing' | 'sealed';
  /** Nothing comes after it: the end of the title. */
  last: boolean;
  /** A flight is appending now. An open entry without one waits for the next flight to go on in it. */
  flying: boolean;
  /** Pictures that are shown before its first one are missing: only who starts here does not miss them. */
  headless: boolean;
  /** Present until sealed. */
  growth: { readonly run: PacketRun } | undefined;
}

/** One segment of a title: growing, in RAM, on disk. */
export interface Held extends Place {
  /** Grid cell. */
  readonly index: number;
  readonly anchor: number;
  growth: Growth | undefined;
  /** Present once sealed. */
  meta: SegmentMeta | undefined;
  onDisk: boolean;
  /** Clock reading of the last append, for dropping open entries that nobody goes on with. */
  touchedMs: number;
}

/** A sealed segment, of its description; its title says where it is. */
export function heldOf(meta: SegmentMeta): Held {
  return {
    startMicros: meta.startMicros,
    index: meta.index,
    randomAccess: meta.randomAccess,
    anchor: meta.anchor,
    endMicros: meta.startMicros + meta.durationMicros,
    state: 'sealed',
    last: meta.last,
    growth: undefined,
    meta,
    flying: false,
    headless: false,
    onDisk: false,
    touchedMs: 0,
  };
}

/** The pictures that belong behind the first key frame of `held` are missing: it is good for those who start there only. */
export function markHeadless(held: Held): void {
  held.headless = true;
  if (held.growth !== undefined) held.growth.damaged = true;
}

/** The segments of one title that are held, in play order, no two of them at one place. */
export class Row<T extends Place = Held> {
  readonly #held: T[] = [];
  #removals = 0;
  #changes = 0;

  get length(): number {
    return this.#held.length;
  }

  /** Counts removals: while it stands still, what followed what does so still. */
  get removals(): number {
    return this.#removals;
  }

  /** The one that starts first. */
  get first(): T | undefined {
    return this.#held[0];
  }

  /** Counts what was added and removed. */
  get changes(): number {
    return this.#changes;
  }

  /** The one that starts last. */
  get last(): T | undefined {
    return this.#held.at(-1);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#held[Symbol.iterator]();
  }

  has(held: T): boolean {
    return this.startingAt(held.startMicros) === held;
  }

  /** The segment that starts at exactly NPT `micros`. */
  startingAt(micros: number): T | undefined {
    const candidate = this.before(micros);
    return candidate?.startMicros === micros ? candidate : undefined;
  }

  /** The segment that contains NPT `micros`. */
  covering(micros: number): T | undefined {
    const candidate = this.#held[this.#after(micros + JOINT_MICROS) - 1];
    if (candidate === undefined) return undefined;
    if (micros < candidate.endMicros) return candidate;
    return candidate.state === 'open' && micros <= candidate.endMicros + JOINT_MICROS ? candidate : undefined;
  }

  /** Whether a segment may begin at NPT `micros`: none covers what comes right behind, and none begins there. */
  isFree(micros: number): boolean {
    if (this.covering(micros + 2 * JOINT_MICROS) !== undefined) return false;
    const near = this.firstFrom(micros - JOINT_MICROS);
    return near === undefined || near.startMicros > micros + JOINT_MICROS;
  }

  /** The segment that continues `held` without a hole; it starts later than `held`, so that walks come to an end. */
  following(held: T): T | undefined {
    const next = this.firstFrom(Math.max(held.endMicros - JOINT_MICROS, held.startMicros + 1), held);
    if (next === undefined || next.startMicros > held.endMicros + JOINT_MICROS) return undefined;
    return next.headless && !next.flying ? undefined : next;
  }

  /** The last segment of the unbroken stretch that `held` is in. */
  stretchEnd(held: T): T {
    let last = held;
    for (let next = this.following(last); next !== undefined; next = this.following(last)) last = next;
    return last;
  }

  /** The first segment that starts at or after NPT `micros`, other than `except`. */
  firstFrom(micros: number, except?: T): T | undefined {
    let i = this.#after(micros - 1);
    while (this.#held[i] !== undefined && this.#held[i] === except) i++;
    return this.#held[i];
  }

  /** The last segment that starts at or before NPT `micros`. */
  before(micros: number): T | undefined {
    return this.#held[this.#after(micros) - 1];
  }

  /** The segment whose end touches NPT `micros`, or that is open and ends there; it starts before. */
  endingAt(micros: number): T | undefined {
    const before = this.#held[this.#after(micros - JOINT_MICROS - 1) - 1];
    return before !== undefined && Math.abs(before.endMicros - micros) <= JOINT_MICROS ? before : undefined;
  }

  /** Adds `held`; a segment that it would overlap must be removed first. */
  insert(held: T): void {
    this.#held.splice(this.#after(held.startMicros), 0, held);
    this.#changes++;
  }

  /** @returns false when it was not there */
  remove(held: T): boolean {
    const i = this.#held.indexOf(held);
    if (i < 0) return false;
    this.#held.splice(i, 1);
    this.#removals++;
    this.#changes++;
    return true;
  }

  /** Index of the first entry that starts after `micros`. */
  #after(micros: number): number {
    let low = 0;
    let high = this.#held.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#held[middle]!.startMicros <= micros) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bytes of the segments that start behind NPT `from`, and before NPT `to`. */
export function bytesBetween(row: Row, from: number, to: number): number {
  let bytes = 0;
  let held = row.firstFrom(from + 1);
  for (; held !== undefined && held.startMicros < to; held = row.firstFrom(held.startMicros + 1)) {
    bytes += held.meta?.byteLength ?? held.growth?.builder.byteLength ?? 0;
  }
  return bytes;
}
