import type { Clock } from '../clock.js';
import { Deadline } from './deadline.js';
import type { Dialogue } from './dialogue.js';
import { asOriginError, OriginError } from './errors.js';
import type { Negotiation } from './negotiation.js';
import type { KeepAliveMethod, OriginProfile } from './profile.js';

/** A session that dies within these multiples of its timeout, though asked for, was not kept alive by what was asked. */
const TIMED_OUT = { from: 0.9, to: 1.6 } as const;

export interface KeepAliveOptions {
  readonly dialogue: Dialogue;
  readonly negotiation: Negotiation;
  readonly profile: OriginProfile;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/**
 * Asks the origin for something twice within its timeout. OPTIONS with the session is the safest (GET_PARAMETER crashes
 * some cameras that advertise it); what an origin refuses or does not count is given up for the next method that it
 * says it has, and that is remembered for all its sessions.
 */
export class KeepAlive {
  readonly #o: KeepAliveOptions;
  readonly #openedMs: number;
  #askedMs: number;
  #running = false;

  constructor(options: KeepAliveOptions) {
    this.#o = options;
    this.#openedMs = options.clock.nowMs();
    this.#askedMs = this.#openedMs;
  }

  /** Half of the timeout has gone by since the origin was last asked for anything. */
  get due(): boolean {
    if (this.#running || this.#o.profile.keepAlive === 'reports') return false;
    return this.#o.clock.nowMs() - this.#askedMs >= (this.#o.negotiation.name.timeoutSeconds * 1000) / 2;
  }

  /** The origin was asked for something in this session. */
  asked(): void {
    this.#askedMs = this.#o.clock.nowMs();
  }

  /**
   * @param isFlowing whether media came since: then an answer that does not come is no proof of death
   * @returns why the session is over, if it is
   */
  async run(signal: AbortSignal, isFlowing: () => boolean): Promise<OriginError | undefined> {
    const { dialogue, negotiation, profile, clock, timeoutMs } = this.#o;
    const method = profile.keepAlive;
    if (method === 'reports') return undefined;
    const askedMs = this.#askedMs;
    const deadline = new Deadline({ clock, ms: timeoutMs, what: method, parents: [signal] });
    this.#running = true;
    this.asked();
    try {
      const headers: [string, string][] = [['Session', negotiation.name.id]];
      const response = await dialogue.ask(
        { method, url: negotiation.aggregateUrl, headers },
        deadline.signal,
      );
      profile.advertises(response.headers.get('public'));
      if (response.status === 454) return new OriginError('session-gone', method, { originStatus: 454 });
      if (response.status !== 200) this.#refused(method, askedMs);
      return undefined;
    } catch (error) {
      const known = asOriginError(error, 'protocol', method);
      if (known.code === 'aborted') return undefined;
      if (known.code !== 'timeout' && known.code !== 'unauthorized') return known;
      if (known.code === 'timeout' && dialogue.connection.isPaused) return undefined;
      if (known.code === 'timeout' && !isFlowing()) return known;
      this.#refused(method, askedMs);
      return undefined;
    } finally {
      this.#running = false;
      deadline.end();
    }
  }

  /** The session was lost: perhaps because the origin does not count what was asked. */
  lost(error: OriginError): void {
    const { profile, negotiation, clock } = this.#o;
    const timeouts = (clock.nowMs() - this.#openedMs) / (negotiation.name.timeoutSeconds * 1000);
    const gone = error.code === 'origin-closed' || error.code === 'session-gone';
    if (gone && timeouts >= TIMED_OUT.from && timeouts <= TIMED_OUT.to)
      profile.keepAliveDoubted(profile.keepAlive);
  }

  /** The next method is tried at once: nothing has kept the session alive since `askedMs`. */
  #refused(method: KeepAliveMethod, askedMs: number): void {
    this.#o.profile.keepAliveRefused(method);
    this.#askedMs = askedMs;
  }
}
