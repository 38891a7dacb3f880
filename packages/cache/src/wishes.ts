import type { Catalogue, Entry } from './catalogue.js';
import type { CachePolicy } from './policy/index.js';

/** Of the capacity, this share at most is kept by wish: the rest is the policy's. */
const WISHED_SHARE = 0.5;

interface Wish {
  untilSeconds: number;
}

/**
 * Segments that are kept for a time because somebody wished for them: no victims until then, whatever the policy thinks of
 * them; then segments like any other. Forgotten with the process.
 */
export class Wishes {
  readonly #catalogue: Catalogue;
  readonly #policy: CachePolicy;
  readonly #kept = new Map<Entry, Wish>();

  constructor(catalogue: Catalogue, policy: CachePolicy) {
    this.#catalogue = catalogue;
    this.#policy = policy;
  }

  /** Whether so many bytes more may be kept by wish. Cost: looks at all that are. */
  hasRoom(bytes: number, capacityBytes: number): boolean {
    let kept = bytes;
    for (const { meta } of this.#kept.keys()) kept += meta.byteLength;
    return kept <= WISHED_SHARE * capacityBytes;
  }

  /** Keeps a held segment until then, or longer where that was wished before. */
  keep(entry: Entry, untilSeconds: number): void {
    const known = this.#kept.get(entry);
    if (known !== undefined) {
      known.untilSeconds = Math.max(known.untilSeconds, untilSeconds);
      return;
    }
    this.#kept.set(entry, { untilSeconds });
    if (entry.pins++ === 0) this.#policy.pin(entry.handle);
  }

  has(entry: Entry): boolean {
    return this.#kept.has(entry);
  }

  /** Lets go what has been kept long enough, or is gone. */
  expire(nowSeconds: number): void {
    for (const [entry, { untilSeconds }] of this.#kept) {
      const isHeld = this.#catalogue.byHandle(entry.handle) === entry;
      if (isHeld && untilSeconds > nowSeconds) continue;
      this.#kept.delete(entry);
      if (isHeld && --entry.pins === 0) this.#policy.unpin(entry.handle);
    }
  }
}
