import { Random } from './random.js';
import type { Sessions, Titles } from './workload.js';

/** Clip model for traces that name only the object. Sources: docs/popularity.md, "Workloads". */
export const CLIP = {
  segmentBytes: 512 * 1024,
  bitrateBps: 330_000,
  durationMedianSeconds: 165,
  durationSigma: 0.85,
  shortestSeconds: 10,
  longestSeconds: 660,
  completionBeta: [1.5, 3.5],
  leaverMeanShare: 0.18,
} as const;

/** Draws durations, completion probabilities and viewed parts for a trace of (time, title). */
export function clipSessions(
  times: Float64Array,
  title: Int32Array,
  viewer: Int32Array,
  seed: number,
): { titles: Titles; sessions: Sessions } {
  const count = title.reduce((most, t) => Math.max(most, t + 1), 0);
  const random = new Random(seed);
  const durationSeconds = new Float64Array(count);
  const completes = new Float64Array(count);
  for (let t = 0; t < count; t++) {
    const drawn = random.lognormal(CLIP.durationMedianSeconds, CLIP.durationSigma);
    durationSeconds[t] = Math.min(CLIP.longestSeconds, Math.max(CLIP.shortestSeconds, drawn));
    completes[t] = random.beta(...CLIP.completionBeta);
  }
  const watchedSeconds = new Float64Array(times.length);
  for (let s = 0; s < times.length; s++) {
    const duration = durationSeconds[title[s]!]!;
    const stays = random.next() < completes[title[s]!]!;
    watchedSeconds[s] = stays
      ? duration
      : Math.min(duration, random.exponential(CLIP.leaverMeanShare * duration));
  }
  return {
    titles: {
      durationSeconds,
      segmentSeconds: new Float64Array(count).fill((CLIP.segmentBytes * 8) / CLIP.bitrateBps),
    },
    sessions: {
      startedSeconds: times,
      title,
      fromSeconds: new Float64Array(times.length),
      watchedSeconds,
      viewer,
    },
  };
}
