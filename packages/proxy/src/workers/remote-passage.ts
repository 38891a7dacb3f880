import type { PassageOptions } from '../fill/passage.js';
import { OriginError } from '../origin/errors.js';
import type { PlayReply } from '../origin/reply.js';
import type { OriginSink } from '../origin/session.js';
import type { PassedSession, ScalingOrigin } from '../read/playable.js';
import type { Link } from './link.js';
import type { MirrorTitle } from './mirror.js';
import { originErrorOf, type PassLine } from './protocol.js';
import { StripReader } from './strip.js';

/** An origin session that the owner has for one viewer of a worker. */
class RemoteSession implements PassedSession {
  reply: PlayReply = { rtpInfo: [] };
  readonly #number: number;
  readonly #sink: OriginSink;
  readonly #link: Link;
  readonly #onClosed: () => void;
  readonly #strip: StripReader;
  #state: 'open' | 'closed' = 'open';

  constructor(o: { number: number; sink: OriginSink; link: Link; onClosed: () => void }) {
    const { number, sink, link } = o;
    this.#number = number;
    this.#sink = sink;
    this.#link = link;
    this.#onClosed = o.onClosed;
    this.#strip = new StripReader({
      onPacket: (stream, bytes, start, end) => sink.rtp(stream, bytes, start, end),
      onRead: () => link.tell({ op: 'passing', pass: number, order: 'read' }),
    });
  }

  start(): void {
    this.#link.tell({ op: 'passing', pass: this.#number, order: 'start' });
  }

  pauseReading(): void {
    this.#link.tell({ op: 'passing', pass: this.#number, order: 'hold' });
  }

  resumeReading(): void {
    this.#link.tell({ op: 'passing', pass: this.#number, order: 'resume' });
  }

  close(): Promise<void> {
    this.#end(undefined);
    return Promise.resolve();
  }

  take(about: PassLine): void {
    switch (about.is) {
      case 'file':
        this.#strip.add(about.path);
        break;
      case 'bye':
        this.poll();
        this.#sink.bye(about.stream);
        break;
      case 'closed':
        this.poll();
        this.#end(about.error === undefined ? undefined : originErrorOf(about.error));
        break;
    }
  }

  /** Takes in what has come. */
  poll(): void {
    if (this.#state === 'closed') return;
    try {
      this.#strip.poll();
    } catch (cause) {
      this.#end(new OriginError('internal', 'shared packets cannot be read', { cause }));
    }
  }

  #end(error: OriginError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#link.tell({ op: 'passing', pass: this.#number, order: 'close' });
    this.#strip.close();
    this.#onClosed();
    this.#sink.closed(error);
  }
}

/** The origin sessions that viewers of this worker have of their own. */
export class RemotePassages {
  readonly #link: Link;
  readonly #sessions = new Map<number, RemoteSession>();
  #numbers = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The way to them for one reader. */
  of(title: MirrorTitle, reader: number): ScalingOrigin {
    return {
      get scales() {
        return title.scales;
      },
      learn: (scales) => this.#link.tell({ op: 'scales', reader, scales }),
      open: (options, sink) => this.#open(reader, options, sink),
    };
  }

  take(pass: number, about: PassLine): void {
    this.#sessions.get(pass)?.take(about);
  }

  /** Takes in what has come of all of them. Cost: a system call each. */
  poll(): void {
    for (const session of this.#sessions.values()) session.poll();
  }

  /** @throws OriginError */
  async #open(reader: number, { signal, ...wish }: PassageOptions, sink: OriginSink): Promise<PassedSession> {
    const number = ++this.#numbers;
    const onClosed = (): void => void this.#sessions.delete(number);
    const session = new RemoteSession({ number, sink, link: this.#link, onClosed });
    this.#sessions.set(number, session);
    const giveUp = (): void => void session.close();
    signal.addEventListener('abort', giveUp);
    try {
      const reply = await this.#link.ask({ is: 'pass', pass: number, reader, wish });
      if (signal.aborted || reply.is !== 'passing') throw new OriginError('aborted', 'the viewer went away');
      session.reply = reply.reply;
      return session;
    } catch (error) {
      this.#sessions.delete(number);
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }
}
