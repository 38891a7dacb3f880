/** One title under Poisson arrivals, everybody from the beginning to the end. */
export interface Demand {
  /** Length. */
  readonly seconds: number;
  /** Of it the proxy holds so much, from the beginning. */
  readonly prefixSeconds: number;
  readonly arrivalsPerSecond: number;
}

/*
 * Mean origin bandwidth, in streams: 1 is the bandwidth of one viewer. L: length, P: prefix, S = L - P: suffix, a: arrivals a
 * second. Nobody waits for a start.
 */

/** A stream for each viewer: a S. */
export function noSharing({ seconds, prefixSeconds, arrivalsPerSecond }: Demand): number {
  return arrivalsPerSecond * (seconds - prefixSeconds);
}

/**
 * Viewers who come while the first one of a batch plays the prefix share one suffix: S / (P + 1/a). Without a prefix that is
 * no sharing.
 * Source: Wang, Sen, Adler, Towsley, INFOCOM 2002, section III, suffix batching.
 */
export function batching({ seconds, prefixSeconds, arrivalsPerSecond }: Demand): number {
  return (seconds - prefixSeconds) / (prefixSeconds + 1 / arrivalsPerSecond);
}

/**
 * Patching with the optimal threshold: a viewer who comes t after the last full suffix began its cycle, t <= T, joins it and is
 * sent what it missed, max(0, t - P), by a stream of its own; the next one after T starts a cycle. With y = T - P the bandwidth is
 *
 *     B(y) = (S + a y^2 / 2) / (y + P + 1/a),   least at   y = sqrt((P + 1/a)^2 + 2 S / a) - (P + 1/a),   where   B = a y
 *
 * which without a prefix is the well-known T = (sqrt(1 + 2 a L) - 1) / a.
 * Source: Gao and Towsley, "Supplying instantaneous video-on-demand services using controlled multicast", ICMCS 1999, for the
 * threshold; Wang, Sen, Adler, Towsley, INFOCOM 2002, for patching of a suffix.
 */
export function patching({ seconds, prefixSeconds, arrivalsPerSecond }: Demand): number {
  const offset = prefixSeconds + 1 / arrivalsPerSecond;
  const suffix = seconds - prefixSeconds;
  const y = Math.sqrt(offset ** 2 + (2 * suffix) / arrivalsPerSecond) - offset;
  return arrivalsPerSecond * y;
}

/**
 * The least with which an origin can serve everybody at once by multicast, with viewers who keep whatever they may need later:
 * the integral of dx / (x + 1/a) over the suffix, ln((1 + a L) / (1 + a P)).
 * Source: Eager, Vernon, Zahorjan, "Minimizing bandwidth requirements for on-demand data delivery", IEEE Transactions on
 * Knowledge and Data Engineering 13(5), 2001.
 */
export function multicastBound({ seconds, prefixSeconds, arrivalsPerSecond }: Demand): number {
  return Math.log((1 + arrivalsPerSecond * seconds) / (1 + arrivalsPerSecond * prefixSeconds));
}

/**
 * The least with which a proxy can do it that forgets what none of its present viewers will need. What the viewer before has
 * still to play is held when the next one comes, a gap g later; [P, g) is not, and of a viewer who is alone nothing is. So an
 * arrival costs min(max(g - P, 0), S), and with exponential gaps the bandwidth is
 *
 *     a (integral from P to L of e^(-a g) dg) = e^(-a P) - e^(-a L)
 *
 * Multicast needs more because its viewers cannot give each other what they hold.
 */
export function retainingBound({ seconds, prefixSeconds, arrivalsPerSecond }: Demand): number {
  return Math.exp(-arrivalsPerSecond * prefixSeconds) - Math.exp(-arrivalsPerSecond * seconds);
}
