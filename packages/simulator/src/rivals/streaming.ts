import { Random } from '../random.js';
import type { Workload } from '../workload.js';
import { KeyedHeap } from './heap.js';
import type { Rival, RivalFactory } from './rival.js';

/** Titles of which a prefix is held, without holes: the frame of the policies made for streaming. */
abstract class Prefixes implements Rival {
  writes = 0;
  held = 0;
  protected readonly w: Workload;
  protected readonly capacity: number;
  /** Segments of each title that are held, from its start. */
  protected readonly length: Int32Array;
  protected readonly requests: Int32Array;
  protected readonly lastIndex: Int32Array;

  constructor(w: Workload, capacity: number) {
    this.w = w;
    this.capacity = capacity;
    const titles = w.titles.durationSeconds.length;
    this.length = new Int32Array(titles);
    this.requests = new Int32Array(titles);
    this.lastIndex = new Int32Array(titles);
  }

  request(segment: number, index: number): boolean {
    const title = this.w.titleOf[segment]!;
    const position = segment - this.w.offset[title]!;
    const hit = position < this.length[title]!;
    if (position === this.w.firstSegment[this.w.session[index]!]) this.requests[title]! += 1;
    this.asked(title, position, index);
    this.lastIndex[title] = index;
    if (!hit && position === this.length[title]) this.extend(title, position, index);
    return hit;
  }

  protected asked(_title: number, _position: number, _index: number): void {}
  /** The segment after the prefix was asked for: store it, or not. */
  protected abstract extend(title: number, position: number, index: number): void;

  protected store(title: number): void {
    this.length[title]! += 1;
    this.held += 1;
    this.writes += 1;
  }

  protected cut(title: number, segments: number): void {
    const gone = Math.min(segments, this.length[title]!);
    this.length[title]! -= gone;
    this.held -= gone;
  }
}

const DRAWN = 64;

/** Prefixes with a key for their title; of the titles drawn, that of least key yields its last segments. */
abstract class KeyedPrefixes extends Prefixes {
  readonly #dense: number[] = [];
  readonly #place: Int32Array;
  readonly #random = new Random(5);

  constructor(w: Workload, capacity: number) {
    super(w, capacity);
    this.#place = new Int32Array(w.titles.durationSeconds.length).fill(-1);
  }

  /** Whether the candidate's title must have a greater key than what leaves. */
  protected readonly picky: boolean = true;
  protected abstract key(title: number, index: number): number;
  /** Segments of a title that this policy would hold. */
  protected want(_title: number): number {
    return Number.MAX_SAFE_INTEGER;
  }
  /** Segments that leave at once. */
  protected unit(_title: number): number {
    return 1;
  }

  protected extend(title: number, position: number, index: number): void {
    if (position >= this.want(title)) return;
    while (this.held >= this.capacity) {
      const victim = this.#least(title, index);
      if (victim === -1 || (this.picky && this.key(victim, index) >= this.key(title, index))) return;
      this.cut(victim, this.unit(victim));
      if (this.length[victim] === 0) this.#leave(victim);
    }
    if (this.#place[title] === -1) {
      this.#place[title] = this.#dense.length;
      this.#dense.push(title);
    }
    this.store(title);
  }

  #least(except: number, index: number): number {
    let victim = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < DRAWN; i++) {
      const title = this.#dense[this.#random.below(this.#dense.length)]!;
      const key = title === except ? Number.POSITIVE_INFINITY : this.key(title, index);
      if (key >= least) continue;
      least = key;
      victim = title;
    }
    return victim;
  }

  #leave(title: number): void {
    const at = this.#place[title]!;
    const last = this.#dense.pop()!;
    if (last !== title) {
      this.#dense[at] = last;
      this.#place[last] = at;
    }
    this.#place[title] = -1;
  }
}

/** Whole titles, filled as they are watched, least recently used first. */
class WholeLru extends Prefixes {
  readonly #heap: KeyedHeap;
  readonly #has: Uint8Array;

  constructor(w: Workload, capacity: number) {
    super(w, capacity);
    this.#heap = new KeyedHeap(w.titles.durationSeconds.length, w.titles.durationSeconds.length);
    this.#has = new Uint8Array(w.titleOf.length);
  }

