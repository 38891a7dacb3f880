import { hashText } from './viewer-credit.js';

/** A map that outgrows its table copies it, which for 100,000 titles takes some 10 ms: a shard of it takes a fraction of one. */
const SHARDS = 64;

/** Slots of titles by name. */
export class TitleIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new Map<string, number>());

  get(name: string): number | undefined {
    return this.#shardOf(name).get(name);
  }

  set(name: string, slot: number): void {
    this.#shardOf(name).set(name, slot);
  }

  delete(name: string): void {
    this.#shardOf(name).delete(name);
  }

  #shardOf(name: string): Map<string, number> {
    return this.#shards[hashText(name) % SHARDS]!;
  }
}
