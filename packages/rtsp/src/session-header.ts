import { RtspError } from './errors.js';
import type { RtspParty } from './errors.js';
import { LIMITS } from './limits.js';

export interface SessionHeader {
  readonly id: string;
  readonly timeoutSeconds?: number;
}

/**
 * Session id and, from an origin, its timeout. Tolerates what cameras send: spaces before the id
 * (Hikvision, `hikvision_setup.txt`), a space after the semicolon (`gw_main_play.txt`), unknown parameters.
 * The timeout is clamped to 10..3600 s: zero would end the session at once, and above 2^31 ms a Node timer fires
 * at once. An unreadable timeout counts as absent (60 s by RFC 2326 section 12.37).
 * @throws {RtspError} `session` when the id is empty, holds blanks or control characters, or exceeds 128 characters
 */
export function parseSession(value: string, party: RtspParty = 'viewer'): SessionHeader {
  const [rawId = '', ...parameters] = value.split(';', 8);
  const id = rawId.trim();
  if (id.length > LIMITS.sessionIdChars) throw new RtspError(party, 'session', { detail: 'id too long' });
  if (!/^[\x21-\x7e]+$/.test(id)) throw new RtspError(party, 'session', { detail: 'unusable id' });
  for (const parameter of parameters) {
    const timeout = /^\s*timeout\s*=\s*"?(-?\d{1,20})/i.exec(parameter)?.[1];
    if (timeout !== undefined) return { id, timeoutSeconds: clampTimeout(Number(timeout)) };
  }
  return { id };
}

function clampTimeout(seconds: number): number {
  const { least, most } = LIMITS.sessionTimeoutSeconds;
  return Math.min(most, Math.max(least, seconds));
}

/** @param timeoutSeconds whole seconds; left out of the header when undefined */
export function formatSession(id: string, timeoutSeconds?: number): string {
  return timeoutSeconds === undefined ? id : `${id};timeout=${timeoutSeconds}`;
}
