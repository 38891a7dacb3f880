/** Media that one viewer is sent in one turn: the size where a system call a batch costs no more than the copy. */
const BATCH_BYTES = 65536;

/** Small batches (live) take small buffers, since a viewer that does not read keeps one. Larger batches get one of their own. */
const SIZES = [8192, 24_576, BATCH_BYTES] as const;
/** Spare buffers kept of each size; more are garbage. */
const SPARES = 16;

/** Memory that packets of one viewer are put together in. */
export interface Batch {
  readonly bytes: Buffer;
  /** Over the same memory: a header is changed through it at a third of what byte after byte costs. */
  readonly view: DataView;
}

/** Memory for batches. One is enough while every write completes at once. */
export class Scratch {
  readonly #spares: readonly Batch[][] = SIZES.map(() => []);

  /** At least `bytes`, with anything in them. */
  take(bytes: number): Batch {
    let size = 0;
    while (size < SIZES.length && bytes > SIZES[size]!) size++;
    return this.#spares[size]?.pop() ?? newBatch(SIZES[size] ?? bytes);
  }

  /** Nobody reads this batch any more. */
  give(batch: Batch): void {
    let size = 0;
    while (size < SIZES.length && batch.bytes.length !== SIZES[size]!) size++;
    const spares = this.#spares[size];
    if (spares !== undefined && spares.length < SPARES) spares.push(batch);
  }
}

function newBatch(size: number): Batch {
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}
