import type { Clock } from '../clock.js';
import type { Timeline } from './timeline.js';

/** Where a viewer is in the title: media time runs at a rate while it plays, and stands still otherwise. */
export class PlayClock {
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  /** NPT `#baseMicros` is due at clock reading `#baseMs`; undefined: time stands still there. */
  #baseMicros = 0;
  #baseMs: number | undefined;
  /** Media time over the clock's, of the next {@link PlayClock.run} on: Scale times Speed. */
  rate = 1;

  constructor(clock: Clock, timeline: Timeline) {
    this.#clock = clock;
    this.#timeline = timeline;
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  get positionMicros(): number {
    return this.#baseMs === undefined ? this.#baseMicros : this.dueMicros(this.nowMs);
  }

  /** NPT that is due at clock reading `nowMs`. */
  dueMicros(nowMs: number): number {
    if (this.#baseMs === undefined) return this.#baseMicros;
    return this.#baseMicros + (nowMs - this.#baseMs) * 1000 * this.rate;
  }

  /** Until NPT `micros` is due, milliseconds; negative when it is late. */
  untilMs(micros: number, nowMs: number): number {
    return (micros - this.dueMicros(nowMs)) / 1000 / this.rate;
  }

  /** Time stands still at NPT `micros` of a range that is not being played. */
  stand(micros: number): void {
    this.#baseMicros = micros;
    this.#baseMs = undefined;
  }

  /** Playing stops at NPT `micros`. */
  halt(micros: number): void {
    this.stand(micros);
    this.#timeline.halt(micros);
  }

  /** Time runs: NPT `micros` is due at clock reading `nowMs`. */
  run(micros: number, nowMs: number): void {
    this.#baseMicros = micros;
    this.#baseMs = nowMs;
    this.#timeline.run(micros, nowMs, this.rate);
  }
}
