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

  /** @throws what the owner says: RtspError, OriginError */
  ask(question: Question): Promise<Reply> {
    const id = ++this.#questions;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post.tell({ op: 'ask', id, question });
    });
  }

  answered(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (reply.is === 'error') waiting?.reject(errorOf(reply.error));
    else waiting?.resolve(reply);
  }
}
