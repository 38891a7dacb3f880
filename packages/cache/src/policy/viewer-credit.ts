const SLOTS = 1 << 16;
/** Sessions an hour that count in full for one address, and how many it may save up. */
const SESSIONS_PER_HOUR = 120;
const BURST = 120;
const FORGET_SECONDS = 86_400;

/** FNV-1a over UTF-16 units, 32 bits. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * How much of a request a session counts for, so that nobody makes a title popular alone: the second session of one address for one
 * title within a day counts half, the third a quarter, and an address has an hourly allowance. Fixed tables; two
 * addresses that share a place share its allowance.
 */
export class ViewerCredit {
  readonly #tokens = new Float32Array(SLOTS).fill(BURST);
  readonly #tokensAt = new Float64Array(SLOTS);
  readonly #pair = new Uint32Array(SLOTS);
  readonly #repeats = new Uint8Array(SLOTS);
  readonly #pairAt = new Float64Array(SLOTS);

  /** @returns weight in 0..1. An empty address is nobody in particular and counts 1. */
  weigh(viewerAddress: string, title: string, nowSeconds: number): number {
    if (viewerAddress === '') return 1;
    const address = hashText(viewerAddress);
    const at = (address ^ (address >>> 16)) & (SLOTS - 1);
    const elapsed = Math.max(0, nowSeconds - this.#tokensAt[at]!);
    const tokens = Math.min(BURST, this.#tokens[at]! + (elapsed * SESSIONS_PER_HOUR) / 3600);
    this.#tokensAt[at] = nowSeconds;
    this.#tokens[at] = Math.max(0, tokens - 1);
    return Math.min(1, tokens) * this.#repeat(hashText(title, address), nowSeconds);
  }

  #repeat(pair: number, nowSeconds: number): number {
    const at = (pair ^ (pair >>> 16)) & (SLOTS - 1);
    const same = this.#pair[at] === pair && Math.abs(nowSeconds - this.#pairAt[at]!) < FORGET_SECONDS;
    const repeats = same ? Math.min(20, this.#repeats[at]! + 1) : 0;
    this.#pair[at] = pair;
    this.#pairAt[at] = nowSeconds;
    this.#repeats[at] = repeats;
    return 2 ** -repeats;
  }
}
