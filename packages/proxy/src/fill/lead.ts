import { PACKET_FLAG, type Segment } from '@forebay/cache';
import type { Clock } from '../clock.js';
import type { OriginProfile } from '../origin/profile.js';

/** Least overlap that a join is given, seconds. */
const INITIAL_OVERLAP_SECONDS = 0.5;
const MAX_OVERLAP_SECONDS = 20;
/** What the origin's own start-up takes is computed anew no more often: every reader asks ten times a second. */
const STARTUP_MS = 500;

/** How long before a seam in a title the origin must be asked: its own start-up, and the overlap that the join needs. */
export class Lead {
  readonly #profile: () => OriginProfile;
  readonly #clock: Clock;
  #startupSeconds = 0;
  #startupUntilMs = -Infinity;
  #overlapSeconds = INITIAL_OVERLAP_SECONDS;

  constructor(profile: () => OriginProfile, clock: Clock) {
    this.#profile = profile;
    this.#clock = clock;
  }

  seconds(): number {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#startupUntilMs) {
      this.#startupSeconds = this.#profile().leadSeconds();
      this.#startupUntilMs = nowMs + STARTUP_MS;
    }
    return this.#startupSeconds + this.#overlapSeconds;
  }

  /**
   * A flight that goes on behind this segment starts at the last random access point in it, at real time: so much longer
   * the origin must be asked before the seam.
   */
  learn({ meta, run }: Segment): void {
    let start = 0;
    for (let i = 0; i < run.count; i++) {
      if ((run.flags[i]! & PACKET_FLAG.randomAccess) !== 0) start = run.dueMicros[i]!;
    }
    const seconds = (meta.durationMicros - start) / 1e6;
    this.#overlapSeconds = Math.max(this.#overlapSeconds, Math.min(seconds, MAX_OVERLAP_SECONDS));
  }
}
