import type { CachePolicy } from '@forebay/cache';

/** What is known as a viewer begins to play. */
export interface AudienceStart {
  /** NPT. */
  readonly startSeconds: number;
  readonly titleDurationSeconds: number | undefined;
  readonly viewerAddress: string;
}

/** Whoever wants to know what one session plays: the policy. */
export interface Audience {
  started(start: AudienceStart): void;
  /** Played on to NPT `seconds`. */
  reached(seconds: number): void;
  ended(): void;
}

const ignore = (): void => undefined;

/** Live media is not judged by popularity: nobody wants to know. */
export const NO_AUDIENCE: Audience = { started: ignore, reached: ignore, ended: ignore };

/** One session as the policy counts it. */
export class PolicyAudience implements Audience {
  readonly #policy: CachePolicy;
  readonly #nowSeconds: () => number;
  readonly #key: string;
  readonly #session: number;

  /** @param of the cache key of the title, and a number for the session that no other has */
  constructor(
    shelves: { readonly policy: CachePolicy; readonly policySeconds: () => number },
    of: { readonly key: string; readonly session: number },
  ) {
    this.#policy = shelves.policy;
    this.#nowSeconds = shelves.policySeconds;
    this.#key = of.key;
    this.#session = of.session;
  }

  started(start: AudienceStart): void {
    this.#policy.sessionStarted(this.#session, { title: this.#key, ...start }, this.#nowSeconds());
  }

  reached(seconds: number): void {
    this.#policy.sessionReached(this.#session, seconds, this.#nowSeconds());
  }

  ended(): void {
    this.#policy.sessionEnded(this.#session, this.#nowSeconds());
  }
}
