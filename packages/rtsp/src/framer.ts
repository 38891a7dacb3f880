import { RtspError } from './errors.js';
import type { RtspErrorCode, RtspParty } from './errors.js';
import { HeadReader } from './head.js';
import type { Head } from './head.js';
import { LIMITS } from './limits.js';
import type { RtspMessage } from './message.js';
import { canStart, findNext, OPENING_BYTES } from './resync.js';

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const PREFIX_BYTES = 4;
const INITIAL_HELD_BYTES = 2048;

/** Who gets what the framer finds. All calls happen during `Framer.push`. */
export interface FramerSink {
  /**
   * An interleaved frame. `bytes[start, end)` is its payload, without the 4-byte prefix; valid only during the call.
   * @param channel 0 to 255
   */
  frame(channel: number, bytes: Buffer, start: number, end: number): void;
  /** A message; its body is the receiver's to keep. */
  message(message: RtspMessage): void;
  /**
   * A message whose end is known but that must be refused: answer with `error.status` and `error.cseq`, in order with
   * the messages, and go on. A sink without this method has the error thrown from `push`, with `close` set.
   */
  refuse?(error: RtspError): void;
}

/**
 * - `between`: at the first byte of something
 * - `frame`: in an interleaved frame that did not lie whole in its chunk
 * - `head`: in start line or headers
 * - `body`: in a message body
 * - `lost`: skipping bytes that belong to nothing
 * - `dead`: after an error, or stopped
 */
type FramerState = 'between' | 'frame' | 'head' | 'body' | 'lost' | 'dead';

/**
 * Cuts a TCP byte stream into RTSP messages and interleaved frames (RFC 2326 section 10.12):
 *
 *     '$' | channel u8 | length u16, big-endian | payload
 *
 * Frames that lie whole in a chunk are handed on by offsets, without a copy or an object; others are gathered in one
 * buffer that is kept for the connection's life (at most 64 KiB). Heads are gathered line by line and every byte is
 * looked at once, however small the chunks. The result does not depend on where the chunks are cut.
 *
 * `from: 'viewer'` is strict. `from: 'origin'` tolerates what servers do: folded headers, a status line without reason,
 * and, once a first frame has been seen, garbage between frames, which is skipped up to 64 KiB in a row and counted
 * (Canon VB-H47; partial writes of old live555).
 */
export class Framer {
  readonly #sink: FramerSink;
  readonly #party: RtspParty;
  readonly #head: HeadReader;
  #state: FramerState = 'between';
  /** Bytes of the unfinished thing: `#held[0, #heldBytes)`. */
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  /** Where the current header line starts in `#held`. */
  #lineStart = 0;
  #blankBytes = 0;
  #pendingHead: Head | undefined;
  /** 1 for each channel that a frame came on. */
  readonly #channels = new Uint8Array(256);
  #framesSeen = false;
  #garbageBytes = 0;
  #garbageInARow = 0;

  constructor(sink: FramerSink, options: { readonly from: RtspParty }) {
    this.#sink = sink;
    this.#party = options.from;
    this.#head = new HeadReader(options.from);
  }

  /** Bytes kept of an unfinished message or frame. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** A message or frame is unfinished: the read timer should run. */
  get partial(): boolean {
    return this.#state === 'frame' || this.#state === 'head' || this.#state === 'body';
  }

  /** Bytes of an origin that belonged to no frame or message, since the beginning. */
  get garbageBytes(): number {
    return this.#garbageBytes;
  }

  /** Nothing more is delivered, not even of the chunk being read. For sinks that close the connection. */
  stop(): void {
    this.#state = 'dead';
    this.#heldBytes = 0;
    this.#held = Buffer.alloc(0);
  }

