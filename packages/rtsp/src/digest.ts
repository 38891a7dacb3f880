import { createHash } from 'node:crypto';
import { quote } from './challenge.js';
import type { Challenge, DigestAlgorithm } from './challenge.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What a digest is computed over besides the challenge. */
export interface DigestRequest {
  readonly method: string;
  /** Exactly the URL of the request line. */
  readonly url: string;
  /** Uses of this nonce so far, this one included: 1 for the first. */
  readonly nonceCount: number;
  /** Fresh random text without quotes. */
  readonly cnonce: string;
}

/**
 * The `response` of a digest:
 *
 *     A1       = user ":" realm ":" password            (-sess: H(A1) ":" nonce ":" cnonce)
 *     A2       = method ":" url
 *     response = H(H(A1) ":" nonce ":" nc ":" cnonce ":" qop ":" H(A2))    with qop
 *                H(H(A1) ":" nonce ":" H(A2))                              without
 *
 * Source: RFC 7616 section 3.4.1; RFC 2069 section 2.1.2 for the form without qop
 */
export function digestResponse(
  challenge: Challenge,
  credentials: Credentials,
  request: DigestRequest,
): string {
  const algorithm: DigestAlgorithm = challenge.algorithm ?? 'MD5';
  const hashName = algorithm.startsWith('SHA-256') ? 'sha256' : 'md5';
  const hash = (...parts: string[]): string => createHash(hashName).update(parts.join(':')).digest('hex');
  const nonce = challenge.nonce ?? '';
  const user = hash(credentials.username, challenge.realm, credentials.password);
  const a1 = algorithm.endsWith('-sess') ? hash(user, nonce, request.cnonce) : user;
  const a2 = hash(request.method, request.url);
  if (challenge.qop === undefined) return hash(a1, nonce, a2);
  return hash(a1, nonce, formatNonceCount(request.nonceCount), request.cnonce, challenge.qop, a2);
}

function formatNonceCount(count: number): string {
  return count.toString(16).padStart(8, '0');
}

/**
 * The value of an Authorization header that answers `challenge`. Only what the challenge named is repeated: cameras
 * refuse an `algorithm` that they did not send.
 * Source: RFC 7616 section 3.4, RFC 7617 section 2
 */
export function authorizationFor(
  challenge: Challenge,
  credentials: Credentials,
  request: DigestRequest,
): string {
  if (challenge.scheme === 'basic') {
    return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  }
  const usesCnonce = challenge.qop !== undefined || challenge.algorithm?.endsWith('-sess') === true;
  const parts = [
    `username=${quote(credentials.username)}`,
    `realm=${quote(challenge.realm)}`,
    `nonce=${quote(challenge.nonce ?? '')}`,
    `uri=${quote(request.url)}`,
    `response="${digestResponse(challenge, credentials, request)}"`,
  ];
  if (challenge.algorithm !== undefined) parts.push(`algorithm=${challenge.algorithm}`);
  if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
  if (challenge.qop !== undefined)
    parts.push(`qop=${challenge.qop}`, `nc=${formatNonceCount(request.nonceCount)}`);
  if (usesCnonce) parts.push(`cnonce=${quote(request.cnonce)}`);
  return `Digest ${parts.join(', ')}`;
}
