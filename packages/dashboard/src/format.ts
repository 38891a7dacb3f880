const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Three digits and a prefix: 1536 is `1.54 k`. */
function short(value: number): string {
  let unit = 0;
  let rest = Math.max(0, value);
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit++;
  }
  const digits = rest >= 100 || Number.isInteger(rest) ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${UNITS[unit]}`;
}

export const bytes = (value: number): string => `${short(value)}B`;

/** @param value bytes a second */
export const bitRate = (value: number): string => `${short(8 * value)}bit/s`;

export const count = (value: number): string => Math.round(value).toLocaleString('en');

export const percent = (share: number): string =>
  `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

export function milliseconds(value: number | undefined): string {
  if (value === undefined) return '\u2013';
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Of a length: `1:02:03`, `2:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** Of a time that has passed: `3 d 4 h`, `12 min`. */
export function elapsed(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
