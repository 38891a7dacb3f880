import { randomBytes } from 'node:crypto';
import {
  authorizationFor,
  type Challenge,
  chooseChallenge,
  type Credentials,
  parseChallenges,
  type RtspResponse,
} from '@forebay/rtsp';
import { ORIGIN_LIMITS } from './limits.js';

/** A challenge and how often it has been answered. */
interface Answerable {
  readonly challenge: Challenge;
  nonceCount: number;
}

/** The credentials of one origin, and the challenge that the next connection tries first. */
export class Keys {
  readonly credentials: Credentials;
  readonly allowBasic: boolean;
  latest: Answerable | undefined;

  constructor(credentials: Credentials, allowBasic: boolean) {
    this.credentials = credentials;
    this.allowBasic = allowBasic;
  }
}

/** What was sent with one request, for {@link Authorizer.challenged}. */
export interface Attempt {
  readonly header: string | undefined;
  readonly answered: Challenge | undefined;
}

/**
 * Answers the challenges of one connection (RFC 7616, RFC 7617). Nonces are used again with a growing count, and carried
 * over to later connections; live555 ties them to the connection, others do not.
 */
export class Authorizer {
  readonly #keys: Keys | undefined;
  #current: Answerable | undefined;

  /** @param keys undefined towards hosts that the credentials are not for */
  constructor(keys: Keys | undefined) {
    this.#keys = keys;
    this.#current = keys?.latest;
  }

  attempt(method: string, url: string): Attempt {
    const current = this.#current;
    if (current === undefined || this.#keys === undefined) return { header: undefined, answered: undefined };
    const request = {
      method,
      url,
      nonceCount: ++current.nonceCount,
      cnonce: randomBytes(12).toString('hex'),
    };
    const header = authorizationFor(current.challenge, this.#keys.credentials, request);
    return { header, answered: current.challenge };
  }

  /**
   * Takes in a 401. At most two tries with credentials: the second where the first used a nonce of an earlier request or
   * a stale one, or where another algorithm is on offer.
   * @param attempts all attempts at this request so far
   * @returns whether another attempt makes sense
   */
  challenged(response: RtspResponse, attempts: readonly Attempt[]): boolean {
    if (this.#keys === undefined) return false;
    const challenges = parseChallenges(response.headers.all('www-authenticate'));
    const tried = attempts.map((a) => a.answered).filter((c) => c !== undefined);
    if (tried.length >= ORIGIN_LIMITS.credentialTries) return false;
    const renewed = attempts.length === tried.length;
    const usable = challenges.filter(
      (c) => renewed || !tried.some((t) => sameKind(t, c)) || c.stale === true,
    );
    // What worked before is kept to, though something stronger is on offer: some origins offer what they cannot do.
    const proven = renewed ? usable.find((c) => tried.some((t) => sameKind(t, c))) : undefined;
    const challenge = proven ?? chooseChallenge(usable, { allowBasic: this.#keys.allowBasic });
    this.#current = challenge === undefined ? undefined : { challenge, nonceCount: 0 };
    this.#keys.latest = this.#current;
    return challenge !== undefined;
  }
}

function sameKind(a: Challenge, b: Challenge): boolean {
  return a.scheme === b.scheme && a.algorithm === b.algorithm && a.qop === b.qop && a.realm === b.realm;
}
