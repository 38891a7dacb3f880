import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type Challenge,
  type Credentials,
  type DigestAuthorization,
  digestResponse,
  formatChallenge,
  parseAuthorization,
  parseRtspUrl,
  type RtspRequest,
  type RtspUrl,
  splitStreamUrl,
} from '@forebay/rtsp';
import { PathPrefixes, type Prefixed } from '../read/path-prefixes.js';
import type { Addresses } from './addresses.js';
import { LIMIT_REASONS, type ViewerLimits } from './limits.js';
import { Refusal } from './refusal.js';
import type { Rejects } from './rejects.js';

const REALM = 'Forebay';
const NONCE_BYTES = 18;
/** Of a name that a viewer gave itself, in the log. */
const MOST_NAME_CHARS = 64;

/** Who may watch what is below a path. */
export interface Gate extends Prefixed {
  /** Metric label of the route. */
  readonly id: string;
  /** Whoever knows one of these; undefined: anybody. */
  readonly logins?: readonly Credentials[];
}

/** What a control connection has shown of who is at its other end. */
export class Login {
  /** Good on this connection only, for as long as it lasts: an answer that was overheard opens nothing elsewhere. */
  readonly nonce = randomBytes(NONCE_BYTES).toString('base64url');
  /** Some login was right. */
  isKnown = false;
}

/** Whose request it is. */
export interface Caller {
  readonly viewerAddress: string;
  readonly login: Login;
}

export interface GatekeeperParts {
  readonly gates: readonly Gate[];
  readonly addresses: Addresses;
  readonly rejects: Rejects;
  readonly limits: ViewerLimits;
  readonly nowMs: () => number;
}

interface Guarded {
  readonly id: string;
  /** By user name; undefined: anybody. */
  readonly users: ReadonlyMap<string, Credentials> | undefined;
}

type Verdict = 'right' | 'wrong' | 'stale' | 'none';

/**
 * Lets viewers ask for what they may watch: each request proves who it is of, by Digest with SHA-256 or MD5. Source: RFC 7616, RFC 2326
 * section 12.5 and 12.44.
 */
export class Gatekeeper {
  readonly #p: GatekeeperParts;
  #gates!: PathPrefixes<Guarded & Prefixed>;

  constructor(parts: GatekeeperParts) {
    this.#p = parts;
    this.replace(parts.gates);
  }

  /** From now on these count. */
  replace(gates: readonly Gate[]): void {
    this.#gates = new PathPrefixes(
      gates.map(({ pathPrefix, id, logins }) => ({
        pathPrefix,
        id,
        users: logins === undefined ? undefined : new Map(logins.map((login) => [login.username, login])),
      })),
    );
  }

  /** The metric label of the route that leads to `url`. */
  routeOf(url: RtspUrl): string | undefined {
    return this.#gates.find(url.path)?.entry.id;
  }

  /**
   * Returns where the viewer may ask this. OPTIONS is for everybody, and so is what leads nowhere.
   * @throws Refusal 401 with challenges; closing the connection once an address fails too often
   */
  admit(request: RtspRequest, caller: Caller): void {
    if (request.method === 'OPTIONS') return;
    const gate = this.#gateOf(request.url);
    if (gate?.users === undefined) return;
    const { addresses, rejects, limits, nowMs } = this.#p;
    const fields = { viewer: caller.viewerAddress, origin: gate.id };
    const failures = addresses.of(caller.viewerAddress).failedLogins;
    // Those who are known already are let alone: they may share the address of somebody who guesses.
    if (!caller.login.isKnown && failures.count(nowMs()) >= limits.failedLoginsPerMinute) {
      rejects.count(LIMIT_REASONS.failedLoginsPerMinute, fields);
      throw refusal(caller.login, { close: true });
    }
    const given = parseAuthorization(request.headers.get('Authorization') ?? '');
    // Nobody is asked for a password in clear text, and one that comes unasked is not looked at.
    const digest = given?.scheme === 'digest' ? given : undefined;
    const verdict = this.#judge(digest, request.method, { gate, login: caller.login });
    if (verdict === 'right') {
      caller.login.isKnown = true;
      return;
    }
    if (verdict === 'wrong') {
      failures.add(nowMs());
      rejects.count('login', { ...fields, user: digest?.username.slice(0, MOST_NAME_CHARS) });
    }
    throw refusal(caller.login, { stale: verdict === 'stale' });
  }

  #judge(
    digest: DigestAuthorization | undefined,
    method: string,
    { gate, login }: { gate: Guarded; login: Login },
  ): Verdict {
    if (digest === undefined) return 'none';
    const { realm, nonce, algorithm, uri, nonceCount, cnonce = '' } = digest;
    const user = gate.users?.get(digest.username);
    if (user === undefined || realm !== REALM || algorithm.endsWith('-sess')) return 'wrong';
    const challenge: Challenge = {
      scheme: 'digest',
      realm,
      nonce,
      algorithm,
      ...(nonceCount === undefined ? {} : { qop: 'auth' }),
    };
    const expected = digestResponse(challenge, user, {
      method,
      url: uri,
      nonceCount: nonceCount ?? 0,
      cnonce,
    });
    if (!isSame(expected, digest.response)) return 'wrong';
    // Players put the URL of the title where a stream is asked for, with a slash or without: what is allowed is allowed by route.
    if (this.#gateOf(uri.startsWith('/') ? `rtsp://proxy${uri}` : uri) !== gate) return 'wrong';
    return nonce === login.nonce ? 'right' : 'stale';
  }

  /** Undefined as well for what is no URL, which whoever answers the request says. */
  #gateOf(url: string): Guarded | undefined {
    try {
      return this.#gates.find(splitStreamUrl(parseRtspUrl(url)).presentation.path)?.entry;
    } catch {
      return undefined;
    }
  }
}

/**
 * The strongest challenge comes first, and the one that everybody understands last, which is the one that FFmpeg, GStreamer and live555 take. It
 * says no more than RFC 2069 has: live555 reads no more.
 */
function refusal({ nonce }: Login, o: { stale?: boolean; close?: boolean }): Refusal {
  const stale = o.stale === true ? { stale: true } : {};
  const strong = {
    scheme: 'digest',
    realm: REALM,
    nonce,
    algorithm: 'SHA-256',
    qop: 'auth',
    ...stale,
  } as const;
  const usual = { scheme: 'digest', realm: REALM, nonce, ...stale } as const;
  return new Refusal(401, {
    headers: [strong, usual].map((challenge) => ['WWW-Authenticate', formatChallenge(challenge)] as const),
    close: o.close ?? false,
  });
}

function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
