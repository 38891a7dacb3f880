const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

type EndSignal = keyof typeof SIGNAL_NUMBERS;

/**
 * Resolves at the first SIGTERM or SIGINT, for an orderly end. A second one does not wait for that:
 * the process exits at once with 128 and the signal's number.
 */
export function endSignal(): Promise<EndSignal> {
  return new Promise((resolve) => {
    let isEnding = false;
    const onSignal = (signal: EndSignal): void => {
      if (isEnding) process.exit(128 + SIGNAL_NUMBERS[signal]);
      isEnding = true;
      resolve(signal);
    };
    for (const signal of Object.keys(SIGNAL_NUMBERS) as EndSignal[]) process.on(signal, onSignal);
  });
}

/** What SIGHUP is for. By itself the signal would end the process; one that comes before it is told waits until then. */
export class Hangup {
  #isDue = false;
  #work = (): void => {
    this.#isDue = true;
  };

  constructor() {
    process.on('SIGHUP', () => this.#work());
  }

  does(work: () => void): void {
    this.#work = work;
    if (this.#isDue) work();
  }
}
