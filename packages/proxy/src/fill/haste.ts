import type { FillMethod, FillVerdict } from '../origin/fill-methods.js';
import type { Rider } from './flights.js';
import { JOINT_MICROS } from './row.js';
import type { Title } from './title.js';

/** A patch that is longer is fetched at the pace of the media, like what follows a prefix. */
const PATCH_MICROS = 120_000_000;
/** So much must be held in front of what is asked for faster than it plays. */
const COMPARED_MICROS = 3_500_000;
/** Media that came in so long, or so much media, tells how fast an origin is. */
const ENOUGH_MS = 2000;
const ENOUGH_MICROS = 20_000_000;
/** At the end of a flight this much will do. */
const SOME_MICROS = 2_000_000;
/** What comes in one read has one arrival. */
const LEAST_MS = 10;

/**
 * How the origin is asked to play for `rider` from NPT `atMicros`: faster than the media only where enough is held in front to
 * compare with, and only for what ends before long or is wanted whole. Undefined: at the pace of the media.
 */
export function fillFor(title: Title, atMicros: number, rider: Rider): FillMethod | undefined {
  if (!canCompare(title, atMicros)) return undefined;
  if (rider.isPrefetch === true) return bestFill(title, 'to try');
  const next = title.row.firstFrom(atMicros + JOINT_MICROS);
  const isPatch = next !== undefined && next.startMicros - atMicros <= PATCH_MICROS;
  return isPatch ? bestFill(title, 'proven') : undefined;
}

/**
 * How the origin is best asked to play faster than the media; undefined: not at all, or, `to try`, all has been tried. Over UDP
 * what comes too fast is lost.
 */
export function bestFill(title: Title, which: 'proven' | 'to try'): FillMethod | undefined {
  const { seeks, transport, fill } = title.client.profile;
  if (title.live || seeks === false || transport === 'udp') return undefined;
  const unixMs = title.shelves.clock.unixMs();
  return which === 'proven'
    ? fill.proven(unixMs, title.findings.unfit)
    : fill.next(unixMs, title.findings.unfit);
}

/** Whether so much is held in front of NPT `atMicros` that a faster play can be told from a wrong one. */
export function canCompare({ row }: Title, atMicros: number): boolean {
  let at = row.endingAt(atMicros);
  let from = atMicros;
  while (at !== undefined && atMicros - from < COMPARED_MICROS) {
    from = at.startMicros;
    at = row.endingAt(from);
  }
  return atMicros - from >= COMPARED_MICROS;
}

/** A flight that is asked for faster than it plays: how fast it is, which the origin's profile learns. */
export class Haste {
  readonly #title: Title;
  readonly #method: FillMethod;
  /** Where it began to fill. */
  #begun: { readonly micros: number; readonly ms: number } | undefined;
  /** When it was held back; undefined while it is not. */
  #heldMs: number | undefined;
  #awayMs = 0;
  #isJudged = false;

  constructor(title: Title, method: FillMethod) {
    this.#title = title;
    this.#method = method;
  }

  /** It has filled up to NPT `micros`, for the first time. */
  begin(micros: number): void {
    this.#begun ??= { micros, ms: this.#nowMs() };
  }

  /** Nobody takes what it sends, or somebody does again. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#heldMs ??= this.#nowMs();
    else if (this.#heldMs !== undefined) {
      this.#awayMs += this.#nowMs() - this.#heldMs;
      this.#heldMs = undefined;
    }
  }

  /** Judges it once enough has come. @param isOver nothing more comes: less must do */
  judge(micros: number, isOver: boolean): void {
    if (this.#begun === undefined || this.#isJudged) return;
    const ranMs = (this.#heldMs ?? this.#nowMs()) - this.#begun.ms - this.#awayMs;
    const filledMicros = micros - this.#begun.micros;
    const isEnough = ranMs >= ENOUGH_MS || filledMicros >= ENOUGH_MICROS;
    if (!isEnough && !(isOver && filledMicros >= SOME_MICROS)) return;
    const factor = filledMicros / 1000 / Math.max(ranMs, LEAST_MS);
    this.#isJudged = true;
    const { client, shelves } = this.#title;
    client.profile.fill.measured(this.#method, factor, shelves.clock.unixMs());
    this.#log({ factor: Number(factor.toFixed(2)) });
  }

  /** The origin does not do it, or what it sends is something else: this title is not asked for so again. */
  failed(verdict: Extract<FillVerdict, 'unequal' | 'refused'>): void {
    const { client, findings, key, shelves } = this.#title;
    this.#isJudged = true;
    findings.unfit.add(this.#method);
    client.profile.fill.failed(this.#method, key, { verdict, factor: 0, unixMs: shelves.clock.unixMs() });
    this.#log({ verdict });
  }

  #log(found: object): void {
    const { client, shelves } = this.#title;
    shelves.log.info(
      { route: client.profile.route, fill: this.#method, ...found },
      'the origin was asked to play faster',
    );
  }

  #nowMs(): number {
    return this.#title.shelves.clock.nowMs();
  }
}
