const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const SECOND_UNITS: Readonly<Record<string, number>> = {
  ms: 0.001,
  '': 1,
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
};

/**
 * A size as people write it: `10GB` (powers of 1000), `256MiB` (powers of 1024), `1.5 tb`, `4096`.
 *
 * @returns whole bytes
 * @throws RangeError that says which spellings are understood
 */
export function parseBytes(text: string): number {
  const bytes = Math.floor(parseQuantity(text, BYTE_UNITS, 'a size such as 10GB, 256MiB or 4096'));
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`'${text}' is more bytes than can be counted`);
  return bytes;
}

/** What is smaller than this has lost its unit: less than a second of video. */
const FORGOTTEN_UNIT_BYTES = 1e6;

/**
 * The limit of the disk cache. Less than 64 MB holds too few segments to be of use, and what is written down beside them may be
 * more than a very small limit.
 *
 * @returns bytes; 0: none
 * @throws RangeError that says what to write
 */
export function parseCacheSize(text: string): number {
  return parseLimit(text, { text: '64MB', bytes: 64e6, usual: '10GB' });
}

/**
 * The limit of the RAM cache. Below 16 MB it does not hold a segment of each of a few titles.
 *
 * @returns bytes; 0: none
 * @throws RangeError that says what to write
 */
export function parseRamSize(text: string): number {
  return parseLimit(text, { text: '16MB', bytes: 16e6, usual: '256MB' });
}

function parseLimit(text: string, least: { text: string; bytes: number; usual: string }): number {
  const bytes = parseBytes(text);
  if (bytes === 0 || bytes >= least.bytes) return bytes;
  throw new RangeError(
    bytes < FORGOTTEN_UNIT_BYTES
      ? `${bytes} bytes hold no segment; write ${least.usual}, or 0 for none`
      : `'${text}' holds too few segments; write ${least.text} or more, or 0 for none`,
  );
}

/**
 * A time span: `500ms`, `30s`, `2m`, `1.5h`, `1d`; a bare number is seconds.
 *
 * @throws RangeError that says which spellings are understood
 */
export function parseSeconds(text: string): number {
  return parseQuantity(text, SECOND_UNITS, 'a time such as 500ms, 30s or 2m');
}

/** `1.50 GB`: three figures at most, powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let figure = bytes;
  let unit = 0;
  while (unit < units.length - 1 && figure >= 999.5) {
    figure /= 1000;
    unit++;
  }
  const decimals = unit === 0 || figure >= 99.95 ? 0 : figure >= 9.995 ? 1 : 2;
  return `${figure.toFixed(decimals)} ${units[unit]}`;
}

/** A position or length of media: `7.5 s`, `1:05`, `2:00:00`. */
export function formatSpan(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${twoFigures(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${twoFigures(minutes % 60)}:${twoFigures(whole % 60)}`;
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>, expected: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]{0,3})$/i.exec(text.trim());
  const unit = match === null ? undefined : units[(match[2] ?? '').toLowerCase()];
  if (match === null || unit === undefined) throw new RangeError(`'${text}' is not ${expected}`);
  return Number(match[1]) * unit;
}

function twoFigures(figure: number): string {
  return String(figure).padStart(2, '0');
}
