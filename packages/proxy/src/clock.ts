/** A timer that a {@link Clock} handed out. */
export type TimerHandle = object;

/** Time as an argument, so that tests run on a virtual clock. */
export interface Clock {
  /** Monotonic milliseconds with a fraction; the origin is arbitrary. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970, for reports and files only: it may jump. */
  unixMs(): number;
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
