/** One line on standard error that is written over on a terminal; elsewhere a line now and then. */
export class Progress {
  readonly #isTerminal = process.stderr.isTTY;
  #spokeMs = -Infinity;
  static readonly #everyMs = 10_000;

  /** A new subject: always said. */
  begin(line: string): void {
    this.#spokeMs = performance.now();
    process.stderr.write(this.#isTerminal ? `\r${line}\u001b[K` : `${line}\n`);
  }

  /** How far it is. */
  step(line: string): void {
    if (this.#isTerminal) process.stderr.write(`\r${line}\u001b[K`);
    else if (performance.now() - this.#spokeMs >= Progress.#everyMs) this.begin(line);
  }

  end(): void {
    if (this.#isTerminal) process.stderr.write('\r\u001b[K');
  }
}
