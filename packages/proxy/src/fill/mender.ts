import type { Need } from '../origin/budget.js';
import type { Boarding, Rider } from './flights.js';
import { type Held, JOINT_MICROS } from './row.js';
import type { Title } from './title.js';

/** Stretches that wait to be mended; past it they wait until a viewer needs them. */
const MOST_WAITING = 16;
/** A stretch that lost packets so often stays as it is. */
const MOST_TRIES = 2;
/** So many stretches in a row that could not be mended, and no more are tried: the loss is in what the origin has. */
const MOST_FAILURES = 3;
/** Stretches that were given up are remembered so far. */
const MOST_HOPELESS = 256;
const PATIENCE_MS = 120_000;

/** NPT of a segment that was not kept. */
interface Stretch {
  readonly startMicros: number;
  readonly endMicros: number;
  tries: number;
}

export interface MenderParts {
  readonly title: Title;
  readonly board: (atMicros: number, rider: Rider) => Boarding;
  readonly leave: (rider: Rider) => void;
}

/**
 * Asks the origin again for segments that lost packets on their way here, and so could be played but not kept. One at a
 * time, behind every viewer's need.
 */
export class Mender implements Rider {
  readonly need: Need = 'ahead';
  positionMicros = 0;
  readonly #p: MenderParts;
  readonly #waiting: Stretch[] = [];
  /** NPT of stretches that were given up. */
  readonly #hopeless = new Set<number>();
  #stretch: Stretch | undefined;
  #sinceMs = 0;
  #failures = 0;

  constructor(parts: MenderParts) {
    this.#p = parts;
  }

  /** Packets of `held` are missing: it is not kept. */
  damaged({ startMicros, endMicros }: Held): void {
    const stretch = this.#stretch;
    if (stretch !== undefined && startMicros < stretch.endMicros && endMicros > stretch.startMicros) {
      if (++stretch.tries >= MOST_TRIES) this.#end(false);
    } else if (this.#mayHope(startMicros)) {
      this.#waiting.push({ startMicros, endMicros, tries: 0 });
    }
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    if (this.#stretch === undefined) this.#begin(nowMs);
    const stretch = this.#stretch;
    if (stretch === undefined) return;
    const atMicros = this.#heldUpTo(stretch);
    if (atMicros === undefined) return;
    if (atMicros >= stretch.endMicros - JOINT_MICROS) this.#end(true);
    else if (nowMs - this.#sinceMs > PATIENCE_MS) this.#end(false);
    else this.#board(atMicros);
  }

  #begin(nowMs: number): void {
    this.#stretch = this.#waiting.shift();
    this.#sinceMs = nowMs;
    this.positionMicros = this.#stretch?.startMicros ?? 0;
  }

  #board(atMicros: number): void {
    const boarding = this.#p.board(atMicros, this);
    // A flight that fails is tried again later, as the flights see fit.
    if (boarding.kind === 'riding') boarding.opened.catch(() => undefined);
  }

  #mayHope(startMicros: number): boolean {
    if (this.#failures >= MOST_FAILURES || this.#waiting.length >= MOST_WAITING) return false;
    return !this.#hopeless.has(startMicros);
  }

  /** NPT where the first hole of a stretch begins; undefined while a segment grows there. */
  #heldUpTo({ startMicros, endMicros }: Stretch): number | undefined {
    const { row } = this.#p.title;
    let at = startMicros;
    for (let held = row.covering(at); held !== undefined && at < endMicros; held = row.following(held)) {
      if (held.flying || held.state === 'cut') return undefined;
      at = held.endMicros;
      if (held.state === 'open') break;
    }
    return at;
  }

  #end(isMended: boolean): void {
    this.#failures = isMended ? 0 : this.#failures + 1;
    if (this.#hopeless.size >= MOST_HOPELESS) this.#hopeless.clear();
    if (!isMended && this.#stretch !== undefined) this.#hopeless.add(this.#stretch.startMicros);
    if (this.#failures >= MOST_FAILURES) this.#waiting.length = 0;
    this.#stretch = undefined;
    this.#p.leave(this);
  }
}
