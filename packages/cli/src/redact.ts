const HIDDEN = '[redacted]';
const SECRET_KEYS = /^(?:password|credentials|authorization|proxyauthorization|secret|token)$/i;
const MAX_DEPTH = 6;

/** Shorter secrets are only hidden by the name of their field: replacing them would tear words apart. */
const MIN_SECRET_LENGTH = 4;

/** Names of parameters that carry who somebody is, in queries and in the paths of recorders that put them there. */
const SECRET_NAMES =
  'user|username|usr|login|pass|passw|passwd|password|pwd|auth|authorization|token|access_token|secret|sig|signature|apikey|api_key|key|jwt|session|sessionid|sid|ticket';

/** `name=value` at the start of a path segment or parameter; a value ends there too, or where `_name=` follows. */
const SECRETS = new RegExp(`(?<=[/?&;_])(${SECRET_NAMES})=[^/?&;]*?(?=$|[/?&;]|_[a-z]+=)`, 'gi');

/** A path and query without the values of parameters that carry who somebody is. */
export function withoutSecrets(title: string): string {
  return title.replace(SECRETS, '$1=');
}

/** Returns a copy of a value in which nothing secret is left. */
export type Redactor = (value: unknown) => unknown;

/**
 * A redactor that hides fields with telling names, user names and passwords inside URLs and their parameters, `Authorization` values
 * and every literal in `secrets`, wherever they stand. Errors become plain objects; their causes are kept.
 */
export function redactor(secrets: readonly string[]): Redactor {
  const literals = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH);
  const text = (plain: string): string => {
    let clean = withoutSecrets(plain)
      .replace(/\b(rtspu?s?|https?):\/\/[^\s/@"']+@/gi, '$1://')
      .replace(/\bDigest\s+\w+=[^\r\n]+/gi, `Digest ${HIDDEN}`)
      .replace(/\bBasic\s+([\w+/-]+=*)/gi, (match, token: string) =>
        Buffer.from(token, 'base64').includes(':') ? `Basic ${HIDDEN}` : match,
      );
    for (const literal of literals) clean = clean.replaceAll(literal, HIDDEN);
    return clean;
  };
  const visit = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return text(value);
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= MAX_DEPTH) return '[deep]';
    if (value instanceof Error) return visit(plainError(value), depth);
    if (Array.isArray(value)) return value.map((item) => visit(item, depth + 1));
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    const entries = Object.entries(value).map(([key, item]) => [
      key,
      SECRET_KEYS.test(key) && item !== undefined ? HIDDEN : visit(item, depth + 1),
    ]);
    return Object.fromEntries(entries) as unknown;
  };
  return (value) => visit(value, 0);
}

function plainError(error: Error): object {
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? { code: error.code } : {};
  return { name, ...code, message, stack, ...(cause === undefined ? {} : { cause }) };
}