  override request(segment: number, index: number): boolean {
    const title = this.w.titleOf[segment]!;
    const hit = this.#has[segment] === 1;
    if (this.#heap.has(title)) this.#heap.set(title, index);
    if (hit) return true;
    while (this.held >= this.capacity) {
      const victim = this.#heap.least();
      if (victim === title && this.#heap.size === 1) return false;
      this.#has.fill(0, this.w.offset[victim], this.w.offset[victim + 1]);
      this.held -= this.length[victim]!;
      this.length[victim] = 0;
      this.#heap.remove(victim);
    }
    this.#has[segment] = 1;
    this.store(title);
    this.#heap.set(title, index);
    return false;
  }

  protected extend(): void {}
}

/** The first minute of every title, least recently used first. Source: Sen, Rexford, Towsley, INFOCOM 1999: a fixed prefix. */
class FixedPrefix extends KeyedPrefixes {
  protected override readonly picky = false;

  protected key(title: number): number {
    return this.lastIndex[title]!;
  }

  protected override want(title: number): number {
    return Math.max(1, Math.ceil(60 / this.w.titles.segmentSeconds[title]!));
  }
}

/**
 * Segments of 1, 1, 2, 4, 8 ... blocks; the first two groups live in a tenth of the cache by recency, later ones by 1 / (time since last request * group
 * number). Source: Wu, Yu, Wolf, WWW10, 2001, with the admission test of section 3.
 */
class Exponential extends Prefixes {
  readonly #initial: KeyedHeap;
  readonly #later: KeyedHeap;
  readonly #has: Uint8Array;
  readonly #room: number;
  readonly #buckets: number[][];
  #initialHeld = 0;

  constructor(w: Workload, capacity: number) {
    super(w, capacity);
    const titles = w.titles.durationSeconds.length;
    this.#initial = new KeyedHeap(titles, titles);
    this.#later = new KeyedHeap(titles, titles);
    this.#has = new Uint8Array(w.titleOf.length);
    this.#room = Math.max(1, Math.floor(capacity / 10));
    this.#buckets = [];
  }

  override request(segment: number, index: number): boolean {
    const title = this.w.titleOf[segment]!;
    const position = segment - this.w.offset[title]!;
    const hit = this.#has[segment] === 1;
    if (!hit) {
      if (position < 1) this.#storeInitial(title, segment, index);
      else this.#storeLater(title, position, segment, index);
    }
    this.lastIndex[title] = index;
    if (this.#initial.has(title)) this.#initial.set(title, index);
    if (this.#later.has(title)) this.#later.set(title, this.#worst(title));
    return hit;
  }

  protected extend(): void {}

  #storeInitial(title: number, segment: number, index: number): void {
    if (this.#initialHeld >= this.#room) {
      const victim = this.#initial.least();
      this.#initial.remove(victim);
      this.#has[this.w.offset[victim]!] = 0;
      this.#initialHeld -= 1;
      this.held -= 1;
    }
    this.#initialHeld += 1;
    this.#initial.set(title, index);
    this.#has[segment] = 1;
    this.held += 1;
    this.writes += 1;
  }

  #storeLater(title: number, position: number, segment: number, index: number): void {
    const mine = (index - this.lastIndex[title]! + 1) * groupOf(position);
    while (this.held - this.#initialHeld >= this.capacity - this.#room) {
      if (this.#later.size === 0) return;
      const victim = this.#later.least();
      const last = this.#last(victim);
      if ((index - this.lastIndex[victim]! + 1) * groupOf(last) <= mine) return;
      this.#has[this.w.offset[victim]! + last] = 0;
      this.#buckets[victim]?.pop();
      this.held -= 1;
      if ((this.#buckets[victim]?.length ?? 0) === 0) this.#later.remove(victim);
      else this.#later.set(victim, this.#worst(victim));
    }
    const list = (this.#buckets[title] ??= []);
    let at = list.length;
    while (at > 0 && list[at - 1]! > position) at -= 1;
    list.splice(at, 0, position);
    this.#has[segment] = 1;
    this.held += 1;
    this.writes += 1;
    this.#later.set(title, this.#worst(title));
  }

  #last(title: number): number {
    return this.#buckets[title]?.at(-1) ?? 0;
  }

  /** Orders titles by last request, later for small groups: exact within a group, close across groups. */
  #worst(title: number): number {
    return this.lastIndex[title]! - this.capacity * groupOf(this.#last(title));
  }
}

function groupOf(position: number): number {
  return position < 1 ? 0 : Math.floor(Math.log2(position)) + 1;
}

/**
 * Adaptive lazy segmentation: a title is held whole until it first has to yield; then in segments of its mean viewed length.
 * Source: Chen, Shen, Wee, Zhang, NOSSDAV 2003; utility as in IEEE TMM 2004.
 */
class Lazy extends KeyedPrefixes {
  readonly #watched: Float64Array;
  readonly #firstIndex: Int32Array;
  readonly #unit: Int32Array;
  protected override readonly picky = false;

  constructor(w: Workload, capacity: number) {
    super(w, capacity);
    const titles = w.titles.durationSeconds.length;
    this.#watched = new Float64Array(titles);
    this.#firstIndex = new Int32Array(titles).fill(-1);
    this.#unit = new Int32Array(titles);
  }

  protected override asked(title: number, _position: number, index: number): void {
    this.#watched[title]! += 1;
    if (this.#firstIndex[title] === -1) this.#firstIndex[title] = index;
  }

  protected key(title: number, index: number): number {
    const active = Math.max(1, this.lastIndex[title]! - this.#firstIndex[title]!);
    const views = Math.max(1, this.requests[title]!);
    const silence = Math.max(1, index - this.lastIndex[title]!);
    const chance = Math.min(1, active / views / silence);
    return ((this.#watched[title]! / active) * chance) / Math.max(1, this.length[title]!);
  }

  protected override unit(title: number): number {
    if (this.#unit[title] === 0) {
      this.#unit[title] = Math.max(1, Math.round(this.#watched[title]! / Math.max(1, this.requests[title]!)));
    }
    return this.#unit[title]!;
  }
}

/**
 * Network-aware partial caching: of each title the part that a path slower than its bitrate cannot deliver in time, by requests over bandwidth. Source: Jin, Bestavros,
 * Iyengar, ICDCS 2002 (PB). The replay has no paths: each title's is drawn, at half to one and a half of its bitrate.
 */
class Partial extends KeyedPrefixes {
  protected key(title: number): number {
    return this.requests[title]! / pathShare(title);
  }

  protected override want(title: number): number {
    const segments = this.w.offset[title + 1]! - this.w.offset[title]!;
    return Math.max(1, Math.ceil(segments * (1 - pathShare(title))));
  }
}

function pathShare(title: number): number {
  return 0.5 + (Math.imul(title + 1, 0x9e3779b1) >>> 0) / 4294967296;
}

/** Popularity coefficient at the proxy: requests over age; the least popular title yields its end. Source: Tan Jin et al. 2004. */
class ServerProxy extends KeyedPrefixes {
  readonly #firstIndex: Int32Array;

  constructor(w: Workload, capacity: number) {
    super(w, capacity);
    this.#firstIndex = new Int32Array(w.titles.durationSeconds.length).fill(-1);
  }

  protected override asked(title: number, _position: number, index: number): void {
    if (this.#firstIndex[title] === -1) this.#firstIndex[title] = index;
  }

  protected key(title: number, index: number): number {
    return this.requests[title]! / (index - this.#firstIndex[title]! + this.capacity);
  }
}

export const wholeLru: RivalFactory = (w, capacity) => new WholeLru(w, capacity);
export const prefix: RivalFactory = (w, capacity) => new FixedPrefix(w, capacity);
export const exponential: RivalFactory = (w, capacity) => new Exponential(w, capacity);
export const lazy: RivalFactory = (w, capacity) => new Lazy(w, capacity);
export const partial: RivalFactory = (w, capacity) => new Partial(w, capacity);
export const serverProxy: RivalFactory = (w, capacity) => new ServerProxy(w, capacity);
