import { KeyedHeap } from './heap.js';
import type { Rival, RivalFactory } from './rival.js';

/**
 * LFU with dynamic ageing: key = age + uses in the cache, where age is the key of the last victim. Source: Arlitt, Cherkasova, Dilley,
 * Friedrich, Jin, WISP 1999. GDSF (Cherkasova 1998) is age + uses * cost / size: the same order where sizes and costs are equal.
 */
class LfuAging implements Rival {
  writes = 0;
  readonly #heap: KeyedHeap;
  readonly #uses: Uint32Array;
  readonly #capacity: number;
  readonly #weight: number;
  #age = 0;

  constructor(ids: number, capacity: number, weight: number) {
    this.#heap = new KeyedHeap(ids, capacity);
    this.#uses = new Uint32Array(ids);
    this.#capacity = capacity;
    this.#weight = weight;
  }

  get held(): number {
    return this.#heap.size;
  }

  request(id: number): boolean {
    const hit = this.#heap.has(id);
    if (!hit) {
      if (this.held === this.#capacity) {
        const victim = this.#heap.least();
        this.#age = this.#heap.key(victim);
        this.#heap.remove(victim);
      }
      this.#uses[id] = 0;
      this.writes += 1;
    }
    this.#uses[id]! += 1;
    this.#heap.set(id, this.#age + this.#weight * this.#uses[id]!);
    return hit;
  }
}

/** Counts every request ever, and stores only what was asked for more often than what would leave. */
class PerfectLfu implements Rival {
  writes = 0;
  readonly #heap: KeyedHeap;
  readonly #uses: Uint32Array;
  readonly #capacity: number;

  constructor(ids: number, capacity: number) {
    this.#heap = new KeyedHeap(ids, capacity);
    this.#uses = new Uint32Array(ids);
    this.#capacity = capacity;
  }

  get held(): number {
    return this.#heap.size;
  }

  request(id: number): boolean {
    const uses = ++this.#uses[id]!;
    if (this.#heap.has(id)) {
      this.#heap.set(id, uses);
      return true;
    }
    if (this.held === this.#capacity) {
      const victim = this.#heap.least();
      if (this.#heap.key(victim) >= uses) return false;
      this.#heap.remove(victim);
    }
    this.#heap.set(id, uses);
    this.writes += 1;
    return false;
  }
}

export const lfuAging: RivalFactory = (w, capacity) => new LfuAging(w.titleOf.length, capacity, 1);
/** Cost and size are one segment each. */
export const gdsf: RivalFactory = (w, capacity) => new LfuAging(w.titleOf.length, capacity, 1);
export const perfectLfu: RivalFactory = (w, capacity) => new PerfectLfu(w.titleOf.length, capacity);
