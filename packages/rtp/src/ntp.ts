/** Seconds from 1900-01-01 (NTP) to 1970-01-01 (Unix). Source: RFC 5905 figure 4. */
const UNIX_EPOCH_NTP_SECONDS = 2208988800;
const TWO_32 = 2 ** 32;

/** A 64-bit NTP timestamp: seconds since 1900 modulo 2^32, and the fraction of a second in units of 2^-32 s. */
export interface NtpTime {
  readonly seconds: number;
  readonly fraction: number;
}

/**
 * NTP time of a Unix time. After 2036-02-07T06:28:16Z the seconds start again from zero (era 1).
 * Source: RFC 3550 section 4, RFC 5905 section 6.
 * @param unixMs milliseconds since 1970, fractions welcome
 */
export function ntpFromUnix(unixMs: number): NtpTime {
  const wholeSeconds = Math.floor(unixMs / 1000);
  const fraction = Math.round(((unixMs - wholeSeconds * 1000) / 1000) * TWO_32);
  const carry = fraction === TWO_32 ? 1 : 0;
  return {
    seconds: (wholeSeconds + UNIX_EPOCH_NTP_SECONDS + carry) >>> 0,
    fraction: carry === 1 ? 0 : fraction,
  };
}

/**
 * Unix time of an NTP timestamp. Seconds with the top bit set are of era 0 (1968 to 2036), the others of era 1
 * (2036 to 2104). Source: RFC 4330 section 3.
 * @returns milliseconds since 1970, with fractions
 */
export function unixFromNtp(seconds: number, fraction: number): number {
  const eraSeconds = seconds >= 0x80000000 ? 0 : TWO_32;
  return (eraSeconds + seconds - UNIX_EPOCH_NTP_SECONDS) * 1000 + (fraction / TWO_32) * 1000;
}
