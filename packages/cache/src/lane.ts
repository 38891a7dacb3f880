/** Runs `callback` after `delayMs`; @returns cancels it. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

export const systemSchedule: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/**
 * Jobs in order, at most `width` of them at a time. File access shares four threads with name resolution
 * (libuv's pool): the widths of all lanes together stay below that, so that a hung disk does not stop the process.
 */
export class Lane {
  readonly #width: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number) {
    this.#width = width;
  }

  /** Jobs that have not started. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** What `job` resolves to. It is never started before this call has returned. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
      await Promise.resolve();
    }
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** Parts of a time limit: a file is read in fewer turns of the event loop. */
const LIMIT_PARTS = 10;

/**
 * What `work` resolves to, or undefined once `limitMs` have passed; `late` is called then. Time in which the event loop did not
 * turn counts little, since the disk's answers wait for it as well: the limit is passed in parts, each after a turn.
 */
export async function within<T>(
  work: Promise<T>,
  limitMs: number,
  schedule: Schedule,
  late: () => void,
): Promise<T | undefined> {
  let cancel: (() => void) | undefined;
  const deadline = new Promise<undefined>((resolve) => {
    let parts = LIMIT_PARTS;
    const next = (): void => {
      if (parts-- > 0) {
        cancel = schedule(next, limitMs / LIMIT_PARTS);
        return;
      }
      late();
      resolve(undefined);
    };
    next();
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    cancel?.();
  }
}
