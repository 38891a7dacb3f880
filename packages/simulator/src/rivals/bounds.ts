import type { Workload } from '../workload.js';
import type { Rival, RivalFactory } from './rival.js';

const NEVER = 0x7fffffff;

/** Binary max-heap of (key, id) with stale entries left in place; the caller tells fresh from stale. */
class MaxHeap {
  #keys = new Int32Array(1024);
  #ids = new Int32Array(1024);
  size = 0;

  get topKey(): number {
    return this.#keys[0]!;
  }

  get topId(): number {
    return this.#ids[0]!;
  }

  push(key: number, id: number): void {
    if (this.size === this.#keys.length) this.#widen();
    let at = this.size++;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (this.#keys[up]! >= key) break;
      this.#keys[at] = this.#keys[up]!;
      this.#ids[at] = this.#ids[up]!;
      at = up;
    }
    this.#keys[at] = key;
    this.#ids[at] = id;
  }

  pop(): void {
    this.size -= 1;
    const key = this.#keys[this.size]!;
    const id = this.#ids[this.size]!;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= this.size) break;
      if (down + 1 < this.size && this.#keys[down + 1]! > this.#keys[down]!) down += 1;
      if (this.#keys[down]! <= key) break;
      this.#keys[at] = this.#keys[down]!;
      this.#ids[at] = this.#ids[down]!;
      at = down;
    }
    this.#keys[at] = key;
    this.#ids[at] = id;
  }

  #widen(): void {
    const keys = new Int32Array(this.#keys.length * 2);
    const ids = new Int32Array(keys.length);
    keys.set(this.#keys);
    ids.set(this.#ids);
    this.#keys = keys;
    this.#ids = ids;
  }
}

/** When each request's segment is asked for again. */
function nextUses(w: Workload): Int32Array {
  const next = new Int32Array(w.segment.length);
  const last = new Int32Array(w.titleOf.length).fill(NEVER);
  for (let i = next.length - 1; i >= 0; i--) {
    const id = w.segment[i]!;
    next[i] = last[id]!;
    last[id] = i;
  }
  return next;
}

/**
 * The clairvoyant: keeps what is asked for soonest, and stores nothing that is asked for later than all it holds. Exact for equal sizes.
 * Source: Belady, IBM Systems Journal 5(2), 1966, with bypass.
 */
class Clairvoyant implements Rival {
  writes = 0;
  held = 0;
  readonly #next: Int32Array;
  readonly #heldNext: Int32Array;
  readonly #heap = new MaxHeap();
  readonly #capacity: number;

  constructor(w: Workload, capacity: number) {
    this.#next = nextUses(w);
    this.#heldNext = new Int32Array(w.titleOf.length);
    this.#capacity = capacity;
  }

  request(id: number, index: number): boolean {
    const next = this.#next[index]!;
    const hit = this.#heldNext[id] !== 0;
    if (next === NEVER) {
      if (hit) {
        this.#heldNext[id] = 0;
        this.held -= 1;
      }
      return hit;
    }
    if (!hit) {
      if (this.held === this.#capacity && !this.#makeRoom(next)) return false;
      this.held += 1;
      this.writes += 1;
    }
    this.#heldNext[id] = next;
    this.#heap.push(next, id);
    return hit;
  }

  #makeRoom(next: number): boolean {
    const heap = this.#heap;
    while (heap.size > 0 && this.#heldNext[heap.topId] !== heap.topKey) heap.pop();
    if (heap.size === 0 || heap.topKey <= next) return false;
    this.#heldNext[heap.topId] = 0;
    heap.pop();
    this.held -= 1;
    return true;
  }
}

/** Holds everything that was asked for once. */
class Infinite implements Rival {
  writes = 0;
  readonly #seen: Uint8Array;

  constructor(ids: number) {
    this.#seen = new Uint8Array(ids);
  }

  get held(): number {
    return this.writes;
  }

  request(id: number): boolean {
    if (this.#seen[id] === 1) return true;
    this.#seen[id] = 1;
    this.writes += 1;
    return false;
  }
}

/** The best fixed content: the most requested segments of the measured part, held from the start. No bound for a cache that only reacts. */
class StaticOptimum implements Rival {
  readonly writes = 0;
  readonly held: number;
  readonly #chosen: Uint8Array;

  constructor(w: Workload, capacity: number) {
    const counts = new Int32Array(w.titleOf.length);
    for (let i = Math.floor(w.segment.length / 4); i < w.segment.length; i++) counts[w.segment[i]!]! += 1;
    const order = Int32Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]!);
    this.#chosen = new Uint8Array(counts.length);
    this.held = Math.min(capacity, order.length);
    for (let i = 0; i < this.held; i++) this.#chosen[order[i]!] = 1;
  }

  request(id: number): boolean {
    return this.#chosen[id] === 1;
  }
}

export const belady: RivalFactory = (w, capacity) => new Clairvoyant(w, capacity);
export const infinite: RivalFactory = (w) => new Infinite(w.titleOf.length);
export const staticOptimum: RivalFactory = (w, capacity) => new StaticOptimum(w, capacity);
