import { Random } from './random.js';
import { type Truth, type Workload, workload } from './workload.js';

/** Every parameter of the video-on-demand workload; sources in docs/popularity.md, "Workloads". */
const VOD = {
  days: 28,
  sessionsPerDay: 14_065,
  segmentBytes: 8_000_000,
  firstTitles: 3000,
  birthsPerDay: 35,
  birthHour: 18,
  zipfAlpha: 0.9,
  zipfShift: 20,
  lifeMedianDays: 9,
  lifeSigma: 1,
  baseLow: 0.1,
  baseHigh: 0.35,
  boost: 3,
  viewMedianSeconds: 540,
  viewTitleSigma: 0.5,
  viewSigma: 1.55,
  completionBeta: [0.48, 5.5],
  seekShare: 0.12,
  seekReach: 0.9,
  gammaShape: 60,
  weekend: 1.2,
  weekday: 0.92,
} as const;

/** Demand by hour of the day, mean 1. */
const HOURS = [
  1.1, 0.7, 0.4, 0.22, 0.15, 0.16, 0.24, 0.36, 0.5, 0.62, 0.7, 0.8, 0.95, 1, 1, 1.02, 1.1, 1.25, 1.5, 1.9,
  2.3, 2.45, 2.15, 1.55,
] as const;
const BITRATES = [1_200_000, 2_500_000, 4_000_000] as const;
/** Kinds of title: share, median minutes, sigma of the logarithm. With these shares views end as PowerInfo's do. */
const KINDS = [
  { share: 0.3, minutes: 100, sigma: 0.22 },
  { share: 0.2, minutes: 47, sigma: 0.2 },
  { share: 0.5, minutes: 24, sigma: 0.35 },
] as const;
const DAY = 86_400;
const SEED = 3;

export interface VodOptions {
  readonly seed?: number;
  /** Share of the 28 days that is generated. */
  readonly scale?: number;
  /** Births and fading; false: the same titles, equally popular throughout. */
  readonly births?: boolean;
  /** Titles of the beginning; without births all there are. */
  readonly titles?: number;
  readonly sessionsPerDay?: number;
}

interface Catalogue {
  readonly weight: Float64Array;
  readonly bornSeconds: Float64Array;
  readonly lifeSeconds: Float64Array;
  readonly base: Float64Array;
  readonly durationSeconds: Float64Array;
  readonly segmentSeconds: Float64Array;
  readonly viewMedianSeconds: Float64Array;
  readonly completes: Float64Array;
}

/** A generated month of video on demand. */
export function vodWorkload(options: VodOptions = {}): Workload {
  const { seed = SEED, scale = 1, births = true } = options;
  const random = new Random(seed);
  const days = VOD.days * scale;
  const sessionsPerDay = options.sessionsPerDay ?? VOD.sessionsPerDay;
  const catalogue = drawCatalogue(random, days, { births, titles: options.titles });
  const hours = Math.ceil(days * 24);
  const rows: { at: number; title: number; from: number; watched: number }[] = [];
  const perHour: number[] = [];
  const weightSums: number[] = [];
  const cumulative = new Float64Array(catalogue.weight.length);
  for (let hour = 0; hour < hours; hour++) {
    let sum = 0;
    for (let t = 0; t < cumulative.length; t++) {
      sum += catalogue.weight[t]! * appeal(catalogue, t, (hour + 0.5) * 3600);
      cumulative[t] = sum;
    }
    const weekday = Math.floor(hour / 24) % 7;
    const mean = (sessionsPerDay / 24) * HOURS[hour % 24]! * (weekday >= 5 ? VOD.weekend : VOD.weekday);
    perHour.push(mean);
    weightSums.push(sum);
    const count = random.poisson((mean * random.gamma(VOD.gammaShape)) / VOD.gammaShape);
    const from = rows.length;
    for (let i = 0; i < count; i++) {
      const title = lowerBound(cumulative, random.next() * sum);
      rows.push({ at: (hour + random.next()) * 3600, title, ...drawView(random, catalogue, title) });
    }
    const sorted = rows.slice(from).sort((a, b) => a.at - b.at);
    for (let i = 0; i < sorted.length; i++) rows[from + i] = sorted[i]!;
  }
  const truth: Truth = {
    rate: (title, now) => {
      const hour = Math.min(hours - 1, Math.max(0, Math.floor(now / 3600)));
      return (
        ((perHour[hour]! / 3600) * catalogue.weight[title]! * appeal(catalogue, title, now)) /
        weightSums[hour]!
      );
    },
    share: (title, start) => trueShare(catalogue, title, start),
  };
  return workload({
    name: [
      births ? 'vod' : 'vod-stationary',
      ...(seed === SEED ? [] : [`seed-${seed}`]),
      ...(scale === 1 ? [] : [`part-${scale}`]),
      ...(options.titles === undefined ? [] : [`titles-${options.titles}`]),
      ...(options.sessionsPerDay === undefined ? [] : [`sessions-${options.sessionsPerDay}`]),
    ].join('-'),
    segmentBytes: VOD.segmentBytes,
    titles: catalogue,
    sessions: {
      startedSeconds: Float64Array.from(rows, (r) => r.at),
      title: Int32Array.from(rows, (r) => r.title),
      fromSeconds: Float64Array.from(rows, (r) => r.from),
      watchedSeconds: Float64Array.from(rows, (r) => r.watched),
      viewer: new Int32Array(rows.length),
    },
    truth,
  });
}

