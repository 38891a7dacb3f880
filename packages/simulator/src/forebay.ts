import { PopularityEngine, type EngineOptions } from '@forebay/cache';
import type { Rival } from './rivals/rival.js';
import { requestSeconds, type Workload } from './workload.js';

const NONE = -1;

/** The serving policy's own engine, driven by a workload. */
export class Forebay implements Rival {
  writes = 0;
  readonly engine: PopularityEngine;
  readonly #w: Workload;
  readonly #capacity: number;
  readonly #handle: Int32Array;
  readonly #segmentOf: number[] = [];
  readonly #viewer: Int32Array;
  readonly #opened: Uint8Array;

  constructor(w: Workload, capacity: number, options: EngineOptions) {
    this.#w = w;
    this.#capacity = capacity;
    this.engine = new PopularityEngine(options);
    this.#handle = new Int32Array(w.titleOf.length).fill(NONE);
    this.#viewer = new Int32Array(w.sessions.title.length).fill(NONE);
    this.#opened = new Uint8Array(w.titles.durationSeconds.length);
  }

  get held(): number {
    return this.engine.held.count;
  }

  request(segment: number, index: number): boolean {
    const w = this.#w;
    const s = w.session[index]!;
    const title = w.titleOf[segment]!;
    const position = segment - w.offset[title]!;
    const width = w.titles.segmentSeconds[title]!;
    const now = requestSeconds(w, index);
    const engine = this.engine;
    let viewer = this.#viewer[s]!;
    if (viewer === NONE) {
      if (this.#opened[title] === 0) {
        this.#opened[title] = 1;
        engine.reach.open(title, w.titles.durationSeconds[title]!);
      }
      viewer = engine.start(title, position * width, 1, now);
      this.#viewer[s] = viewer;
    }
    engine.reached(viewer, (position + 1) * width, now);
    const hit = this.#handle[segment] !== NONE;
    if (!hit) this.#offer(segment, now);
    if (position + 1 === w.firstSegment[s]! + w.segmentCount[s]!) engine.end(viewer);
    return hit;
  }

  #offer(segment: number, now: number): void {
    const w = this.#w;
    const engine = this.engine;
    const title = w.titleOf[segment]!;
    const width = w.titles.segmentSeconds[title]!;
    const start = (segment - w.offset[title]!) * width;
    if (engine.held.count === this.#capacity) {
      const value = engine.value(title, start, width, now) / w.segmentBytes;
      const victim = engine.admit(value, now);
      if (victim === NONE) return;
      engine.drop(victim);
      this.#handle[this.#segmentOf[victim]!] = NONE;
    }
    const handle = engine.hold(title, { startSeconds: start, durationSeconds: width, bytes: w.segmentBytes }, now);
    this.#segmentOf[handle] = segment;
    this.#handle[segment] = handle;
    this.writes += 1;
  }
}
