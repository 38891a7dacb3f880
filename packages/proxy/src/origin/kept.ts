import type { Clock, TimerHandle } from '../clock.js';
import { NOBODY } from './connection.js';
import type { Dialogue } from './dialogue.js';
import { ORIGIN_LIMITS } from './limits.js';

interface Kept {
  readonly url: string;
  readonly dialogue: Dialogue;
  readonly timer: TimerHandle;
}

/**
 * Connections over which a presentation was described: a session for the same one that follows within 10 s saves a
 * round trip. At most eight; the oldest gives way.
 */
export class KeptConnections {
  readonly #clock: Clock;
  #kept: Kept[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#kept.length;
  }

  keep(url: string, dialogue: Dialogue): void {
    const { connection } = dialogue;
    if (connection.closed) return;
    const drop = (): void => this.#drop(kept);
    const timer = this.#clock.setTimeout(drop, ORIGIN_LIMITS.keptMs);
    const kept: Kept = { url, dialogue, timer };
    connection.owner = { ...NOBODY, asked: drop, over: drop };
    this.#kept.push(kept);
    if (this.#kept.length > ORIGIN_LIMITS.keptConnections) this.#drop(this.#kept[0]!);
  }

  /** The newest connection for this presentation; it is the caller's from now on. */
  take(url: string): Dialogue | undefined {
    const kept = this.#kept.findLast((k) => k.url === url);
    if (kept === undefined) return undefined;
    this.#forget(kept);
    return kept.dialogue;
  }

  close(): void {
    for (const kept of this.#kept) this.#drop(kept);
  }

  #drop(kept: Kept): void {
    this.#forget(kept);
    kept.dialogue.connection.destroy();
  }

  #forget(kept: Kept): void {
    this.#clock.clearTimeout(kept.timer);
    this.#kept = this.#kept.filter((k) => k !== kept);
  }
}
