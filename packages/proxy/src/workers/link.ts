import { whenAborted } from '../origin/deadline.js';
import { errorOf, type Question, type Reply, type WorkerLine } from './protocol.js';
import { Post } from './post.js';

/** A worker's way to the owner. */
export class Link {
  readonly #post: Post<WorkerLine>;
  readonly #waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  #questions = 0;

  constructor(send: (lines: readonly WorkerLine[]) => void) {
    this.#post = new Post(send);
  }

  tell(line: WorkerLine): void {
    this.#post.tell(line);
  }

  /** Sends what waits at once. */
  flush(): void {
    this.#post.flush();
  }

  /**
   * @param signal tells the owner that nobody waits any more
   * @throws what the owner says: RtspError, OriginError
   */
  async ask(question: Question, signal?: AbortSignal): Promise<Reply> {
    const id = ++this.#questions;
    const stopWatching =
      signal === undefined ? undefined : whenAborted(signal, () => this.#post.tell({ op: 'unask', id }));
    const answered = new Promise<Reply>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#post.tell({ op: 'ask', id, question });
    return answered.finally(stopWatching);
  }

  answered(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (reply.is === 'error') waiting?.reject(errorOf(reply.error));
    else waiting?.resolve(reply);
  }
}
