import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { OriginClient } from './client.js';
import { ORIGIN_LIMITS } from './limits.js';
import { recordOf, takeRecord } from './profile-record.js';
import type { OriginRoute } from './route.js';

/** A former client is there for so long at least: what it was asked is answered by then. */
const QUESTIONS_MS = ORIGIN_LIMITS.requestMs + 2000;

/** What the clients of all routes share. */
export interface OriginsParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface Known<R> {
  readonly route: R;
  readonly client: OriginClient;
}

/** One client for each route. Routes may change while what was fetched by them is played on. */
export class Origins<R extends OriginRoute> {
  readonly #parts: OriginsParts;
  #known: readonly Known<R>[] = [];
  /** Of routes that are gone or have changed, and since when. */
  readonly #former = new Map<OriginClient, number>();

  constructor(routes: readonly R[], parts: OriginsParts) {
    this.#parts = parts;
    this.replace(routes);
  }

  /** In the order of the routes. */
  get clients(): readonly OriginClient[] {
    return this.#known.map(({ client }) => client);
  }

  /**
   * A route that is as before keeps its client; one that leads to the same origin by other means keeps what was learned of it.
   * @returns what is different now
   */
  replace(routes: readonly R[]): {
    readonly added: string[];
    readonly changed: string[];
    readonly removed: string[];
  } {
    const before = new Map(this.#known.map((known) => [known.route.id, known]));
    const added: string[] = [];
    const changed: string[] = [];
    this.#known = routes.map((route) => {
      const known = before.get(route.id);
      before.delete(route.id);
      if (known !== undefined && isDeepStrictEqual(route, known.route)) return known;
      const client = new OriginClient({ route, ...this.#parts });
      if (known === undefined) added.push(route.id);
      else {
        changed.push(route.id);
        this.#retire(known.client);
        if (client.key === known.client.key) takeRecord(client.profile, recordOf(known.client.profile));
      }
      return { route, client };
    });
    for (const { client } of before.values()) this.#retire(client);
    return { added, changed, removed: [...before.keys()] };
  }

  /** Closes the clients of former routes that nobody uses any more. */
  sweep(isUsed: (client: OriginClient) => boolean): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const [client, sinceMs] of this.#former) {
      if (nowMs - sinceMs < QUESTIONS_MS) continue;
      const { used, waiting } = client.sessions;
      if (used > 0 || waiting > 0 || isUsed(client)) continue;
      client.close();
      this.#former.delete(client);
      const origin = client.profile.route;
      if (this.#known.some(({ route }) => route.id === origin)) continue;
      const { originLead, originWaiting, originBudget } = this.#parts.metrics;
      for (const gauge of [originLead, originWaiting, originBudget]) gauge.remove({ origin });
    }
  }

  close(): void {
    for (const client of [...this.clients, ...this.#former.keys()]) client.close();
  }

  #retire(client: OriginClient): void {
    this.#former.set(client, this.#parts.clock.nowMs());
  }
}
