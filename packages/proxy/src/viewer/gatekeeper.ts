import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type Authorization,
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

/** Whose login is looked at where there is no such user, so that the time it takes does not say who there is. */
const NOBODY: Credentials = { username: 'nobody', password: 'none' };

/** Who may watch what is below a path. */
export interface Gate extends Prefixed {
  /** Metric label of the route. */
  readonly id: string;
  /** Whoever knows one of these; undefined: anybody. */
  readonly logins?: readonly Credentials[];
}

/** What a control connection has shown of who is at its other end. */
export class Login {
  /** The last login that was right. */
  knownAs: Credentials | undefined;
  #nonce: string | undefined;

  /** Good on this connection only, for as long as it lasts: an answer that was overheard opens nothing elsewhere. */
  get nonce(): string {
    return (this.#nonce ??= randomBytes(NONCE_BYTES).toString('base64url'));
  }
}

/** Whose request it is. */
export interface Caller {
  /** Over TLS. */
  readonly isSecure: boolean;
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
 * Lets viewers ask for what they may watch: each request proves who it is of, by Digest with SHA-256 or MD5, or over TLS by Basic. Source: RFC 7616, RFC 7617, RFC 2326
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
   * @returns who it is; undefined where that is not asked
   * @throws Refusal 401 with challenges; closing the connection once an address fails too often. 404 for a path that an origin may take for one
   * that is guarded otherwise
   */
  admit(request: RtspRequest, caller: Caller): Credentials | undefined {
    if (request.method === 'OPTIONS') return undefined;
    const path = pathOf(request.url);
    if (path === undefined) return undefined;
    const gate = this.#gateTo(path);
    const meant = this.#gateTo(withoutDoubledSlashes(path));
    if (meant !== gate && meant?.users !== undefined) throw new Refusal(404);
    if (gate?.users === undefined) return undefined;
    const { addresses, rejects, limits, nowMs } = this.#p;
    const fields = { viewer: caller.viewerAddress, origin: gate.id };
    const failures = addresses.of(caller.viewerAddress).failedLogins;
    const given = parseAuthorization(request.headers.get('Authorization') ?? '');
    // Those who are known already are let alone: they may share the address of somebody who guesses. As others they guess themselves.
    if (
      !isKnown(caller.login, given, gate.users) &&
      failures.count(nowMs()) >= limits.failedLoginsPerMinute
    ) {
      rejects.count(LIMIT_REASONS.failedLoginsPerMinute, fields);
      throw refusal(caller, { close: true });
    }
    const verdict = this.#judge(given, request.method, { gate, caller });
    if (verdict === 'right') {
      caller.login.knownAs = gate.users.get(given?.username ?? '');
      return caller.login.knownAs;
    }
    if (verdict === 'wrong') {
      failures.add(nowMs());
      rejects.count('login', { ...fields, user: given?.username.slice(0, MOST_NAME_CHARS) });
    }
    throw refusal(caller, { stale: verdict === 'stale' });
  }

  /** Whether somebody who had logged in as `user`, or needed not to, may go on with what this URL is about. */
  allows(url: string, user: Credentials | undefined): boolean {
    const { users } = this.#gateTo(pathOf(url) ?? '') ?? {};
    if (users === undefined) return true;
    return user !== undefined && users.get(user.username)?.password === user.password;
  }

  #judge(given: Authorization | undefined, method: string, o: { gate: Guarded; caller: Caller }): Verdict {
    if (given?.scheme === 'digest') return this.#judgeDigest(given, method, o);
    // Nobody is asked for a password in clear text, and one that comes unasked is not looked at.
    if (given === undefined || !o.caller.isSecure) return 'none';
    const user = o.gate.users?.get(given.username);
    return isSame((user ?? NOBODY).password, given.password) && user !== undefined ? 'right' : 'wrong';
  }

  #judgeDigest(
    digest: DigestAuthorization,
    method: string,
    { gate, caller }: { gate: Guarded; caller: Caller },
  ): Verdict {
    const { realm, nonce, algorithm, uri, nonceCount, cnonce = '' } = digest;
    if (realm !== REALM || algorithm.endsWith('-sess')) return 'wrong';
    const user = gate.users?.get(digest.username);
    const challenge: Challenge = {
      scheme: 'digest',
      realm,
      nonce,
      algorithm,
      ...(nonceCount === undefined ? {} : { qop: 'auth' }),
    };
    const expected = digestResponse(challenge, user ?? NOBODY, {
      method,
      url: uri,
      nonceCount: nonceCount ?? 0,
      cnonce,
    });
    if (!isSame(expected, digest.response) || user === undefined) return 'wrong';
    // Players put the URL of the title where a stream is asked for, with a slash or without: what is allowed is allowed by route.
    const path = pathOf(uri.startsWith('/') ? `rtsp://proxy${uri}` : uri);
    if (path === undefined || this.#gateTo(path) !== gate) return 'wrong';
    return nonce === caller.login.nonce ? 'right' : 'stale';
  }

  #gateTo(path: string): Guarded | undefined {
    return this.#gates.find(path)?.entry;
  }
}

/** The path of a presentation; undefined for what is no URL, which whoever answers the request says. */
function pathOf(url: string): string | undefined {
  try {
    return splitStreamUrl(parseRtspUrl(url)).presentation.path;
  } catch {
    return undefined;
  }
}

/** Whether it is the one who has logged in here, by a password that is still right. */
function isKnown(
  { knownAs }: Login,
  given: Authorization | undefined,
  users: ReadonlyMap<string, Credentials>,
): boolean {
  if (knownAs === undefined) return false;
  if (given === undefined) return true;
  const { password = knownAs.password } = users.get(knownAs.username) ?? {};
  return given.username === knownAs.username && password === knownAs.password;
}

/** As many origins read a path: a slash that is percent-encoded is one, and several are one. */
function withoutDoubledSlashes(path: string): string {
  return path.replace(/(?:\/|%2f)+/gi, '/');
}

/**
 * Of several Digests ExoPlayer takes the first, FFmpeg, GStreamer and live555 take the last, and all of them compute MD5: so this stands at both
 * ends, and says no more than RFC 2069 has, since live555 reads no more. Who looks for the strongest finds it between. Basic comes
 * behind, over TLS only.
 */
function refusal({ login, isSecure }: Caller, o: { stale?: boolean; close?: boolean }): Refusal {
  const digest = { scheme: 'digest', realm: REALM, nonce: login.nonce } as const;
  const stale = o.stale === true ? { stale: true } : {};
  const usual = { ...digest, ...stale };
  const challenges: Challenge[] = [
    usual,
    { ...digest, algorithm: 'SHA-256', qop: 'auth', ...stale },
    usual,
    ...(isSecure ? [{ scheme: 'basic', realm: REALM } as const] : []),
  ];
  return new Refusal(401, {
    headers: challenges.map((challenge) => ['WWW-Authenticate', formatChallenge(challenge)] as const),
    close: o.close ?? false,
  });
}

/** In a time that does not say where they differ, or how long they are. */
function isSame(expected: string, given: string): boolean {
  const [a, b] = [expected, given].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a!, b!);
}
