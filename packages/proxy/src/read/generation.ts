import { createHash } from 'node:crypto';
import type { OriginDescription } from '../origin/description.js';
import type { Entry } from './entries.js';

/**
 * Names a generation: the same title described alike is the same generation, also after a restart, unless another one was found
 * under that description.
 */
export function generationOf(key: string, fingerprint: string, edition: number): string {
  const hash = createHash('sha256').update(`${key}\n${fingerprint}`);
  if (edition > 0) hash.update(`\n${edition}`);
  return hash.digest('hex').slice(0, 32);
}

/** What the origin names the present state of a title by, if it does. Source: RFC 2326 sections 12.22 and 12.24. */
export function validatorOf({ etag, lastModified }: OriginDescription): string | undefined {
  return etag ?? lastModified;
}

/**
 * Described as before, but by another state of the title. Some origins name another one with every answer: one is believed
 * that has named the same twice, a minute or more apart.
 */
export function isReplaced({ title, keepsValidator }: Entry, origin: OriginDescription): boolean {
  const [before, now] = [validatorOf(title.origin), validatorOf(origin)];
  return keepsValidator && !title.live && before !== undefined && now !== undefined && now !== before;
}
