import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
/** One that has not loaded by then never will: where the system refuses it threads, Node.js hangs. */
const LOADING_SECONDS = 60;

/**
 * A process that has loaded everything and waits for its orders, so that a worker that dies is replaced at once: to start
 * one takes a few tenths of a second, and seconds where the processor is busy.
 */
export class Spare {
  readonly #onLost: (reason: string) => void;
  readonly #begin: () => ChildProcess;
  #child: ChildProcess | undefined;
  #isLoaded = false;
  #seconds = 0;

  /** @param onLost told why one could not be begun, or has ended before it was needed; the next is begun when it is needed */
  constructor(onLost: (reason: string) => void, begin: () => ChildProcess = forkWorker) {
    this.#onLost = onLost;
    this.#begin = begin;
  }

  /** A process to make a worker of. */
  take(): ChildProcess {
    const child = this.#child;
    this.#child = undefined;
    return child?.connected === true ? child : this.#begin();
  }

  /** Sees to it that there is one. */
  prepare(): void {
    if (this.#child?.connected === true) return;
    const child = this.#begin();
    const lose = (reason: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#onLost(reason);
    };
    this.#child = child;
    this.#isLoaded = false;
    this.#seconds = 0;
    child.once('message', () => {
      if (this.#child === child) this.#isLoaded = true;
    });
    child.on('error', (error) => lose(error.message));
    child.once('exit', (code, signal) => lose(signal === null ? `exit code ${code}` : `killed by ${signal}`));
  }

  /** Called once a second. */
  sweep(): void {
    if (!this.#isLoaded && ++this.#seconds > LOADING_SECONDS) this.#child?.kill('SIGKILL');
  }

  /** Ends it. */
  close(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }
}

function forkWorker(): ChildProcess {
  return fork(MAIN, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
