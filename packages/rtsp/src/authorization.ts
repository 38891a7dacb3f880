import { algorithmNamed, parseAuthItems, quote } from './challenge.js';
import type { Challenge, DigestAlgorithm } from './challenge.js';
import type { Credentials } from './digest.js';

/** What a viewer proves who it is with: the value of an Authorization header. */
export type Authorization = BasicAuthorization | DigestAuthorization;

export interface BasicAuthorization extends Credentials {
  readonly scheme: 'basic';
}

/** Text as sent, except that `algorithm` is spelled as in `DigestAlgorithm`. Nothing of it is verified yet. */
export interface DigestAuthorization {
  readonly scheme: 'digest';
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  /** MD5 where the viewer named none. */
  readonly algorithm: DigestAlgorithm;
  readonly opaque?: string;
  /** With `qop=auth` only. */
  readonly nonceCount?: number;
  readonly cnonce?: string;
}

/**
 * The credentials of an Authorization header, or undefined where they can prove nothing: unknown scheme or algorithm,
 * missing parameters, Base64 that is none, no colon. The answer to those is 401, as to wrong ones.
 * Source: RFC 7616 section 3.4, RFC 7617 section 2
 */
export function parseAuthorization(value: string): Authorization | undefined {
  const [item] = parseAuthItems(value);
  if (item?.scheme === 'basic') return readBasic(item.token ?? '');
  return item?.scheme === 'digest' ? readDigest(item.parameters) : undefined;
}

function readBasic(token: string): BasicAuthorization | undefined {
  if (!/^[A-Za-z0-9+/]{2,4096}={0,2}$/.test(token)) return undefined;
  const text = Buffer.from(token, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  // oxlint-disable-next-line no-control-regex
  if (colon < 0 || /[\0-\x1f\x7f\uFFFD]/.test(text)) return undefined;
  return { scheme: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function readDigest(parameters: ReadonlyMap<string, string>): DigestAuthorization | undefined {
  const [username, realm, nonce, uri, response] = ['username', 'realm', 'nonce', 'uri', 'response'].map(
    (name) => parameters.get(name),
  );
  const algorithm = algorithmNamed(parameters.get('algorithm') ?? 'MD5');
  if (username === undefined || realm === undefined || nonce === undefined || uri === undefined)
    return undefined;
  if (algorithm === undefined || !/^[0-9a-f]{32}(?:[0-9a-f]{32})?$/i.test(response ?? '')) return undefined;
  const use = readUse(parameters);
  const opaque = parameters.get('opaque');
  if (use === undefined) return undefined;
  return {
    scheme: 'digest',
    username,
    realm,
    nonce,
    uri,
    response: (response ?? '').toLowerCase(),
    algorithm,
    ...(opaque === undefined ? {} : { opaque }),
    ...use,
  };
}

type NonceUse = Pick<DigestAuthorization, 'nonceCount' | 'cnonce'>;

/** With qop the count and the client's nonce must be there; without it the client's nonce may (MD5-sess). */
function readUse(parameters: ReadonlyMap<string, string>): NonceUse | undefined {
  const cnonce = parameters.get('cnonce');
  const qop = parameters.get('qop')?.toLowerCase();
  if (qop === undefined || qop === '') return cnonce === undefined ? {} : { cnonce };
  const count = parameters.get('nc') ?? '';
  if (qop !== 'auth' || cnonce === undefined || !/^[0-9a-f]{8}$/i.test(count)) return undefined;
  return { nonceCount: Number.parseInt(count, 16), cnonce };
}

/** The value of a WWW-Authenticate header. */
export function formatChallenge(challenge: Challenge): string {
  const parts = [`realm=${quote(challenge.realm)}`];
  if (challenge.scheme === 'basic') return `Basic ${parts.join(', ')}`;
  if (challenge.nonce !== undefined) parts.push(`nonce=${quote(challenge.nonce)}`);
  if (challenge.algorithm !== undefined) parts.push(`algorithm=${challenge.algorithm}`);
  if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
  if (challenge.qop !== undefined) parts.push(`qop="${challenge.qop}"`);
  if (challenge.stale !== undefined) parts.push(`stale=${challenge.stale}`);
  return `Digest ${parts.join(', ')}`;
}
