import { hashText } from './viewer-credit.js';

/** A map that outgrows its table copies it, which for 100,000 titles takes some 10 ms: a shard of it takes a fraction of one. */
const SHARDS = 64;

/** Slots of titles by name. The name found last is found again at once: a segment's offer and its storing ask for the same. */
export class TitleIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new Map<string, number>());
  #lastName = '';
  #lastSlot: number | undefined;

  get(name: string): number | undefined {
    if (name === this.#lastName && this.#lastSlot !== undefined) return this.#lastSlot;
    this.#lastName = name;
    this.#lastSlot = this.#shardOf(name).get(name);
    return this.#lastSlot;
  }

  set(name: string, slot: number): void {
    this.#shardOf(name).set(name, slot);
  }

  delete(name: string): void {
    this.#lastSlot = undefined;
    this.#shardOf(name).delete(name);
  }

  #shardOf(name: string): Map<string, number> {
    return this.#shards[hashText(name) % SHARDS]!;
  }
}