  /**
   * Reads a chunk to its end. Nothing of it is referred to afterwards.
   * @throws {RtspError} when the peer broke the framing; the framer is then unusable. Errors of the sink pass through
   * and have the same effect.
   */
  push(chunk: Buffer): void {
    let done = false;
    try {
      for (let at = 0; at < chunk.length && this.#state !== 'dead';) at = this.#step(chunk, at);
      done = true;
    } finally {
      if (!done) this.stop();
    }
  }

  /** Reads at least one byte of `chunk[at...]` and returns where to go on. */
  #step(chunk: Buffer, at: number): number {
    if (this.#state === 'between') return this.#readBetween(chunk, at);
    if (this.#state === 'frame') return this.#readFrame(chunk, at);
    if (this.#state === 'head') return this.#readHead(chunk, at);
    if (this.#state === 'body') return this.#readBody(chunk, at);
    if (this.#state === 'lost') return this.#readGarbage(chunk, at);
    return chunk.length;
  }

  /** The hot path: whole frames, one after the other. */
  #readBetween(chunk: Buffer, from: number): number {
    const limit = chunk.length;
    let at = from;
    while (limit - at >= PREFIX_BYTES && chunk[at] === DOLLAR && this.#state === 'between') {
      const payload = at + PREFIX_BYTES;
      const end = payload + ((chunk[at + 2] ?? 0) << 8) + (chunk[at + 3] ?? 0);
      if (end > limit) break;
      const channel = chunk[at + 1] ?? 0;
      this.#frameDone(channel);
      this.#sink.frame(channel, chunk, payload, end);
      at = end;
    }
    return at === limit || this.#state !== 'between' ? at : this.#begin(chunk, at);
  }

  #frameDone(channel: number): void {
    this.#channels[channel] = 1;
    this.#framesSeen = true;
    this.#blankBytes = 0;
    this.#garbageInARow = 0;
  }

  /** First byte of something other than a whole frame. */
  #begin(chunk: Buffer, at: number): number {
    const first = chunk[at];
    if (first === DOLLAR) {
      this.#state = 'frame';
      return at;
    }
    if (first === CR || first === LF) return this.#skipBlank(at);
    const isLetter = first !== undefined && (first & 0xdf) >= 0x41 && (first & 0xdf) <= 0x5a;
    if (isLetter) {
      this.#state = 'head';
      return at;
    }
    if (this.#party === 'origin' && this.#framesSeen) {
      this.#state = 'lost';
      return at;
    }
    // Blanks before a method are a malformed line; anything else was never RTSP and gets no answer.
    throw this.#fault(first === SPACE || first === 0x09 ? 'start-line' : 'not-rtsp');
  }

  #skipBlank(at: number): number {
    this.#blankBytes += 1;
    if (this.#party === 'viewer' && this.#blankBytes > LIMITS.blankBytes) throw this.#fault('blank-lines');
    return at + 1;
  }

  /** Gathers a frame that is spread over chunks. */
  #readFrame(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#heldBytes < PREFIX_BYTES) {
      at = this.#hold(chunk, at, PREFIX_BYTES - this.#heldBytes);
      if (this.#heldBytes < PREFIX_BYTES) return at;
    }
    const whole = PREFIX_BYTES + this.#held.readUInt16BE(2);
    at = this.#hold(chunk, at, whole - this.#heldBytes);
    if (this.#heldBytes < whole) return at;
    const held = this.#held;
    this.#state = 'between';
    this.#heldBytes = 0;
    const channel = held[1] ?? 0;
    this.#frameDone(channel);
    this.#sink.frame(channel, held, PREFIX_BYTES, whole);
    return at;
  }

  /** Takes one line, or what there is of it. */
  #readHead(chunk: Buffer, at: number): number {
    const lineEnd = chunk.indexOf(LF, at);
    const upTo = lineEnd < 0 ? chunk.length : lineEnd + 1;
    const next = this.#hold(chunk, at, Math.min(upTo - at, this.#headRoom()));
    if (next === at) throw this.#fault('head-too-large');
    if (this.#head.empty && !this.#isPlausibleStart()) {
      this.#state = 'lost';
      this.#judgeHeld();
    } else if (next === upTo && lineEnd >= 0) {
      this.#endLine();
    }
    return next;
  }

  /** Bytes to take at once. The first few of an origin's are judged before more are taken. */
  #headRoom(): number {
    if (this.#party === 'viewer') return LIMITS.headBytes - this.#heldBytes;
    const isOpening = this.#head.empty && this.#heldBytes < OPENING_BYTES;
    return (isOpening ? OPENING_BYTES : LIMITS.originHeadBytes) - this.#heldBytes;
  }

  /**
   * Judges an unfinished start line as early as its bytes allow.
   * @returns false where an origin lost its framing
   */
  #isPlausibleStart(): boolean {
    const line = this.#held.subarray(0, this.#heldBytes);
    if (this.#party === 'origin') {
      const plausible = canStart(line);
      if (!plausible && !this.#framesSeen) throw this.#fault('start-line');
      return plausible;
    }
    if (line.length <= LIMITS.methodBytes) return true;
    const space = line.subarray(0, LIMITS.methodBytes + 1).indexOf(SPACE);
    if (space < 0) throw this.#fault('method-too-long');
    if (line.length > LIMITS.startLineBytes) throw this.#fault('url-too-long');
    return true;
  }

  #endLine(): void {
    let end = this.#heldBytes - 1;
    if (end > this.#lineStart && this.#held[end - 1] === CR) end -= 1;
    const line = this.#held.toString('utf8', this.#lineStart, end);
    this.#lineStart = this.#heldBytes;
    if (line !== '') this.#head.line(line);
    else this.#endHead();
  }

  #endHead(): void {
    this.#pendingHead = this.#head.finish();
    this.#heldBytes = 0;
    this.#lineStart = 0;
    this.#blankBytes = 0;
    this.#garbageInARow = 0;
    this.#state = 'body';
    if (this.#pendingHead.bodyBytes === 0) this.#endMessage(this.#pendingHead);
  }

  #readBody(chunk: Buffer, at: number): number {
    const head = this.#pendingHead;
    if (head === undefined) throw new Error('body without a head');
    const next = this.#hold(chunk, at, head.bodyBytes - this.#heldBytes);
    if (this.#heldBytes === head.bodyBytes) this.#endMessage(head);
    return next;
  }

  #endMessage(head: Head): void {
    const body = Buffer.from(this.#held.subarray(0, this.#heldBytes));
    const { start, cseq, headers, refusal } = head;
    this.#pendingHead = undefined;
    this.#heldBytes = 0;
    this.#state = 'between';
    this.#trimHeld();
    if (refusal !== undefined) {
      if (this.#sink.refuse === undefined)
        throw new RtspError(this.#party, refusal.code, { cseq, close: true });
      this.#sink.refuse(refusal);
    } else if (start.kind === 'request') {
      this.#sink.message({ ...start, cseq: cseq ?? 0, headers, body });
    } else {
      this.#sink.message({ ...start, cseq, headers, body });
    }
  }

  /** Skips to the next thing that looks like a frame or a status line. */
  #readGarbage(chunk: Buffer, at: number): number {
    if (this.#heldBytes > 0) {
      this.#hold(chunk, at, 1);
      this.#judgeHeld();
      return at + 1;
    }
    const found = findNext(chunk, at, this.#channels);
    this.#countGarbage(found.at - at);
    if (!found.certain) return this.#hold(chunk, found.at, chunk.length - found.at);
    this.#state = 'between';
    return found.at;
  }

  /** As `#readGarbage`, for the few bytes that were held because they may be the beginning of something. */
  #judgeHeld(): void {
    const found = findNext(this.#held.subarray(0, this.#heldBytes), 0, this.#channels);
    this.#countGarbage(found.at);
    const rest = Buffer.from(this.#held.subarray(found.at, this.#heldBytes));
    this.#heldBytes = 0;
    if (!found.certain) {
      this.#hold(rest, 0, rest.length);
      return;
    }
    this.#state = 'between';
    for (let i = 0; i < rest.length && this.#alive();) i = this.#step(rest, i);
  }

  #countGarbage(bytes: number): void {
    this.#garbageBytes += bytes;
    this.#garbageInARow += bytes;
    if (this.#garbageInARow > LIMITS.garbageBytes) throw this.#fault('garbage');
  }

  #alive(): boolean {
    return this.#state !== 'dead';
  }

  /** Copies up to `bytes` of `chunk[at...]` behind what is held and returns the position after them. */
  #hold(chunk: Buffer, at: number, bytes: number): number {
    const count = Math.min(bytes, chunk.length - at);
    const needed = this.#heldBytes + count;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(INITIAL_HELD_BYTES, needed, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, at, at + count);
    this.#heldBytes = needed;
    return at + count;
  }

  /** A large body is no reason to keep a large buffer. */
  #trimHeld(): void {
    if (this.#held.length > LIMITS.originHeadBytes + PREFIX_BYTES) this.#held = Buffer.alloc(0);
  }

  #fault(code: RtspErrorCode): RtspError {
    return new RtspError(this.#party, code);
  }
}