function drawCatalogue(
  random: Random,
  days: number,
  { births, titles }: { readonly births: boolean; readonly titles: number | undefined },
): Catalogue {
  const first = titles ?? VOD.firstTitles;
  // The catalogue that never changes is as large as the other becomes, unless it is given.
  const born = births || titles === undefined ? Math.round(VOD.birthsPerDay * days) : 0;
  const count = first + born;
  const ranks = Float64Array.from({ length: count }, (_, r) => (r + 1 + VOD.zipfShift) ** -VOD.zipfAlpha);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [ranks[i], ranks[j]] = [ranks[j]!, ranks[i]!];
  }
  const column = (draw: (t: number) => number): Float64Array =>
    Float64Array.from({ length: count }, (_, t) => draw(t));
  const bitrate = column(() => {
    const x = random.next();
    return BITRATES[x < 0.3 ? 0 : x < 0.8 ? 1 : 2];
  });
  return {
    weight: ranks,
    bornSeconds: column((t) => {
      if (!births || t < first) return Number.NEGATIVE_INFINITY;
      const day = Math.floor((t - first) / VOD.birthsPerDay);
      return day * DAY + VOD.birthHour * 3600;
    }),
    lifeSeconds: column(() => DAY * random.lognormal(VOD.lifeMedianDays, VOD.lifeSigma)),
    base: column(() => {
      const base = random.uniform(VOD.baseLow, VOD.baseHigh);
      return births ? base : 1;
    }),
    durationSeconds: column(() => {
      const x = random.next();
      const kind = KINDS[x < KINDS[0].share ? 0 : x < KINDS[0].share + KINDS[1].share ? 1 : 2];
      return Math.min(14_400, Math.max(180, 60 * random.lognormal(kind.minutes, kind.sigma)));
    }),
    segmentSeconds: bitrate.map((b) => (VOD.segmentBytes * 8) / b),
    viewMedianSeconds: column(() => VOD.viewMedianSeconds * random.lognormal(1, VOD.viewTitleSigma)),
    completes: column(() => random.beta(...VOD.completionBeta)),
  };
}

/** How much of its weight a title has at an instant: releases fade from a boosted start, the titles of the beginning have faded to their base. */
function appeal(c: Catalogue, title: number, now: number): number {
  const base = c.base[title]!;
  const age = now - c.bornSeconds[title]!;
  if (age < 0) return 0;
  if (age === Number.POSITIVE_INFINITY) return base;
  return VOD.boost * (base + (1 - base) * Math.exp(-age / c.lifeSeconds[title]!));
}

function drawView(random: Random, c: Catalogue, title: number): { from: number; watched: number } {
  const duration = c.durationSeconds[title]!;
  const from = random.next() < VOD.seekShare ? random.uniform(0, VOD.seekReach) * duration : 0;
  const stays = random.next() < c.completes[title]!;
  const watched = stays ? duration : random.lognormal(c.viewMedianSeconds[title]!, VOD.viewSigma);
  return { from, watched: Math.min(watched, duration - from) };
}

/** Chance that a view lasts longer than `seconds`. */
function lasts(c: Catalogue, title: number, seconds: number): number {
  if (seconds <= 0) return 1;
  const completes = c.completes[title]!;
  return (
    completes + (1 - completes) * normalTail(Math.log(seconds / c.viewMedianSeconds[title]!) / VOD.viewSigma)
  );
}

function trueShare(c: Catalogue, title: number, start: number): number {
  const reach = VOD.seekReach * c.durationSeconds[title]!;
  const steps = 8;
  let sought = 0;
  const until = Math.min(start, reach);
  for (let i = 0; i < steps; i++)
    sought += (lasts(c, title, start - ((i + 0.5) / steps) * until) * until) / reach / steps;
  return (1 - VOD.seekShare) * lasts(c, title, start) + VOD.seekShare * sought;
}

/** Upper tail of the normal distribution. Source: Abramowitz, Stegun 26.2.17, error below 7.5e-8. */
function normalTail(x: number): number {
  if (x < 0) return 1 - normalTail(-x);
  const t = 1 / (1 + 0.2316419 * x);
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * poly;
}

function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
