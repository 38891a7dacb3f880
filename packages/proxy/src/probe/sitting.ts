import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { Metrics } from '../metrics.js';
import { OriginClient } from '../origin/client.js';
import type { OriginDescription } from '../origin/description.js';
import { OriginError } from '../origin/errors.js';
import type { FillMethod } from '../origin/fill-methods.js';
import type { OriginLeg } from '../origin/leg.js';
import type { OriginRoute } from '../origin/route.js';
import { Take } from './take.js';

const FIRST_PACKET_MS = 8000;
/** A play that brought so much has shown what it does. */
const ENOUGH_BYTES = 16e6;

export interface Played {
  readonly leg: OriginLeg;
  readonly take: Take;
}

/** What a play asks for. */
export interface Wish {
  readonly startSeconds: number;
  readonly endSeconds?: number;
  readonly fill?: FillMethod;
}

/** Plays one presentation of one origin, time and again, each time in a session of its own. */
export class Sitting {
  readonly client: OriginClient;
  readonly #route: OriginRoute;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #metrics = new Metrics();
  readonly #clients: OriginClient[] = [];
  #origin!: OriginDescription;

  constructor(o: { route: OriginRoute; clock: Clock; log: Log; signal: AbortSignal }) {
    this.#route = o.route;
    this.#clock = o.clock;
    this.#log = o.log;
    this.#signal = o.signal;
    this.client = this.clientFor({});
  }

  /** A client that talks to the origin in another way. */
  clientFor(more: Partial<OriginRoute>): OriginClient {
    const common = { clock: this.#clock, metrics: this.#metrics, log: this.#log };
    const client = new OriginClient({ route: { ...this.#route, ...more }, ...common });
    this.#clients.push(client);
    return client;
  }

  /** Says what is played from now on. @throws OriginError */
  async describe(path: string): Promise<OriginDescription> {
    this.#origin = await this.client.describe(path, this.#signal);
    return this.#origin;
  }

  /** Opens a session for all streams; its packets flow into the take. @throws OriginError */
  async open(wish: Wish, client = this.client): Promise<Played> {
    const { streams, onDemand } = this.#origin.description;
    const take = new Take(streams, this.#clock);
    const leg = await client.open(
      {
        ...wish,
        origin: this.#origin,
        streams: streams.map((_, i) => i),
        startSeconds: onDemand ? wish.startSeconds : undefined,
        signal: this.#signal,
      },
      take,
    );
    leg.start();
    return { leg, take };
  }

  /** Resolves when the first packet is there. @throws OriginError `origin-silent` */
  async flowing({ take }: Played): Promise<void> {
    await take.wait(FIRST_PACKET_MS, this.#signal, () => take.packets > 0);
    if (take.packets === 0)
      throw new OriginError('origin-silent', `no packet within ${FIRST_PACKET_MS / 1000} s of PLAY`);
  }

  /** Plays for `ms` from the first packet on, or until it has ended or shown enough. */
  async play(wish: Wish, ms: number, client = this.client): Promise<Played> {
    const played = await this.open(wish, client);
    const { leg, take } = played;
    try {
      await take.wait(Math.min(FIRST_PACKET_MS, ms * 4), this.#signal, () => take.packets > 0);
      await take.wait(ms, this.#signal, () => take.bytes >= ENOUGH_BYTES || take.hasEnded);
    } finally {
      await leg.close();
    }
    return played;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
