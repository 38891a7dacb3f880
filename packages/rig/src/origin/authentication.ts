import { createHash, randomBytes } from 'node:crypto';
import type { RtspRequest } from '@forebay/rtsp';
import type { OriginAccess } from './faults.js';

const REALM = 'forebay rig';

/** Checks the credentials of one origin's viewers; on its own, so that it does not agree with a wrong client by sharing its code. */
export class Gatekeeper {
  #nonce = '';
  #uses = 0;

  /** @returns undefined for a request that may pass, else the value of WWW-Authenticate */
  challenge(request: RtspRequest, access: OriginAccess): string | undefined {
    const given = request.headers.get('Authorization') ?? '';
    if (access.scheme === 'basic') {
      const token = Buffer.from(`${access.username}:${access.password}`).toString('base64');
      return given === `Basic ${token}` ? undefined : `Basic realm="${REALM}"`;
    }
    const isStale = this.#uses >= (access.nonceUses ?? Infinity);
    const isRight = this.#nonce !== '' && this.#isRight(given, request.method, access);
    if (isRight && !isStale) {
      this.#uses += 1;
      return undefined;
    }
    this.#nonce = randomBytes(16).toString('hex');
    this.#uses = 0;
    const algorithm = access.algorithm === undefined ? '' : `, algorithm=${access.algorithm}`;
    const qop = access.qop === true ? ', qop="auth"' : '';
    const stale = isRight ? ', stale=TRUE' : '';
    return `Digest realm="${REALM}", nonce="${this.#nonce}"${algorithm}${qop}${stale}`;
  }

  /** Source: RFC 7616 section 3.4.1, RFC 2069 section 2.1.2 */
  #isRight(given: string, method: string, access: OriginAccess): boolean {
    if (!given.startsWith('Digest ')) return false;
    const field = (name: string): string =>
      new RegExp(`[ ,]${name}=(?:"([^"]*)"|([^ ,"]+))`)
        .exec(given)
        ?.slice(1)
        .find((text) => text !== undefined) ?? '';
    const hash = (...parts: string[]): string =>
      createHash(access.algorithm === 'SHA-256' ? 'sha256' : 'md5')
        .update(parts.join(':'))
        .digest('hex');
    const user = hash(access.username, REALM, access.password);
    const what = hash(method, field('uri'));
    const expected =
      access.qop === true
        ? hash(user, this.#nonce, field('nc'), field('cnonce'), 'auth', what)
        : hash(user, this.#nonce, what);
    return (
      field('username') === access.username &&
      field('nonce') === this.#nonce &&
      field('response') === expected
    );
  }
}
