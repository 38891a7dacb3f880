const DOLLAR = 0x24;
const PREFIX_BYTES = 4;
const MAX_HEAD_BYTES = 65_536;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Bytes to pass on as they are, or the whole head of a message. */
export type Piece = { readonly kind: 'bytes' | 'head'; readonly bytes: Buffer };

/**
 * Finds the heads of RTSP messages in a byte stream and leaves every other byte alone: bodies, interleaved frames, and,
 * from there on, everything after bytes that are neither.
 */
export class HeadScanner {
  #held = Buffer.alloc(0);
  /** Bytes of a frame or body still to come. */
  #passing = 0;
  #isOpaque = false;

  push(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    while (bytes.length > 0) {
      const size = this.#next(bytes, pieces);
      if (size === 0) {
        this.#held = Buffer.from(bytes);
        break;
      }
      bytes = bytes.subarray(size);
    }
    return pieces;
  }

  /** @returns bytes used, 0 where more are needed */
  #next(bytes: Buffer, pieces: Piece[]): number {
    if (this.#isOpaque) {
      pieces.push({ kind: 'bytes', bytes });
      return bytes.length;
    }
    if (this.#passing > 0) {
      const size = Math.min(this.#passing, bytes.length);
      this.#passing -= size;
      pieces.push({ kind: 'bytes', bytes: bytes.subarray(0, size) });
      return size;
    }
    if (bytes[0] === DOLLAR) {
      if (bytes.length >= PREFIX_BYTES) this.#passing = PREFIX_BYTES + bytes.readUInt16BE(2);
      return bytes.length >= PREFIX_BYTES ? this.#next(bytes, pieces) : 0;
    }
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      this.#isOpaque = bytes.length > MAX_HEAD_BYTES || !/^[\r\nA-Za-z]/.test(bytes.toString('latin1', 0, 1));
      return this.#isOpaque ? this.#next(bytes, pieces) : 0;
    }
    const head = bytes.subarray(0, end + HEAD_END.length);
    pieces.push({ kind: 'head', bytes: head });
    this.#passing = Number(
      /\r\ncontent-length\s*:\s*(\d{1,9})\s*\r\n/i.exec(head.toString('latin1'))?.[1] ?? 0,
    );
    return head.length;
  }
}
