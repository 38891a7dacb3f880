import type { Decision, Segment, SegmentFacts } from '@forebay/cache';
import type { Held } from './row.js';
import type { Shelves } from './shelves.js';

/** The segments of one title that are on their way to the disk. */
export class Offers {
  /** Somebody wishes that what is offered is kept until then, on the policy's clock. */
  wishedUntilSeconds: number | undefined;
  readonly #shelves: Shelves;
  readonly #running = new Map<Held, { readonly segment: Segment; readonly done: Promise<void> }>();

  constructor(shelves: Shelves) {
    this.#shelves = shelves;
  }

  has(held: Held): boolean {
    return this.#running.has(held);
  }

  /** Of what is on its way. */
  get bytes(): number {
    let bytes = 0;
    for (const { segment } of this.#running.values()) bytes += segment.meta.byteLength;
    return bytes;
  }

  /** The packets of a segment that is on its way, wherever else they are: the store keeps them until it has decided. */
  segment(held: Held): Segment | undefined {
    return this.#running.get(held)?.segment;
  }

  /**
   * Offers a segment to the disk. A store that fails counts as one that rejects.
   * @param before what must be on the disk first
   * @param decided called once with what became of it
   */
  make(
    held: Held,
    { segment, facts }: { readonly segment: Segment; readonly facts: SegmentFacts },
    before: () => Promise<void> | undefined,
    decided: (isStored: boolean, decision: Decision) => void,
  ): void {
    const done = this.#decide(segment, facts, before).then((decision) => {
      this.#running.delete(held);
      const isThere = decision.admitted || (decision.reason === 'held' && this.#isStored(segment));
      decided(isThere, decision);
    });
    this.#running.set(held, { segment, done });
  }

  /** Resolves when none is on its way. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#running.values(), ({ done }) => done));
  }

  async #decide(
    segment: Segment,
    facts: SegmentFacts,
    before: () => Promise<void> | undefined,
  ): Promise<Decision> {
    const { metrics, log } = this.#shelves;
    let decision: Decision;
    try {
      decision = await this.#offer(segment, facts, before);
    } catch (error) {
      log.error({ error: String(error) }, 'a segment could not be offered to the disk');
      decision = { admitted: false, reason: 'disk-error' };
    }
    metrics.admissions.inc({
      decision: decision.admitted ? 'admitted' : 'rejected',
      reason: decision.reason,
    });
    return decision;
  }

  async #offer(
    segment: Segment,
    facts: SegmentFacts,
    before: () => Promise<void> | undefined,
  ): Promise<Decision> {
    const { store } = this.#shelves;
    if (store === undefined) return { admitted: false, reason: 'disabled' };
    await before();
    return store.offer(segment, facts, this.wishedUntilSeconds);
  }

  /** The very same segment is on the disk already, from an earlier flight. */
  #isStored({ meta }: Segment): boolean {
    const same = this.#shelves.store
      ?.segments(meta.generation)
      .find(({ startMicros }) => startMicros === meta.startMicros);
    return same?.durationMicros === meta.durationMicros && same.byteLength === meta.byteLength;
  }
}
