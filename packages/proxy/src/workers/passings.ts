import type { Passage } from '../fill/passage.js';
import { OriginError } from '../origin/errors.js';
import type { PlayReply } from '../origin/reply.js';
import type { OriginSession, OriginSink } from '../origin/session.js';
import { type OwnerLine, type PassLine, type PassOrder, type PassWish, tellOriginError } from './protocol.js';
import { StripWriter } from './strip.js';

export interface PassingParts {
  readonly passage: Passage;
  readonly newPath: () => string;
  readonly tell: (about: PassLine) => void;
}

/** One origin session of a worker's viewer: what it brings goes to the worker in files. */
class Passing implements OriginSink {
  readonly #p: PassingParts;
  readonly #abort = new AbortController();
  readonly #strip: StripWriter;
  #session: OriginSession | undefined;
  /** As the worker wishes, and as the session is. */
  #isToHold = false;
  #isHeld = false;
  #flush: NodeJS.Immediate | undefined;

  constructor(parts: PassingParts) {
    this.#p = parts;
    const { newPath, tell } = parts;
    this.#strip = new StripWriter({ newPath, onFile: (path) => tell({ is: 'file', path }) });
  }

  /** @throws OriginError */
  async open(wish: PassWish): Promise<PlayReply> {
    const { signal } = this.#abort;
    const session = await this.#p.passage.open({ ...wish, signal }, this);
    this.#session = session;
    if (signal.aborted) this.close();
    return session.reply;
  }

  order(order: PassOrder): void {
    switch (order) {
      case 'start':
        this.#session?.start();
        break;
      case 'hold':
      case 'resume':
        this.#isToHold = order === 'hold';
        this.#holdBack();
        break;
      case 'read':
        this.#strip.wasRead();
        this.#holdBack();
        break;
      case 'close':
        this.close();
        break;
    }
  }

  /** Nothing more is wanted. */
  close(): void {
    this.#abort.abort(new OriginError('aborted', 'the viewer went away'));
    this.#session?.close().catch(() => undefined);
    this.#end();
  }

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    if (this.#abort.signal.aborted) return;
    this.#attempt(() => this.#strip.take(stream, bytes, start, end));
    // All that one read brought is shown at once.
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#attempt(() => this.#strip.flush());
      this.#holdBack();
    });
  }

  senderReport(): void {
    // The viewer's reports are made of its own timeline.
  }

  bye(stream: number): void {
    this.#attempt(() => this.#strip.flush());
    this.#p.tell({ is: 'bye', stream });
  }

  closed(error: OriginError | undefined): void {
    if (this.#abort.signal.aborted) return;
    this.#attempt(() => this.#strip.flush());
    this.#p.tell({ is: 'closed', error: error === undefined ? undefined : tellOriginError(error) });
  }

  #holdBack(): void {
    const isToHold = this.#isToHold || this.#strip.isMuch;
    if (isToHold === this.#isHeld) return;
    this.#isHeld = isToHold;
    if (isToHold) this.#session?.pauseReading();
    else this.#session?.resumeReading();
  }

  /** Files that cannot be written end the session, as an origin that breaks off does. */
  #attempt(work: () => void): void {
    if (this.#abort.signal.aborted) return;
    try {
      work();
    } catch (cause) {
      const error = new OriginError('internal', 'packets cannot be shared', { cause });
      this.#p.tell({ is: 'closed', error: tellOriginError(error) });
      this.close();
    }
  }

  #end(): void {
    if (this.#flush !== undefined) clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#strip.close();
  }
}

/** The origin sessions that viewers of one worker have of their own. */
export class Passings {
  readonly #newPath: () => string;
  readonly #tell: (line: OwnerLine) => void;
  readonly #byNumber = new Map<number, Passing>();

  /** @param newPath a path for a new file */
  constructor(newPath: () => string, tell: (line: OwnerLine) => void) {
    this.#newPath = newPath;
    this.#tell = tell;
  }

  /** @param number the worker's name for it @throws OriginError */
  async open(number: number, passage: Passage, wish: PassWish): Promise<PlayReply> {
    const passing = new Passing({
      passage,
      newPath: this.#newPath,
      tell: (about) => this.#tell({ op: 'pass', pass: number, about }),
    });
    this.#byNumber.set(number, passing);
    try {
      return await passing.open(wish);
    } catch (error) {
      this.#byNumber.delete(number);
      throw error;
    }
  }

  order(number: number, order: PassOrder): void {
    this.#byNumber.get(number)?.order(order);
    if (order === 'close') this.#byNumber.delete(number);
  }

  /** The worker is gone. */
  close(): void {
    for (const passing of this.#byNumber.values()) passing.close();
    this.#byNumber.clear();
  }
}
