import { RtspError } from './errors.js';

/** More than any player asks for, and exact as a number. */
const MOST = 1000;

/**
 * The value of Scale or Speed. Source: RFC 2326 section 12.34, 12.35
 *
 * @throws {RtspError} `scale`, `speed` (400) when malformed or out of bounds, when 0, and for a negative speed
 */
export function parseRatio(header: 'scale' | 'speed', text: string): number {
  const match = /^\s*([-+]?(?:\d{1,4}(?:\.\d{0,20})?|\.\d{1,20}))\s*$/.exec(text);
  const ratio = match === null ? 0 : Number(match[1]);
  if (ratio === 0 || Math.abs(ratio) > MOST || (header === 'speed' && ratio < 0))
    throw new RtspError('viewer', header);
  return ratio;
}

/** As it stands in a header: at most 3 decimals. */
export function formatRatio(ratio: number): string {
  return ratio.toFixed(3).replace(/\.?0+$/, '');
}
