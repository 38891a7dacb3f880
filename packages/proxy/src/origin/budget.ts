import type { Clock, TimerHandle } from '../clock.js';
import { checkWanted, whenAborted } from './deadline.js';
import { OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';
import type { OriginProfile } from './profile.js';

/**
 * Who needs a session: viewers whose media runs out, viewers who wait for their first picture, or nobody yet. Whoever is
 * named first goes first, whenever he came: a viewer who was let in plays to the end before another one is let in.
 */
export const NEEDS = ['playing', 'starting', 'ahead'] as const;
export type Need = (typeof NEEDS)[number];

/** Gives a session of the budget back. Idempotent. */
export type Release = () => void;

/** A wish for a session. It keeps its place in line when the origin refuses a session that the budget had. */
export interface Claim {
  readonly need: () => Need;
  /** Each of them gives it up. */
  readonly signals: readonly AbortSignal[];
  /** First come, first served among those of one need. */
  readonly number: number;
  /** Clock reading until which one who is `starting` waits. */
  readonly untilMs: number;
}

interface Waiter {
  readonly claim: Claim;
  readonly take: () => void;
  readonly refuse: (error: OriginError) => void;
}

/** A learned limit is doubted after so long: one session more is tried, ever more seldom while that is refused. */
const DOUBT_FIRST_MS = 60_000;
const DOUBT_MAX_MS = 960_000;

export interface BudgetOptions {
  readonly clock: Clock;
  readonly profile: OriginProfile;
  /** Sessions at a time, Infinity for no limit. */
  readonly most: number;
  /** How long a viewer who is not let in yet waits. */
  readonly waitMs: number;
  /** Told how long one was in line that got a session. */
  readonly onServed: (need: Need, waitedMs: number) => void;
}

/**
 * How many sessions an origin is asked for at a time: as many as the route says, or as the origin turned out to have. Many
 * recorders take three or four and answer 453 to one more; here the next one waits in line.
 */
export class SessionBudget {
  #o: BudgetOptions;
  readonly #line: Waiter[] = [];
  #claims = 0;
  #used = 0;
  #doubtMs = DOUBT_FIRST_MS;
  #learnedMs: number;
  #timer: TimerHandle | undefined;

  constructor(options: BudgetOptions) {
    this.#o = options;
    this.#learnedMs = options.clock.nowMs();
  }

  /** From now on this counts; sessions and those in line stay. */
  change(options: BudgetOptions): void {
    this.#o = options;
    this.#serve();
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Sessions at a time: what the route says, or less where the origin refused more; Infinity while nobody knows. */
  get most(): number {
    return Math.min(this.#o.most, this.#o.profile.sessionLimit ?? Infinity);
  }

  claim(need: () => Need, ...signals: AbortSignal[]): Claim {
    return { need, signals, number: ++this.#claims, untilMs: this.#o.clock.nowMs() + this.#o.waitMs };
  }

  /**
   * Waits in line for a session. Whoever is `ahead` of all viewers never takes the last one.
   * @throws OriginError `budget` when a viewer who is `starting` has waited too long, or where 256 of the same or greater
   * need wait already; `aborted`
   */
  async acquire(claim: Claim): Promise<Release> {
    claim.signals.forEach(checkWanted);
    if (this.#line.length === 0 && this.#hasRoom(claim)) this.#used++;
    else await this.#wait(claim);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used--;
      this.#serve();
    };
  }

  /**
   * The origin refused a session of the budget, while that is still held.
   * @returns true when it has fewer than were thought, and the claim may wait for one of them
   */
  refused(): boolean {
    const others = this.#used - 1;
    if (others < 1) return false;
    const { profile, clock } = this.#o;
    const isDoubtConfirmed = profile.sessionLimit !== undefined && others >= profile.sessionLimit;
    this.#doubtMs = isDoubtConfirmed ? Math.min(2 * this.#doubtMs, DOUBT_MAX_MS) : DOUBT_FIRST_MS;
    this.#learnedMs = clock.nowMs();
    profile.sessionLimit = Math.min(others, profile.sessionLimit ?? Infinity);
    return true;
  }

  /** The origin gave a session of the budget. */
  granted(): void {
    const { profile, clock } = this.#o;
    if (profile.sessionLimit === undefined || this.#used <= profile.sessionLimit) return;
    profile.sessionLimit = this.#used;
    this.#learnedMs = clock.nowMs();
    this.#doubtMs = DOUBT_FIRST_MS;
    this.#serve();
  }

  #hasRoom(claim: Claim): boolean {
    const { profile, most, clock } = this.#o;
    const doubt = clock.nowMs() - this.#learnedMs >= this.#doubtMs ? 1 : 0;
    const limit = Math.min(
      most,
      profile.sessionLimit === undefined ? Infinity : profile.sessionLimit + doubt,
    );
    return this.#used < (claim.need() === 'ahead' ? limit - 1 : limit);
  }

  async #wait(claim: Claim): Promise<void> {
    const { clock, waitMs, onServed } = this.#o;
    const cameMs = clock.nowMs();
    this.#makePlace(claim);
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(waiter), 1);
        for (const stop of stopWatching) stop();
        clock.clearTimeout(timer);
        this.#doubt();
      };
      const waiter: Waiter = {
        claim,
        take: () => {
          leave();
          onServed(claim.need(), clock.nowMs() - cameMs);
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const late = (): void => {
        if (claim.need() !== 'starting') timer = clock.setTimeout(late, waitMs);
        else waiter.refuse(new OriginError('budget', 'no session came free in time'));
      };
      const stopWatching = claim.signals.map((signal) => whenAborted(signal, waiter.refuse));
      let timer = clock.setTimeout(late, Math.max(0, claim.untilMs - cameMs));
      this.#line.push(waiter);
      this.#serve();
    });
  }

  /** Where all places are taken, whoever needs a session less gives way. */
  #makePlace(claim: Claim): void {
    if (this.#line.length < ORIGIN_LIMITS.budgetWaiters) return;
    const last = this.#line.reduce((a, b) => (comesBefore(a.claim, b.claim) ? b : a));
    const full = new OriginError('budget', 'the line is full');
    if (NEEDS.indexOf(claim.need()) >= NEEDS.indexOf(last.claim.need())) throw full;
    last.refuse(full);
  }

  /** Sessions go to those who need them most, without being free in between. */
  #serve(): void {
    for (;;) {
      const entitled = this.#line.filter(({ claim }) => this.#hasRoom(claim));
      if (entitled.length === 0) break;
      const next = entitled.reduce((a, b) => (comesBefore(a.claim, b.claim) ? a : b));
      this.#used++;
      next.take();
    }
    this.#doubt();
  }

  /** While somebody waits, a learned limit is not believed for ever. */
  #doubt(): void {
    const { clock, profile } = this.#o;
    const isNeeded = this.#line.length > 0 && profile.sessionLimit !== undefined;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const waitMs = this.#learnedMs + this.#doubtMs - clock.nowMs();
    if (isNeeded && waitMs > 0) this.#timer = clock.setTimeout(() => this.#serve(), waitMs);
  }
}

function comesBefore(a: Claim, b: Claim): boolean {
  const difference = NEEDS.indexOf(a.need()) - NEEDS.indexOf(b.need());
  return difference === 0 ? a.number < b.number : difference < 0;
}
