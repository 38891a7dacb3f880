import type { Clock } from '../clock.js';
import type { Need } from './budget.js';
import { whenAborted } from './deadline.js';
import { OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';

/** Who wants a description. */
export interface Asker {
  /** Whose share it takes: that of a viewer address, or of something that the proxy does by itself. */
  readonly account: string;
  /** `playing` does not wait; `starting` waits 10 s at most; `ahead` for as long as it is wanted. */
  readonly need: Need;
  /** Aborts when the asker does not want it any more. */
  readonly signal?: AbortSignal;
}

interface Wait {
  readonly take: () => void;
  readonly refuse: (error: OriginError) => void;
}

/** One question, for all who want its answer. */
export class Turn {
  state: 'new' | 'waiting' | 'asked' | 'over' = 'new';
  /** Whose share it takes. */
  account = '';
  readonly waits = new Set<Wait>();
}

/**
 * How many descriptions an origin is asked for at a time: 16, of which one account has 8 at most; 256 more wait in line.
 * Accounts take turns: next is the question of whoever has the fewest being asked, the oldest of those. Where the line is
 * full, whoever has the most in it gives way.
 */
export class DescriptionLine {
  readonly #clock: Clock;
  readonly #onRefused: () => void;
  readonly #waiting: Turn[] = [];
  readonly #asked = new Set<Turn>();

  /** @param onRefused told of each asker who is sent away */
  constructor(clock: Clock, onRefused: () => void) {
    this.#clock = clock;
    this.#onRefused = onRefused;
  }

  /**
   * Resolves when the question may be asked, at once where it is being asked. It is asked by whoever comes to know first,
   * for all others too, and then ended. When all who wait for it are gone, it is out of the line, and over.
   * @throws OriginError `crowded` when the line is full, or after 10 s; `aborted`
   */
  async wait(turn: Turn, asker: Asker): Promise<void> {
    if (turn.state === 'asked') return;
    if (asker.need === 'playing') this.#take(turn, asker.account);
    else {
      this.#join(turn, asker.account);
      await this.#comeOf(turn, asker);
    }
  }

  /** It was answered. */
  end(turn: Turn): void {
    turn.state = 'over';
    this.#asked.delete(turn);
    this.#serve();
  }

  #comeOf(turn: Turn, { need, signal }: Asker): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        turn.waits.delete(wait);
        if (timer !== undefined) this.#clock.clearTimeout(timer);
        stopWatching?.();
      };
      const wait: Wait = {
        take: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          if (turn.waits.size === 0) this.#drop(turn);
          reject(error);
        },
      };
      const late = (): void => wait.refuse(this.#refusal('not asked in time'));
      const timer =
        need === 'starting' ? this.#clock.setTimeout(late, ORIGIN_LIMITS.descriptionWaitMs) : undefined;
      const stopWatching = signal === undefined ? undefined : whenAborted(signal, wait.refuse);
      turn.waits.add(wait);
      this.#serve();
    });
  }

  /** What several want goes on the account that has the least: nobody waits behind what another one wants besides. */
  #join(turn: Turn, account: string): void {
    if (turn.state === 'waiting') {
      if (this.#shareOf(account) < this.#shareOf(turn.account)) turn.account = account;
      return;
    }
    this.#makePlace(turn, account);
    turn.account = account;
    turn.state = 'waiting';
    this.#waiting.push(turn);
  }

  #makePlace(turn: Turn, account: string): void {
    if (this.#waiting.length < ORIGIN_LIMITS.descriptionWaiters) return;
    const shares = sharesOf(this.#waiting);
    const share = (of: string): number => shares.get(of) ?? 0;
    const last = this.#waiting.reduce((a, b) => (share(b.account) >= share(a.account) ? b : a));
    const full = 'the line is full';
    if (share(account) + 1 >= share(last.account)) {
      turn.state = 'over';
      throw this.#refusal(full);
    }
    for (const wait of last.waits) wait.refuse(this.#refusal(full));
  }

  #serve(): void {
    while (this.#asked.size < ORIGIN_LIMITS.descriptions) {
      const shares = sharesOf(this.#asked);
      const share = (turn: Turn): number => shares.get(turn.account) ?? 0;
      const entitled = this.#waiting.filter((turn) => share(turn) < ORIGIN_LIMITS.descriptionsPerAccount);
      if (entitled.length === 0) return;
      const next = entitled.reduce((a, b) => (share(b) < share(a) ? b : a));
      this.#take(next, next.account);
    }
  }

  #take(turn: Turn, account: string): void {
    this.#drop(turn);
    turn.state = 'asked';
    turn.account = account;
    this.#asked.add(turn);
    for (const wait of turn.waits) wait.take();
  }

  #drop(turn: Turn): void {
    const place = this.#waiting.indexOf(turn);
    if (place >= 0) this.#waiting.splice(place, 1);
    turn.state = 'over';
  }

  #shareOf(account: string): number {
    return sharesOf([...this.#asked, ...this.#waiting]).get(account) ?? 0;
  }

  #refusal(detail: string): OriginError {
    this.#onRefused();
    return new OriginError('crowded', detail);
  }
}

/** Questions by account. */
function sharesOf(turns: Iterable<Turn>): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { account } of turns) shares.set(account, (shares.get(account) ?? 0) + 1);
  return shares;
}
