import { Random } from '../random.js';
import type { Rival, RivalFactory } from './rival.js';

const NONE = -1;

/** What is held, drawn from at random: the frame of the policies that evict the worst of a sample. */
export abstract class Sampled implements Rival {
  writes = 0;
  held = 0;
  protected readonly place: Int32Array;
  protected readonly dense: Int32Array;
  protected readonly random = new Random(7);
  readonly #capacity: number;
  readonly #samples: number;

  constructor(ids: number, capacity: number, samples: number) {
    this.place = new Int32Array(ids).fill(NONE);
    this.dense = new Int32Array(capacity);
    this.#capacity = capacity;
    this.#samples = samples;
  }

  request(id: number, index: number): boolean {
    const hit = this.place[id] !== NONE;
    this.used(id, index, hit);
    if (hit) return true;
    if (this.held === this.#capacity) this.#evict(index);
    this.place[id] = this.held;
    this.dense[this.held++] = id;
    this.writes += 1;
    return false;
  }

  protected abstract used(id: number, index: number, hit: boolean): void;
  /** The smaller, the sooner it leaves. */
  protected abstract worth(id: number, index: number): number;
  protected left(_id: number, _index: number): void {}

  #evict(index: number): void {
    let victim = NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#samples; i++) {
      const id = this.dense[this.random.below(this.held)]!;
      const worth = this.worth(id, index);
      if (worth < least) {
        least = worth;
        victim = id;
      }
    }
    if (victim === NONE) victim = this.dense[0]!;
    this.left(victim, index);
    const at = this.place[victim]!;
    const last = this.dense[--this.held]!;
    this.dense[at] = last;
    this.place[last] = at;
    this.place[victim] = NONE;
  }
}

/** Uses over time in the cache, worst of 64. Source: Blankstein, Sen, Freedman, ATC 2017. */
class Hyperbolic extends Sampled {
  readonly #uses: Uint32Array;
  readonly #since: Int32Array;

  constructor(ids: number, capacity: number) {
    super(ids, capacity, 64);
    this.#uses = new Uint32Array(ids);
    this.#since = new Int32Array(ids);
  }

  protected used(id: number, index: number, hit: boolean): void {
    if (hit) this.#uses[id]! += 1;
    else {
      this.#uses[id] = 1;
      this.#since[id] = index;
    }
  }

  protected worth(id: number, index: number): number {
    return this.#uses[id]! / (index - this.#since[id]! + 1);
  }
}

const AGES = 128;
const CLASSES = 16;

/**
 * Least hit density: expected hits over expected remaining time in the cache, by age and by class of the last two ages; worst of 64.
 * Source: Beckmann, Chen, Cidon, NSDI 2018: coarsened ages, 16 classes, densities refitted from decayed histograms.
 */
class HitDensity extends Sampled {
  readonly #at: Int32Array;
  readonly #class: Uint8Array;
  readonly #hits = new Float64Array(AGES * CLASSES);
  readonly #ends = new Float64Array(AGES * CLASSES);
  readonly #density = new Float64Array(AGES * CLASSES);
  readonly #period: number;
  readonly #unit: number;
  #until: number;

  constructor(ids: number, capacity: number) {
    super(ids, capacity, 64);
    this.#at = new Int32Array(ids);
    this.#class = new Uint8Array(ids);
    this.#unit = Math.max(1, Math.floor(capacity / 16));
    this.#period = Math.max(10_000, 2 * capacity);
    this.#until = this.#period;
    for (let i = 0; i < this.#density.length; i++) this.#density[i] = 1 / (1 + (i % AGES));
  }

  protected used(id: number, index: number, hit: boolean): void {
    if (hit) {
      const age = this.#age(id, index);
      this.#hits[this.#class[id]! * AGES + age]! += 1;
      this.#class[id] = Math.min(CLASSES - 1, 1 + Math.floor(Math.log2(1 + age) * 2));
    } else this.#class[id] = 0;
    this.#at[id] = index;
    if (--this.#until === 0) this.#refit();
  }

  protected worth(id: number, index: number): number {
    return this.#density[this.#class[id]! * AGES + this.#age(id, index)]!;
  }

  protected override left(id: number, index: number): void {
    this.#ends[this.#class[id]! * AGES + this.#age(id, index)]! += 1;
  }

  /** Ages beyond the linear part are counted logarithmically. */
  #age(id: number, index: number): number {
    const age = (index - this.#at[id]!) / this.#unit;
    return age < 64 ? Math.floor(age) : Math.min(AGES - 1, Math.floor(64 + 8 * Math.log2(age / 64)));
  }

  #refit(): void {
    this.#until = this.#period;
    for (let k = 0; k < CLASSES; k++) {
      let hits = 0;
      let events = 0;
      let lifetime = 0;
      for (let a = AGES - 1; a >= 0; a--) {
        const i = k * AGES + a;
        const width = a < 64 ? 1 : 64 * 2 ** ((a - 64) / 8) * (2 ** 0.125 - 1);
        hits += this.#hits[i]!;
        events += this.#hits[i]! + this.#ends[i]!;
        lifetime += events * width;
        this.#density[i] = lifetime > 0 ? hits / lifetime : 0;
        this.#hits[i]! *= 0.9;
        this.#ends[i]! *= 0.9;
      }
    }
  }
}

export const hyperbolic: RivalFactory = (w, capacity) => new Hyperbolic(w.titleOf.length, capacity);
export const lhd: RivalFactory = (w, capacity) => new HitDensity(w.titleOf.length, capacity);
