import type { Workload } from '../workload.js';
import { KeyedHeap } from './heap.js';
import type { Rival, RivalFactory } from './rival.js';

const GROUP_SEGMENTS = 8;

/** Popularity of groups of segments: requests of a group, decayed, the least popular group yields. Source: segment-group popularity, 2007-08. */
class GroupPopularity implements Rival {
  writes = 0;
  held = 0;
  readonly #w: Workload;
  readonly #capacity: number;
  readonly #heap: KeyedHeap;
  readonly #has: Uint8Array;
  readonly #lists: Int32Array;
  readonly #score: Float64Array;
  #scale = 1;

  constructor(w: Workload, capacity: number) {
    this.#w = w;
    this.#capacity = capacity;
    const groups = Math.ceil(w.titleOf.length / GROUP_SEGMENTS) + w.titles.durationSeconds.length + 1;
    this.#heap = new KeyedHeap(groups, groups);
    this.#has = new Uint8Array(w.titleOf.length);
    this.#lists = new Int32Array(groups);
    this.#score = new Float64Array(groups);
  }

  request(segment: number): boolean {
    const title = this.#w.titleOf[segment]!;
    const start = this.#w.offset[title]!;
    const group = Math.floor(start / GROUP_SEGMENTS) + title + Math.floor((segment - start) / GROUP_SEGMENTS);
    // Growing increments are decaying counts.
    this.#scale *= 1 + 0.1 / this.#capacity;
    this.#score[group]! += this.#scale;
    if (this.#scale > 1e200) this.#rescale();
    if (this.#heap.has(group)) this.#heap.set(group, this.#score[group]!);
    if (this.#has[segment] === 1) return true;
    if (this.held >= this.#capacity && !this.#yield(group)) return false;
    this.#has[segment] = 1;
    this.#lists[group] = start + Math.floor((segment - start) / GROUP_SEGMENTS) * GROUP_SEGMENTS;
    this.#heap.set(group, this.#score[group]!);
    this.held += 1;
    this.writes += 1;
    return false;
  }

  #yield(group: number): boolean {
    const victim = this.#heap.least();
    if (victim === group || this.#heap.key(victim) >= this.#score[group]!) return false;
    const from = this.#lists[victim]!;
    const limit = Math.min(from + GROUP_SEGMENTS, this.#w.offset[this.#w.titleOf[from]! + 1]!);
    for (let id = from; id < limit; id++) {
      this.held -= this.#has[id]!;
      this.#has[id] = 0;
    }
    this.#heap.remove(victim);
    return true;
  }

  #rescale(): void {
    for (let g = 0; g < this.#score.length; g++) {
      this.#score[g]! /= this.#scale;
      if (this.#heap.has(g)) this.#heap.set(g, this.#score[g]!);
    }
    this.#scale = 1;
  }
}

export const groupPopularity: RivalFactory = (w, capacity) => new GroupPopularity(w, capacity);
