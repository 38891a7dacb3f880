import { Lists } from './lists.js';
import type { Rival, RivalFactory } from './rival.js';

/** Least recently used. */
class Lru implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #capacity: number;

  constructor(ids: number, capacity: number) {
    this.#lists = new Lists(1, ids);
    this.#capacity = capacity;
  }

  get held(): number {
    return this.#lists.size[0]!;
  }

  request(id: number): boolean {
    const hit = this.#lists.of(id) === 0;
    if (!hit) {
      if (this.held === this.#capacity) this.#lists.takeLast(0);
      this.writes += 1;
    }
    this.#lists.toFront(0, id);
    return hit;
  }
}

const PROBATION = 0;
const PROTECTED = 1;

/** Segmented LRU, a fifth on probation. Source: Karedla, Love, Wherry, IEEE Computer 27(3), 1994. */
class Slru implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #capacity: number;
  readonly #protected: number;

  constructor(ids: number, capacity: number) {
    this.#lists = new Lists(2, ids);
    this.#capacity = capacity;
    this.#protected = Math.floor(0.8 * capacity);
  }

  get held(): number {
    return this.#lists.size[PROBATION]! + this.#lists.size[PROTECTED]!;
  }

  request(id: number): boolean {
    const lists = this.#lists;
    const hit = lists.of(id) >= 0;
    if (!hit) {
      if (this.held === this.#capacity)
        lists.remove(lists.last(lists.size[PROBATION]! > 0 ? PROBATION : PROTECTED));
      lists.toFront(PROBATION, id);
      this.writes += 1;
      return false;
    }
    lists.toFront(PROTECTED, id);
    if (lists.size[PROTECTED]! > this.#protected) lists.toFront(PROBATION, lists.last(PROTECTED));
    return true;
  }
}

const T1 = 0;
const T2 = 1;
const B1 = 2;
const B2 = 3;

/** Adaptive replacement cache. Source: Megiddo, Modha, FAST 2003, figure 4. */
class Arc implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #capacity: number;
  #target = 0;

  constructor(ids: number, capacity: number) {
    this.#lists = new Lists(4, ids);
    this.#capacity = capacity;
  }

  get held(): number {
    return this.#lists.size[T1]! + this.#lists.size[T2]!;
  }

  request(id: number): boolean {
    const lists = this.#lists;
    const size = lists.size;
    const at = lists.of(id);
    if (at === T1 || at === T2) {
      lists.toFront(T2, id);
      return true;
    }
    this.writes += 1;
    if (at === B1 || at === B2) {
      const step = at === B1 ? Math.max(1, size[B2]! / size[B1]!) : -Math.max(1, size[B1]! / size[B2]!);
      this.#target = Math.min(this.#capacity, Math.max(0, this.#target + step));
      this.#replace(at === B2);
      lists.toFront(T2, id);
      return false;
    }
    if (size[T1]! + size[B1]! === this.#capacity) {
      if (size[T1]! < this.#capacity) {
        lists.takeLast(B1);
        this.#replace(false);
      } else lists.takeLast(T1);
    } else if (this.held + size[B1]! + size[B2]! >= this.#capacity) {
      if (this.held + size[B1]! + size[B2]! === 2 * this.#capacity) lists.takeLast(B2);
      this.#replace(false);
    }
    lists.toFront(T1, id);
    return false;
  }

  #replace(inB2: boolean): void {
    if (this.held < this.#capacity) return;
    const size = this.#lists.size;
    const fromT1 =
      size[T1]! > 0 && (size[T1]! > this.#target || (inB2 && size[T1]! === Math.floor(this.#target)));
    if (fromT1 || size[T2] === 0) this.#lists.toFront(B1, this.#lists.last(T1));
    else this.#lists.toFront(B2, this.#lists.last(T2));
  }
}

/** First in, first out with a visited bit and a hand that stays. Source: Zhang, Yang et al., NSDI 2024. */
class Sieve implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #visited: Uint8Array;
  readonly #capacity: number;
  #hand = -1;

  constructor(ids: number, capacity: number) {
    this.#lists = new Lists(1, ids);
    this.#visited = new Uint8Array(ids);
    this.#capacity = capacity;
  }

  get held(): number {
    return this.#lists.size[0]!;
  }

  request(id: number): boolean {
    const lists = this.#lists;
    if (lists.of(id) === 0) {
      this.#visited[id] = 1;
      return true;
    }
    if (this.held === this.#capacity) {
      let hand = this.#hand === -1 ? lists.last(0) : this.#hand;
      while (this.#visited[hand] === 1) {
        this.#visited[hand] = 0;
        hand = lists.before(hand);
        if (hand === -1) hand = lists.last(0);
      }
      this.#hand = lists.before(hand);
      lists.remove(hand);
    }
    lists.toFront(0, id);
    this.#visited[id] = 0;
    this.writes += 1;
    return false;
  }
}

const SMALL = 0;
const MAIN = 1;
const GHOST = 2;

/** Three FIFO queues: a tenth small, the rest main, and a ghost. Source: Yang et al., SOSP 2023, algorithm 1. */
class S3Fifo implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #uses: Uint8Array;
  readonly #capacity: number;
  readonly #small: number;

  constructor(ids: number, capacity: number) {
    this.#lists = new Lists(3, ids);
    this.#uses = new Uint8Array(ids);
    this.#capacity = capacity;
    this.#small = Math.max(1, Math.floor(capacity / 10));
  }

  get held(): number {
    return this.#lists.size[SMALL]! + this.#lists.size[MAIN]!;
  }

  request(id: number): boolean {
    const lists = this.#lists;
    const at = lists.of(id);
    if (at === SMALL || at === MAIN) {
      if (this.#uses[id]! < 3) this.#uses[id]! += 1;
      return true;
    }
    while (this.held >= this.#capacity) this.#evict();
    lists.toFront(at === GHOST ? MAIN : SMALL, id);
    this.#uses[id] = 0;
    this.writes += 1;
    return false;
  }

  #evict(): void {
    const lists = this.#lists;
    if (lists.size[SMALL]! >= this.#small || lists.size[MAIN] === 0) {
      const id = lists.last(SMALL);
      if (this.#uses[id]! > 1) {
        this.#uses[id] = 0;
        lists.toFront(MAIN, id);
        return;
      }
      lists.toFront(GHOST, id);
      if (lists.size[GHOST]! > this.#capacity - this.#small) lists.takeLast(GHOST);
      return;
    }
    const id = lists.last(MAIN);
    if (this.#uses[id]! > 0) {
      this.#uses[id]! -= 1;
      lists.toFront(MAIN, id);
    } else lists.remove(id);
  }
}

export const lru: RivalFactory = (w, capacity) => new Lru(w.titleOf.length, capacity);
export const slru: RivalFactory = (w, capacity) => new Slru(w.titleOf.length, capacity);
export const arc: RivalFactory = (w, capacity) => new Arc(w.titleOf.length, capacity);
export const sieve: RivalFactory = (w, capacity) => new Sieve(w.titleOf.length, capacity);
export const s3fifo: RivalFactory = (w, capacity) => new S3Fifo(w.titleOf.length, capacity);
