import { Lists } from './lists.js';
import type { Rival, RivalFactory } from './rival.js';

const WINDOW = 0;
const PROBATION = 1;
const PROTECTED = 2;
const MOST_COUNT = 15;

/**
 * Window TinyLFU. Exact four-bit counters, halved every ten capacities, stand in for the count-min sketch: no collisions, in the rival's favour.
 * Source: Einziger, Friedman, Manes, ACM TOS 13(4), 2017; adaptive: Einziger, Eytan, Friedman, Manes, Middleware 2018, hill
 * climbing with the constants of the Caffeine library (steps of 6.25 %, decay 0.98, restart at a change of 5 points).
 */
class WindowTinyLfu implements Rival {
  writes = 0;
  readonly #lists: Lists;
  readonly #counts: Uint8Array;
  readonly #capacity: number;
  readonly #adaptive: boolean;
  #window: number;
  #samples = 0;
  #hits = 0;
  #requests = 0;
  #lastRatio = 0;
  #step: number;

  constructor(ids: number, capacity: number, adaptive: boolean) {
    this.#lists = new Lists(3, ids);
    this.#counts = new Uint8Array(ids);
    this.#capacity = capacity;
    this.#adaptive = adaptive;
    this.#window = Math.max(1, Math.floor(capacity / 100));
    this.#step = -0.0625 * capacity;
  }

  get held(): number {
    const size = this.#lists.size;
    return size[WINDOW]! + size[PROBATION]! + size[PROTECTED]!;
  }

  request(id: number): boolean {
    this.#count(id);
    const lists = this.#lists;
    const at = lists.of(id);
    if (this.#adaptive) this.#climb(at >= 0);
    if (at < 0) {
      this.writes += 1;
      lists.toFront(WINDOW, id);
      this.#settle();
      return false;
    }
    lists.toFront(at === WINDOW ? WINDOW : PROTECTED, id);
    this.#demote();
    return true;
  }

  #demote(): void {
    const lists = this.#lists;
    const most = Math.floor(0.8 * (this.#capacity - this.#window));
    while (lists.size[PROTECTED]! > most) lists.toFront(PROBATION, lists.last(PROTECTED));
  }

  /** Moves what overflows the window to the main part, where it must beat the victim once the cache is full. */
  #settle(): void {
    const lists = this.#lists;
    while (lists.size[WINDOW]! > this.#window) {
      const candidate = lists.last(WINDOW);
      if (this.held > this.#capacity) {
        const victim = lists.size[PROBATION]! > 0 ? lists.last(PROBATION) : lists.last(PROTECTED);
        if (victim < 0 || this.#counts[candidate]! <= this.#counts[victim]!) {
          lists.remove(candidate);
          continue;
        }
        lists.remove(victim);
      }
      lists.toFront(PROBATION, candidate);
    }
    while (this.held > this.#capacity)
      lists.remove(lists.last(lists.size[PROBATION]! > 0 ? PROBATION : WINDOW));
  }

  #count(id: number): void {
    if (this.#counts[id]! < MOST_COUNT) this.#counts[id]! += 1;
    this.#samples += 1;
    if (this.#samples < 10 * this.#capacity) return;
    this.#samples = Math.floor(this.#samples / 2);
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! >>= 1;
  }

  #climb(hit: boolean): void {
    this.#requests += 1;
    if (hit) this.#hits += 1;
    if (this.#requests < 10 * this.#capacity) return;
    const ratio = this.#hits / this.#requests;
    const change = ratio - this.#lastRatio;
    const amount = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= 0.05 ? 0.0625 * this.#capacity * Math.sign(amount) : 0.98 * amount;
    this.#lastRatio = ratio;
    this.#requests = 0;
    this.#hits = 0;
    this.#window = Math.max(1, Math.min(Math.floor(0.8 * this.#capacity), Math.round(this.#window + amount)));
    this.#settle();
    this.#demote();
  }
}

export const wtinylfu: RivalFactory = (w, capacity) => new WindowTinyLfu(w.titleOf.length, capacity, false);
export const wtinylfuAdaptive: RivalFactory = (w, capacity) =>
  new WindowTinyLfu(w.titleOf.length, capacity, true);
