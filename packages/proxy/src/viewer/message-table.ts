import { MESSAGE_BYTES } from './batch-call.js';
import { fixedMemory } from './fixed-memory.js';

/** Packets gathered before they are sent without being asked: more than a batch of 64 KiB of audio has. */
export const PACKETS_PER_FLUSH = 1024;
/** Packets of one message. 32 of 1,328 bytes are on the wire for 3.4 ms at 100 Mbit/s, and fit ordinary buffers. */
const PACKETS_PER_MESSAGE = 32;
/** Bytes of one message: below the 65,507 that one datagram may have. */
const BYTES_PER_MESSAGE = 60_000;

const IOVEC_BYTES = 16;
const CONTROL_BYTES = 24;
// Source: Linux include/uapi/linux/udp.h, include/linux/socket.h.
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const CONTROL_LENGTH = 18;
const HALF = 2 ** 32;

/** Packets as a list through `next`, -1 at its end; lengths in bytes, starts as addresses. */
export interface PacketList {
  readonly next: Int32Array;
  readonly lengths: Uint32Array;
  readonly starts: Float64Array;
  /** Runs of longer packets get a message each. */
  readonly segmentBytes: number;
}

/**
 * The structures that `sendmmsg` reads, in one piece of memory that lives as long as this does. All messages that are laid together
 * go to one name; message i has control block i. As 32-bit words of `struct mmsghdr`, `struct cmsghdr` and `struct iovec`:
 *
 *      message  0 name  2 name bytes  4 iovec  6 iovecs  8 control  10 control bytes  12 flags  14 sent
 *      control  0 length = 18  2 level = SOL_UDP  3 type = UDP_SEGMENT  4 bytes of a segment (16 bits)
 *      iovec    0 start  2 length
 */
export class MessageTable {
  /** Where the messages lie in memory. */
  readonly messagesAt: number;
  readonly #messages = fixedMemory(PACKETS_PER_FLUSH * MESSAGE_BYTES);
  readonly #controls = fixedMemory(PACKETS_PER_FLUSH * CONTROL_BYTES);
  readonly #iovecs = fixedMemory(PACKETS_PER_FLUSH * IOVEC_BYTES);
  readonly #messageWords = wordsOf(this.#messages);
  readonly #controlWords = wordsOf(this.#controls);
  readonly #iovecWords = wordsOf(this.#iovecs);
  /** First packet of each message. */
  readonly #firsts = new Int32Array(PACKETS_PER_FLUSH);

  readonly #iovecsAt: number;
  #nameAt = 0;
  #nameBytes = 0;

  /** @param addressOf where a buffer lies in memory */
  constructor(addressOf: (bytes: Buffer) => number) {
    this.messagesAt = addressOf(this.#messages);
    const controls = addressOf(this.#controls);
    this.#iovecsAt = addressOf(this.#iovecs);
    for (let i = 0; i < PACKETS_PER_FLUSH; i++) {
      setPointer(this.#messageWords, i * 16 + 8, controls + i * CONTROL_BYTES);
      this.#controlWords.set([CONTROL_LENGTH, 0, SOL_UDP, UDP_SEGMENT], i * 6);
    }
  }

  /** Where the messages that are laid next go: a name of so many bytes at this place in memory. */
  address(nameAt: number, bytes: number): void {
    this.#nameAt = nameAt;
    this.#nameBytes = bytes;
  }

  /**
   * Makes messages of the packets from `first` on: a message is a run of packets of one length, of which the last may be
   * shorter. Source: Linux, udp(7), UDP_SEGMENT.
   * @returns number of messages
   */
  lay(first: number, packets: PacketList): number {
    const { next, lengths, starts, segmentBytes } = packets;
    let messages = 0;
    let iovecs = 0;
    for (let packet = first; packet >= 0;) {
      const message = messages++;
      const size = lengths[packet]!;
      const firstIovec = iovecs;
      const most = size > segmentBytes ? 1 : PACKETS_PER_MESSAGE;
      let bytes = 0;
      let length = size;
      this.#firsts[message] = packet;
      do {
        this.#setIovec(iovecs++, starts[packet]!, length);
        bytes += length;
        packet = next[packet]!;
        if (packet < 0 || length < size) break;
        length = lengths[packet]!;
      } while (length <= size && iovecs - firstIovec < most && bytes + length <= BYTES_PER_MESSAGE);
      this.#setMessage(message, firstIovec, iovecs - firstIovec);
      this.#controlWords[message * 6 + 4] = size;
    }
    return messages;
  }

  firstOf(message: number): number {
    return this.#firsts[message]!;
  }

  isSegmented(message: number): boolean {
    return this.#messageWords[message * 16 + 10] !== 0;
  }

  #setIovec(iovec: number, start: number, length: number): void {
    setPointer(this.#iovecWords, iovec * 4, start);
    this.#iovecWords[iovec * 4 + 2] = length;
  }

  #setMessage(message: number, firstIovec: number, iovecs: number): void {
    const words = this.#messageWords;
    const at = message * 16;
    setPointer(words, at, this.#nameAt);
    words[at + 2] = this.#nameBytes;
    setPointer(words, at + 4, this.#iovecsAt + firstIovec * IOVEC_BYTES);
    words[at + 6] = iovecs;
    words[at + 10] = iovecs > 1 ? CONTROL_BYTES : 0;
  }
}

/** An address below 2^53 as two words, the lower one first. */
function setPointer(words: Uint32Array, at: number, address: number): void {
  // Not by `%`, which is a call for such numbers.
  const upper = Math.floor(address / HALF);
  words[at] = address - upper * HALF;
  words[at + 1] = upper;
}

function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
