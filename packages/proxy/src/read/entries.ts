import type { Flights } from '../fill/flights.js';
import type { Passage } from '../fill/passage.js';
import type { Title } from '../fill/title.js';

const MAX_TITLES = 4096;

/** One generation of one title, with who fills it and how many play it. */
export interface Entry {
  readonly title: Title;
  /** Path and query by which viewers ask for it. */
  path: string;
  readonly flights: Flights;
  readonly passage: Passage;
  /** How often another title was found under the same description. */
  readonly edition: number;
  /** The origin has named its state by the same ETag or Last-Modified at different times. */
  keepsValidator: boolean;
  describedUnixMs: number;
  revalidating: boolean;
  /** What came of asking the origin last: it describes the title so; it did not answer; it has no such title any more. */
  standing: 'confirmed' | 'unconfirmed' | 'refused';
  readers: number;
}

/**
 * The titles that are known, one generation each, at most 4096 that nobody uses; and former generations for as long as
 * somebody plays them.
 */
export class Entries {
  readonly #byKey = new Map<string, Entry>();
  readonly #byGeneration = new Map<string, Entry>();
  /** Described anew or forgotten, but in use. */
  readonly #former = new Set<Entry>();

  get(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  titleOf(generation: string): Title | undefined {
    return this.#byGeneration.get(generation)?.title;
  }

  *[Symbol.iterator](): Generator<Entry> {
    yield* this.#byKey.values();
    yield* this.#former;
  }

  /** From now on this is the title's generation; the one before is kept while it is in use. */
  enter(entry: Entry): void {
    const { key, generation } = entry.title;
    const before = this.#byKey.get(key);
    this.#byKey.delete(key);
    if (before !== undefined && before !== entry) this.#retire(before);
    this.#former.delete(entry);
    this.#byKey.set(key, entry);
    this.#byGeneration.set(generation, entry);
  }

  /** The entry to play, of one that was found a while ago. */
  inUse(entry: Entry): Entry {
    const { key, generation } = entry.title;
    const known = this.#byKey.get(key);
    if (known === undefined) this.enter(entry);
    else if (known.title.generation === generation) return known;
    else {
      this.#former.add(entry);
      this.#byGeneration.set(generation, entry);
    }
    return entry;
  }

  /** Forgets what nobody uses. */
  prune(): void {
    for (const entry of this.#former) if (isIdle(entry)) this.#drop(entry);
    if (this.#byKey.size <= MAX_TITLES) return;
    for (const [key, entry] of this.#byKey) {
      if (this.#byKey.size <= MAX_TITLES) return;
      if (!isIdle(entry)) continue;
      this.#byKey.delete(key);
      this.#drop(entry);
    }
  }

  #retire(entry: Entry): void {
    if (isIdle(entry)) this.#drop(entry);
    else this.#former.add(entry);
  }

  #drop(entry: Entry): void {
    const { generation } = entry.title;
    this.#former.delete(entry);
    if (this.#byGeneration.get(generation) === entry) this.#byGeneration.delete(generation);
  }
}

function isIdle(entry: Entry): boolean {
  return entry.readers === 0 && entry.flights.count === 0;
}
