import { setImmediate } from 'node:timers/promises';
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { cpuUsage, memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DEFAULT_OPTIONS, PopularityPolicy, type SegmentFacts } from '@forebay/cache';
import { Random } from './random.js';

const SEGMENT_SECONDS = 8;
const TITLE_SEGMENTS = 100;
const SEGMENT_BYTES = 2_000_000;
const DECISIONS = 200_000;
/** What runs before anything is measured: the compiler's work on code that runs for the first time is no part of a decision. */
const WARM_UP = { held: 200_000, decisions: 100_000 } as const;
/** Requests of a session in the VoD workload. */
const SESSION_SEGMENTS = 41;
/** Calls that took longer than this are looked at: was the collector at work in them? */
const SLOW_MS = 0.5;
/** Calls between two turns of the event loop. */
const TURN = 20_000;

export interface Cost {
  readonly held: number;
  readonly decisions: number;
  /** Processor time of a session, its first segment and one decision. */
  readonly microsPerDecision: number;
  /** Of a session and its first segment alone. */
  readonly microsPerSession: number;
  /** Of a request where a session asks for 41 segments, as in the VoD workload, and each is decided on. */
  readonly microsPerRequest: number;
  /** Longest single call, of those in which the collector was not at work: of the growth to `held`, of the decisions, of the slices of a saved state. */
  readonly longestMs: { readonly growth: number; readonly decision: number; readonly savedSlice: number };
  /** Longest pause of the garbage collector in all that. */
  readonly longestPauseMs: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Times calls, and tells their own time from the collector's. */
class Stopwatch {
  readonly pauses: Span[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      this.pauses.push({ from: entry.startTime, to: entry.startTime + entry.duration });
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Runs `step` for 0..count-1. @returns the longest call in milliseconds: by the clock or by the processor time of all threads, whichever is less; the thread's own is below both. */
  async longest(count: number, step: (i: number) => void): Promise<number> {
    const slow: (Span & { readonly spentMs: number })[] = [];
    for (let i = 0; i < count; i++) {
      const from = performance.now();
      const begun = cpuUsage();
      step(i);
      const { user, system } = cpuUsage(begun);
      const to = performance.now();
      const spentMs = Math.min((user + system) / 1000, to - from);
      if (spentMs > SLOW_MS) slow.push({ from, to, spentMs });
      if (i % TURN === 0) await setImmediate();
    }
    await setImmediate();
    await setImmediate();
    const own = slow.filter((call) => !this.pauses.some((p) => p.from < call.to && p.to > call.from));
    return own.reduce((most, call) => Math.max(most, call.spentMs), 0);
  }

  stop(): void {
    this.#observer.disconnect();
  }
}

/**
 * Cost of a decision of the serving policy with `held` segments of `held / 100` titles; with every decision comes a session and its
 * first segment, unless said.
 */
export async function measureCost(held: number): Promise<Cost> {
  await measured(WARM_UP.held, WARM_UP.decisions);
  return await measured(held, DECISIONS);
}

async function measured(held: number, decisions: number): Promise<Cost> {
  const titles = 2 * Math.ceil(held / TITLE_SEGMENTS);
  const policy = new PopularityPolicy({ titles: 2 * titles });
  const names = Array.from({ length: titles }, (_, t) => nameOf(t));
  const random = new Random(9);
  const watch = new Stopwatch();
  let now = 0;
  const view = (title: number): void => {
    now += 0.5;
    policy.sessionStarted(1, startOf(names[title]!), now);
    policy.sessionReached(1, SEGMENT_SECONDS * (1 + random.below(TITLE_SEGMENTS)), now);
    policy.sessionEnded(1, now);
  };
  const growth = await watch.longest(held, (i) => {
    if (i % TITLE_SEGMENTS === 0) for (let k = 0; k < 2; k++) view((2 * i) / TITLE_SEGMENTS + k);
    policy.hold(factsOf(names[Math.floor(i / TITLE_SEGMENTS)]!, i % TITLE_SEGMENTS), now);
  });
  const anyTitle = (): number => Math.floor(titles * random.next() ** 2);
  const offer = (title: number, segment: number): void => {
    const facts = factsOf(names[title]!, segment);
    const decided = policy.decide(facts, 0, now);
    if (!decided.admitted) return;
    for (const victim of decided.victims) policy.dropped(victim);
    policy.hold(facts, now);
  };
  const decide = (): void => {
    const title = anyTitle();
    view(title);
    offer(title, random.below(TITLE_SEGMENTS));
  };
  const watchSession = (): void => {
    const title = anyTitle();
    view(title);
    for (let segment = 0; segment < SESSION_SEGMENTS; segment++) offer(title, segment);
  };
  const decision = await watch.longest(decisions, decide);
  const microsPerDecision = microsOf(decisions, decide);
  const microsPerSession = microsOf(decisions, () => view(anyTitle()));
  const sessions = Math.ceil(decisions / SESSION_SEGMENTS);
  const microsPerRequest = microsOf(sessions, watchSession) / SESSION_SEGMENTS;
  const slices = policy.saving();
  let done = false;
  const savedSlice = await watch.longest(100, () => {
    if (!done) done = slices.next().done === true;
  });
  watch.stop();
  return {
    held,
    decisions,
    microsPerDecision,
    microsPerSession,
    microsPerRequest,
    longestMs: { growth, decision, savedSlice },
    longestPauseMs: watch.pauses.reduce((most, p) => Math.max(most, p.to - p.from), 0),
  };
}

/** Processor time of one of `count` steps. */
function microsOf(count: number, step: () => void): number {
  const begun = cpuUsage();
  for (let i = 0; i < count; i++) step();
  const { user, system } = cpuUsage(begun);
  return (user + system) / count;
}

function nameOf(title: number): string {
  return `rtsp://origin.example:554/library/title-${title}`;
}

/** A session from the beginning. */
function startOf(title: string): Parameters<PopularityPolicy['sessionStarted']>[1] {
  const titleDurationSeconds = TITLE_SEGMENTS * SEGMENT_SECONDS;
  return { title, startSeconds: 0, titleDurationSeconds, viewerAddress: '' };
}

function factsOf(title: string, segment: number): SegmentFacts {
  return {
    title,
    segment,
    startSeconds: segment * SEGMENT_SECONDS,
    durationSeconds: SEGMENT_SECONDS,
    bytes: SEGMENT_BYTES,
    titleDurationSeconds: TITLE_SEGMENTS * SEGMENT_SECONDS,
  };
}

/** What the serving policy keeps: growth of the heap and of array buffers after a collection. */
export interface Memory {
  /** Of a title known, all tables and indices together, without the name itself. */
  readonly bytesPerTitle: number;
  readonly bytesPerSegment: number;
}

/** Fills a policy with as many titles as it remembers by default, then with `held` segments. */
export function measureMemory(held: number): Memory {
  const { titles } = DEFAULT_OPTIONS;
  // As they come from the wire, not as parts to be put together when they are first needed.
  const names = Array.from({ length: titles }, (_, t) => Buffer.from(nameOf(t)).toString());
  const collect = collector();
  const before = used(collect);
  const policy = new PopularityPolicy();
  for (const [t, title] of names.entries()) {
    policy.sessionStarted(1, startOf(title), t);
    policy.sessionReached(1, SEGMENT_SECONDS, t);
    policy.sessionEnded(1, t);
  }
  const known = used(collect);
  for (let i = 0; i < held; i++) policy.hold(factsOf(names[i % titles]!, Math.floor(i / titles)), titles);
  const full = used(collect);
  // Both are used once more, lest they are collected before.
  policy.sessionEnded(1, titles);
  return { bytesPerTitle: (known - before) / names.length, bytesPerSegment: (full - known) / held };
}

function used(collect: () => void): number {
  // Twice: what the first one finds unused may be given back only after it.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = memoryUsage();
  return heapUsed + arrayBuffers;
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
