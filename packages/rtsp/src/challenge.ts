import { LIMITS } from './limits.js';

export type DigestAlgorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess';

/** One challenge of a WWW-Authenticate header that can be answered (RFC 7616 section 3.3, RFC 7617 section 2). */
export interface Challenge {
  readonly scheme: 'basic' | 'digest';
  readonly realm: string;
  readonly nonce?: string;
  /** Absent when the challenge names none: MD5, and not repeated in the answer. */
  readonly algorithm?: DigestAlgorithm;
  /** Absent: the older digest of RFC 2069, which most cameras use. */
  readonly qop?: 'auth';
  readonly opaque?: string;
  readonly stale?: boolean;
}

/** From best to worst; a challenge that names none means MD5, and Basic comes after all of them. */
const ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'];

/** The algorithm of that name, in any case of letters. */
export function algorithmNamed(name: string): DigestAlgorithm | undefined {
  return ALGORITHMS.find((algorithm) => algorithm.toLowerCase() === name.toLowerCase());
}

/** A quoted string (RFC 7230 section 3.2.6). */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Authentication scheme and parameters as they stand in a header; names in lower case. */
export interface AuthItem {
  readonly scheme: string;
  /** What stands behind the scheme without a name: Basic credentials. */
  readonly token?: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** A word, and the equals sign that makes it the name of a parameter. */
const WORD = /[\s,]*([^\s,="]+)(\s*=)?/y;
/** Credentials without a name, as Basic has them (token68, RFC 7235 section 2.1). */
const TOKEN = /[ \t]+([\w.~+/-]+=*)(?=\s*(?:,|$))/y;
/** An open quote runs to the end. */
const VALUE = /\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s,"]*))/sy;

/**
 * Splits the value of an authentication header into its schemes. Several may share one header, set apart by the same
 * commas that set apart their parameters (RFC 7235 section 4.1): a word that no `=` follows starts a new scheme.
 * Linear in the length of the text. Of a parameter given twice the first counts; beyond 16 schemes nothing is read.
 */
export function parseAuthItems(value: string): AuthItem[] {
  const items: AuthItem[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(value);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  let parameters = new Map<string, string>();
  while (at < value.length) {
    const word = take(WORD);
    if (word === null) {
      at += 1;
    } else if (word[2] !== undefined) {
      const [, quoted, plain = ''] = take(VALUE) ?? [];
      const name = (word[1] ?? '').toLowerCase();
      if (!parameters.has(name)) parameters.set(name, quoted?.replace(/\\(.)/gs, '$1') ?? plain);
    } else {
      if (items.length >= LIMITS.challenges) break;
      parameters = new Map();
      const token = take(TOKEN)?.[1];
      items.push({
        scheme: (word[1] ?? '').toLowerCase(),
        parameters,
        ...(token === undefined ? {} : { token }),
      });
    }
  }
  return items;
}

/**
 * The challenges that can be answered, in the order sent. Others are left out: unknown schemes and algorithms,
 * `qop=auth-int` alone, a digest without nonce.
 * @param values one string per WWW-Authenticate line
 */
export function parseChallenges(values: readonly string[]): Challenge[] {
  const challenges: Challenge[] = [];
  for (const value of values) {
    for (const item of parseAuthItems(value)) {
      const challenge = challengeOf(item);
      if (challenge !== undefined && challenges.length < LIMITS.challenges) challenges.push(challenge);
    }
  }
  return challenges;
}

function challengeOf({ scheme, parameters }: AuthItem): Challenge | undefined {
  const realm = parameters.get('realm') ?? '';
  if (scheme === 'basic') return { scheme, realm };
  const nonce = parameters.get('nonce');
  if (scheme !== 'digest' || nonce === undefined || nonce === '') return undefined;
  const algorithmName = parameters.get('algorithm') ?? '';
  const algorithm = algorithmNamed(algorithmName);
  if (algorithmName !== '' && algorithm === undefined) return undefined;
  const qops = (parameters.get('qop') ?? '').split(',').map((qop) => qop.trim().toLowerCase());
  const qop = qops.includes('auth') ? ('auth' as const) : undefined;
  if (qop === undefined && qops.includes('auth-int')) return undefined;
  const opaque = parameters.get('opaque');
  const stale = parameters.get('stale');
  return {
    scheme,
    realm,
    nonce,
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(qop === undefined ? {} : { qop }),
    ...(opaque === undefined ? {} : { opaque }),
    ...(stale === undefined ? {} : { stale: stale.toLowerCase() === 'true' }),
  };
}

/**
 * The strongest challenge: SHA-256, then MD5, then (where the route allows passwords in clear text) Basic.
 * Of equals the first.
 */
export function chooseChallenge(
  challenges: readonly Challenge[],
  options: { readonly allowBasic: boolean },
): Challenge | undefined {
  for (const algorithm of [...ALGORITHMS, undefined]) {
    const match = challenges.find((c) => c.scheme === 'digest' && c.algorithm === algorithm);
    if (match !== undefined) return match;
  }
  return options.allowBasic ? challenges.find((c) => c.scheme === 'basic') : undefined;
}
