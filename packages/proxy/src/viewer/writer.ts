import type { Socket } from 'node:net';
import type { Batch, Scratch } from './scratch.js';

const NOTHING = Buffer.alloc(0);

/**
 * What goes out on one control connection, in the order it is called: answers, reports, and batches of interleaved frames, each
 * whole. Media is only added while nothing waits, so that an answer waits for one batch at most and nothing grows behind
 * a viewer that does not read.
 */
export class Writer {
  readonly #socket: Socket;
  readonly #scratch: Scratch;
  /** The batch that the kernel has not taken whole. */
  #held: Batch | undefined;
  #givenBytes = 0;

  constructor(socket: Socket, scratch: Scratch) {
    this.#socket = socket;
    this.#scratch = scratch;
  }

  /** Bytes that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Bytes of writes that the kernel has taken whole: stands still where the viewer does not read. */
  get takenBytes(): number {
    return this.#givenBytes - this.#socket.writableLength;
  }

  /** True while another batch may be sent. */
  get idle(): boolean {
    return this.#socket.writable && this.#socket.writableLength === 0;
  }

  /** Writes an answer or a report; dropped when the connection is gone. `bytes` must not change afterwards. */
  write(bytes: Buffer): void {
    if (!this.#socket.writable) return;
    this.#givenBytes += bytes.length;
    this.#socket.write(bytes);
  }

  /** Memory to put the next batch together in. Better only while {@link Writer.idle}: what it writes then waits. */
  take(bytes: number): Batch {
    // A batch that the kernel is still reading is not used again.
    if (this.#held !== undefined && this.idle) this.#scratch.give(this.#held);
    this.#held = undefined;
    return this.#scratch.take(bytes);
  }

  /**
   * Writes the first `bytes` of a batch that {@link Writer.take} gave, in one go; it is the writer's again. Without a
   * callback: that costs Node an object and a `nextTick` for each write.
   */
  writeBatch(batch: Batch, bytes: number): void {
    this.#givenBytes += bytes;
    if (bytes > 0) this.#socket.write(batch.bytes.subarray(0, bytes));
    if (this.#socket.writableLength === 0) this.#scratch.give(batch);
    else this.#held = batch;
  }

  /** Resolves when at most `bytes` wait, or the connection is gone. */
  async below(bytes: number): Promise<void> {
    while (this.#socket.writable && this.pendingBytes > bytes) {
      // Nothing, behind everything that waits.
      await new Promise<void>((resolve) => this.#socket.write(NOTHING, () => resolve()));
    }
  }
}
