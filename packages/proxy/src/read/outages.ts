import type { Shelves } from '../fill/shelves.js';
import { OriginError } from '../origin/errors.js';

/** Origins that cannot be asked, while what is held of their titles is served in their place. */
export class Outages {
  readonly #shelves: Pick<Shelves, 'log' | 'metrics'>;
  readonly #routes = new Set<string>();

  constructor(shelves: Pick<Shelves, 'log' | 'metrics'>) {
    this.#shelves = shelves;
  }

  /** The origin of a route did not answer. Said once, until it does. */
  began(route: string, error: unknown): void {
    if (this.#routes.has(route)) return;
    this.#routes.add(route);
    const code = error instanceof OriginError ? error.code : 'internal';
    this.#shelves.log.warn({ route, code }, 'the origin does not answer: what is held is served without it');
  }

  /** It answers. */
  ended(route: string): void {
    if (this.#routes.delete(route)) this.#shelves.log.info({ route }, 'the origin answers again');
  }

  /** A title was served that its origin could not confirm. */
  served(route: string): void {
    this.#shelves.metrics.staleServes.inc({ origin: route });
  }
}
