import type { Rider } from '../fill/flights.js';
import type { Place } from '../fill/row.js';
import { horizon } from './plan.js';
import type { Boarder, Playable } from './playable.js';

/** In a segment that grows, other streams may be this far behind the newest picture. */
const OPEN_SLACK_MICROS = 1_000_000;
/** How often a reader looks whether it needs a flight. */
const SURVEY_MS = 100;

/** Looks ahead for one reader, and sees to it that a flight is under way in time for the next hole. */
export class Survey {
  readonly #title: Playable;
  readonly #flights: Boarder;
  readonly #rider: Rider;
  #surveyedMs = -Infinity;
  /** The end of the unbroken stretch as far as it was seen, and the row's count of removals then. */
  #seen: { readonly last: Place; readonly removals: number } | undefined;

  constructor(title: Playable, flights: Boarder, rider: Rider) {
    this.#title = title;
    this.#flights = flights;
    this.#rider = rider;
  }

  /** Another range begins: what was seen may lie behind a hole. */
  begin(): void {
    this.#seen = undefined;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#surveyedMs >= SURVEY_MS;
  }

  /**
   * The reader is in `held`, plays at `rate` times the clock, and wants media up to NPT `endMicros`. Cost: a few steps,
   * whatever is held, because it goes on from where it was last time.
   */
  look(held: Place, { endMicros, rate }: { endMicros: number; rate: number }, nowMs: number): void {
    this.#surveyedMs = nowMs;
    const leadMicros = this.#title.leadSeconds() * 1e6 * Math.max(1, rate);
    const position = this.#rider.positionMicros;
    const last = this.#horizon(held, position + leadMicros);
    const slackMicros = last.state === 'open' ? OPEN_SLACK_MICROS : 0;
    if (last.last || last.endMicros >= endMicros + slackMicros) return;
    if (last.endMicros - position > leadMicros) return;
    this.#flights.board(last.endMicros, this.#rider);
  }

  /** The reader stands still, and wants a live presentation to go on being held. @returns when to look again */
  keep(nowMs: number): number {
    this.#flights.board(this.#rider.positionMicros, this.#rider);
    return nowMs + SURVEY_MS;
  }

  #horizon(held: Place, enoughMicros: number): Place {
    const { row } = this.#title;
    const seen = this.#seen;
    const isValid = seen?.removals === row.removals && seen.last.startMicros >= held.startMicros;
    const last = horizon(row, isValid ? seen.last : held, enoughMicros);
    this.#seen = { last, removals: row.removals };
    return last;
  }
}
