import type { Need } from '../origin/budget.js';
import type { OriginSession, OriginSink } from '../origin/session.js';
import type { Title } from './title.js';

export interface PassageOptions {
  readonly streams: readonly number[];
  /** NPT. */
  readonly startSeconds: number;
  readonly endSeconds?: number;
  readonly scale: number;
  readonly signal: AbortSignal;
}

/** The way to origin sessions of one viewer's own: what they bring is passed on, and nothing of it is kept. */
export class Passage {
  readonly #title: Title;
  #scales: boolean | undefined;

  constructor(title: Title) {
    this.#title = title;
  }

  /** Whether the origin scales this title; undefined while that is worth a try. */
  get scales(): boolean | undefined {
    const { scales } = this.#title.client.profile;
    return scales === false ? false : this.#scales;
  }

  /** What became of a try. */
  learn(scales: boolean): void {
    if (this.#scales !== scales) this.#title.client.profile.scaled(scales);
    this.#scales = scales;
  }

  /** Within the origin's budget of sessions, whose last one is left to normal plays. @throws OriginError */
  open(options: PassageOptions, sink: OriginSink): Promise<OriginSession> {
    const { client, origin } = this.#title;
    const wish = { origin, ...options };
    const turn = {
      need: (): Need => 'ahead',
      come: () => Promise.resolve(wish),
      lost: () => undefined,
    };
    return client.open({ ...wish, turn }, sink);
  }
}
