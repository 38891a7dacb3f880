/** Media that one viewer is sent in one turn: the size where a system call a batch costs no more than the copy. */
const BATCH_BYTES = 65536;

/** Small batches (live) take small buffers, since a viewer that does not read keeps one. Larger batches get one of their own. */
const SIZES = [8192, 24_576, BATCH_BYTES] as const;
/** Spare buffers kept of each size; more are garbage. */
const SPARES = 16;

/** Buffers that batches are put together in. One is enough while every write completes at once. */
export class Scratch {
  readonly #spares: readonly Buffer[][] = SIZES.map(() => []);

  /** A buffer of at least `bytes`, with anything in it. */
  take(bytes: number): Buffer {
    const size = SIZES.findIndex((each) => bytes <= each);
    return this.#spares[size]?.pop() ?? Buffer.allocUnsafeSlow(SIZES[size] ?? bytes);
  }

  /** Nobody reads this buffer any more. */
  give(buffer: Buffer): void {
    const spares = this.#spares[SIZES.findIndex((size) => size === buffer.length)];
    if (spares !== undefined && spares.length < SPARES) spares.push(buffer);
  }
}
