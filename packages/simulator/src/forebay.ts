import { type EngineOptions, PopularityEngine, ViewerCredit } from '@forebay/cache';
import type { Rival } from './rivals/rival.js';
import { requestSeconds, type Truth, type Workload } from './workload.js';

const NONE = -1;
const ANY_GROUP = -1;

/** What a replay may know or do beyond the serving policy. */
interface Known {
  readonly truth?: Truth;
  /** The proxy's wall clock at an instant of the workload. */
  readonly wallClock?: (seconds: number) => number;
}

/** The serving policy's own engine, driven by a workload. */
export class Forebay implements Rival {
  writes = 0;
  readonly engine: PopularityEngine;
  readonly #w: Workload;
  readonly #capacity: number;
  readonly #handle: Int32Array;
  /** By handle. */
  readonly #segmentOf: Int32Array;
  readonly #credit = new ViewerCredit();
  readonly #wallClock: (seconds: number) => number;
  readonly #viewer: Int32Array;
  /** Slot of each title, or -1. */
  readonly #slot: Int32Array;
  readonly #titleOfSlot: Int32Array;

  constructor(w: Workload, capacity: number, options: EngineOptions, known: Known = {}) {
    const { truth } = known;
    this.#wallClock = known.wallClock ?? ((seconds) => seconds);
    this.#w = w;
    this.#capacity = capacity;
    this.#titleOfSlot = new Int32Array(options.titles).fill(NONE);
    this.#slot = new Int32Array(w.titles.durationSeconds.length).fill(NONE);
    const rates = truth === undefined ? {} : { truth: bySlot(truth, this.#titleOfSlot) };
    this.engine = new PopularityEngine({ ...options, ...rates }, (slot) => {
      this.#slot[this.#titleOfSlot[slot]!] = NONE;
    });
    this.#segmentOf = new Int32Array(capacity + 1);
    this.#handle = new Int32Array(w.titleOf.length).fill(NONE);
    this.#viewer = new Int32Array(w.sessions.title.length).fill(NONE);
  }

  get held(): number {
    return this.engine.shelf.held.count;
  }

  request(segment: number, index: number): boolean {
    const w = this.#w;
    const s = w.session[index]!;
    const title = w.sessions.title[s]!;
    const position = segment - w.offset[title]!;
    const width = w.titles.segmentSeconds[title]!;
    const now = this.#wallClock(requestSeconds(w, index));
    const engine = this.engine;
    let viewer = this.#viewer[s]!;
    if (viewer === NONE) {
      viewer = engine.start(this.#open(title), position * width, this.#weight(s, title, now), now);
      this.#viewer[s] = viewer;
    }
    engine.reached(viewer, (position + 1) * width, now);
    const hit = this.#handle[segment] !== NONE;
    if (!hit) this.#offer(segment, title, now);
    if (position + 1 === w.firstSegment[s]! + w.segmentCount[s]!) engine.end(viewer);
    return hit;
  }

  #offer(segment: number, title: number, now: number): void {
    const w = this.#w;
    const engine = this.engine;
    const width = w.titles.segmentSeconds[title]!;
    const slot = this.#open(title);
    const start = (segment - w.offset[title]!) * width;
    if (engine.shelf.held.count === this.#capacity) {
      const value = engine.value(slot, start, width, now) / w.segmentBytes;
      const victim = engine.shelf.admit(value, ANY_GROUP, now);
      if (victim === NONE) return;
      engine.shelf.drop(victim);
      this.#handle[this.#segmentOf[victim]!] = NONE;
    }
    const handle = engine.shelf.hold(
      slot,
      { startSeconds: start, durationSeconds: width, bytes: w.segmentBytes },
      now,
    );
    this.#segmentOf[handle] = segment;
    this.#handle[segment] = handle;
    this.writes += 1;
  }

  #weight(session: number, title: number, now: number): number {
    const viewer = this.#w.sessions.viewer[session]!;
    return viewer === 0 ? 1 : this.#credit.weigh(String(viewer), String(title), now);
  }

  #open(title: number): number {
    let slot = this.#slot[title]!;
    if (slot === NONE) {
      slot = this.engine.open(
        Math.imul(title + 1, 0x9e3779b1) >>> 0,
        this.#w.titles.durationSeconds[title]!,
        0,
      );
      if (slot === 0) return slot;
      this.#slot[title] = slot;
      this.#titleOfSlot[slot] = title;
    }
    return slot;
  }
}

function bySlot(truth: Truth, titleOfSlot: Int32Array): Truth {
  return {
    rate: (slot, now) => truth.rate(titleOfSlot[slot]!, now),
    share: (slot, start, end) => truth.share(titleOfSlot[slot]!, start, end),
  };
}
