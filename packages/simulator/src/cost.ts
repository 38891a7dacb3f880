import { cpuUsage } from 'node:process';
import { DEFAULT_OPTIONS, PopularityEngine } from '@forebay/cache';
import { Random } from './random.js';

const SEGMENT_SECONDS = 8;
const TITLE_SEGMENTS = 100;
const DECISIONS = 200_000;

export interface Cost {
  readonly held: number;
  readonly microsPerDecision: number;
  /** Longest single decision by the wall clock, in milliseconds; on a busy machine, that of the machine. */
  readonly longestMs: number;
}

/** Cost of a decision with `held` segments of `held / 100` titles; every decision is a session, its first segment and an offer. */
export function measureCost(held: number): Cost {
  const titles = Math.ceil(held / TITLE_SEGMENTS);
  const engine = new PopularityEngine({ ...DEFAULT_OPTIONS, titles: 2 * titles + 2 }, () => {});
  const random = new Random(9);
  const slots = Array.from({ length: 2 * titles }, (_, i) =>
    engine.open(i + 1, TITLE_SEGMENTS * SEGMENT_SECONDS, 0),
  );
  let now = 0;
  const watch = (slot: number): void => {
    now += 0.5;
    const viewer = engine.start(slot, 0, 1, now);
    engine.reached(viewer, SEGMENT_SECONDS * (1 + random.below(TITLE_SEGMENTS)), now);
    engine.end(viewer);
  };
  for (const slot of slots) watch(slot);
  for (let i = 0; i < held; i++)
    engine.hold(slots[Math.floor(i / TITLE_SEGMENTS)]!, extent(i % TITLE_SEGMENTS), now);
  let longestMs = 0;
  const begun = cpuUsage();
  for (let i = 0; i < DECISIONS; i++) {
    const before = performance.now();
    const slot = slots[Math.floor(slots.length * random.next() ** 2)]!;
    watch(slot);
    const part = extent(random.below(TITLE_SEGMENTS));
    const value = engine.value(slot, part.startSeconds, part.durationSeconds, now) / part.bytes;
    const victim = engine.admit(value, -1, now);
    if (victim >= 0) {
      engine.drop(victim);
      engine.hold(slot, part, now);
    }
    longestMs = Math.max(longestMs, performance.now() - before);
  }
  const spent = cpuUsage(begun);
  return { held, microsPerDecision: (spent.user + spent.system) / DECISIONS, longestMs };
}

function extent(at: number): { startSeconds: number; durationSeconds: number; bytes: number } {
  return { startSeconds: at * SEGMENT_SECONDS, durationSeconds: SEGMENT_SECONDS, bytes: 2_000_000 };
}
