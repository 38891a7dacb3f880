/** Lines on their way to another process: everything of one turn of the event loop travels in one message. */
export class Post<Line> {
  readonly #send: (lines: readonly Line[]) => void;
  #waiting: Line[] = [];

  constructor(send: (lines: readonly Line[]) => void) {
    this.#send = send;
  }

  tell(line: Line): void {
    if (this.#waiting.push(line) === 1) setImmediate(() => this.flush());
  }

  /** Sends what waits at once. */
  flush(): void {
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    this.#send(lines);
  }
}
