import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { OriginClient } from './client.js';
import type { OriginRoute } from './route.js';

/** What the clients of all routes share. */
export interface OriginsParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface Known {
  readonly route: OriginRoute;
  readonly client: OriginClient;
}

/** One client for each route. Routes may change while what was fetched by them is played on. */
export class Origins {
  readonly #parts: OriginsParts;
  #known: readonly Known[] = [];
  /** Of routes that are gone or have changed, and at work still. */
  readonly #former = new Set<OriginClient>();

  constructor(routes: readonly OriginRoute[], parts: OriginsParts) {
    this.#parts = parts;
    this.replace(routes);
  }

  /** In the order of the routes. */
  get clients(): readonly OriginClient[] {
    return this.#known.map(({ client }) => client);
  }

  /** A route that is as before keeps its client. */
  replace(routes: readonly OriginRoute[]): void {
    const before = new Map(this.#known.map((known) => [known.route.id, known]));
    this.#known = routes.map((route) => {
      const known = before.get(route.id);
      before.delete(route.id);
      if (known !== undefined && isDeepStrictEqual(route, known.route)) return known;
      if (known !== undefined) this.#former.add(known.client);
      return { route, client: new OriginClient({ route, former: this.#former, ...this.#parts }) };
    });
    for (const { client } of before.values()) {
      this.#former.add(client);
      this.#unpublish(client);
    }
  }

  /**
   * Forgets the clients of former routes that have nothing to do. None is closed: who was shown a title before may come back to it, by the
   * means of then where no route leads there any more.
   */
  sweep(): void {
    for (const client of this.#former) if (client.isIdle) this.#former.delete(client);
  }

  close(): void {
    for (const client of [...this.clients, ...this.#former]) client.close();
  }

  /** What gauges say of a route that is gone would stand still. */
  #unpublish({ profile: { route } }: OriginClient): void {
    const { originLead, originWaiting, originBudget } = this.#parts.metrics;
    for (const gauge of [originLead, originWaiting, originBudget]) gauge.remove({ origin: route });
  }
}
