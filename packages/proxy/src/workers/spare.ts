import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/**
 * A process that has loaded everything and waits for its orders, so that a worker that dies is replaced at once: to start
 * one takes a few tenths of a second, and seconds where the processor is busy.
 */
export class Spare {
  #child: ChildProcess | undefined;

  /** A process to make a worker of. */
  take(): ChildProcess {
    const child = this.#child;
    this.#child = undefined;
    return child?.connected === true ? child : begin();
  }

  /** Sees to it that there is one. */
  prepare(): void {
    if (this.#child?.connected !== true) this.#child = begin();
  }

  /** Ends it. */
  close(): void {
    if (this.#child?.connected === true) this.#child.disconnect();
    this.#child = undefined;
  }
}

function begin(): ChildProcess {
  const child = fork(MAIN, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // One that cannot be begun is noticed when it is needed.
  child.on('error', () => undefined);
  return child;
}
