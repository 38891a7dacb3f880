import type { Place } from '../fill/row.js';
import type { Cursor } from './cursor.js';
import type { Loaded, Playable } from './playable.js';

/** Brings a reader the packets of segments: those that grow and those in RAM at once, those on disk ahead of time. */
export class Supply {
  readonly #title: Playable;
  #loading: Place | undefined;
  /** The segment read ahead: one, whatever its size. */
  #ahead: Cursor | undefined;
  /** Could not be had: it is not asked for again. Found again it is another one. */
  #lost: Place | undefined;

  constructor(title: Playable) {
    this.#title = title;
  }

  /** A cursor at the beginning of `held`, or undefined while its packets are on their way from the disk. */
  cursorInto(held: Place): Cursor | undefined {
    if (held.growth !== undefined) {
      return { held, run: held.growth.run, source: 'flight', next: 0, bounds: undefined };
    }
    if (this.#ahead?.held === held) {
      const ahead = this.#ahead;
      this.#ahead = undefined;
      return ahead;
    }
    const resident = this.#title.resident(held);
    if (resident !== undefined) return { held, run: resident.run, source: 'ram', next: 0, bounds: undefined };
    this.#load(held);
    return undefined;
  }

  /** Sees to it that the segment after `held` will be there. */
  prefetch(held: Place): void {
    const next = this.#title.row.following(held);
    if (next !== undefined && next.state === 'sealed') this.#load(next);
  }

  #load(held: Place): void {
    if (this.#loading === held || this.#ahead?.held === held || this.#lost === held) return;
    this.#loading = held;
    this.#title.load(held).then(
      (loaded) => this.#loaded(held, loaded),
      () => this.#loaded(held, undefined),
    );
  }

  #loaded(held: Place, loaded: Loaded | undefined): void {
    if (this.#loading !== held) return;
    this.#loading = undefined;
    if (loaded === undefined) this.#lost = held;
    else this.#ahead = { held, run: loaded.segment.run, source: loaded.source, next: 0, bounds: undefined };
  }
}
