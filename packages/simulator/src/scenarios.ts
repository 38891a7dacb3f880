import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_OPTIONS } from '@forebay/cache';
import { drawChart } from './chart.js';
import { Forebay } from './forebay.js';
import { BIN_SECONDS, type Outcome, replay } from './replay.js';
import { POLICIES, type PolicyName } from './policies.js';
import { Random } from './random.js';
import type { Rival } from './rivals/rival.js';
import { vodWorkload } from './vod.js';
import { requestSeconds, type Sessions, type Workload, workload } from './workload.js';

const DAY = 86_400;
const HOUR = 3600;
const SIZE = 0.05;
const SCALE = 0.25;
const BEGIN = 4 * DAY;
const HARM_SECONDS = 600;
const FLASH_SESSIONS = 3000;
const FLASH_SECONDS = 2 * HOUR;
const FLASH_MINUTES = FLASH_SECONDS / 60;
const SCANNER = 1;
const FAKER = 2;
/** Addresses of the crowd, one each. */
const CROWD = 1000;
const AFTERMATH_SECONDS = 6 * HOUR;
const LEARNED_RATIO = 0.9;

/** What a disturbance did to everybody else. */
export interface Finding {
  readonly scenario: string;
  readonly policy: string;
  /** What is measured, and the number. */
  readonly measure: string;
  readonly value: number;
}

interface Extra {
  readonly at: number;
  readonly title: number;
  readonly watched: number;
  readonly viewer: number;
}

/**
 * A week of generated video on demand, disturbed: by a flash crowd, a scan, fake demand, its own daily rhythm and a clock that jumps.
 * Writes a plot of each and `scenarios.json` into a folder.
 */
export async function runScenarios(folder: string, print: (line: string) => void): Promise<void> {
  await mkdir(folder, { recursive: true });
  const base = vodWorkload({ scale: SCALE });
  const capacity = Math.floor(SIZE * base.footprint);
  const findings: Finding[] = [];
  const note = (finding: Finding): void => {
    findings.push(finding);
    print(
      `${finding.scenario.padEnd(12)} ${finding.policy.padEnd(10)} ${finding.measure}: ${finding.value.toFixed(4)}`,
    );
  };
  const policies = ['forebay', 'wtinylfu', 's3fifo', 'lru'] as const;
  const quiet = new Map(policies.map((p) => [p, run(base, p, capacity)]));
  const random = new Random(11);
  const cold = coldTitles(base);
  const disturbances = {
    flash: disturbed(base, flashCrowd(random, cold[0] ?? 0)),
    scan: disturbed(
      base,
      harm(SCANNER, 12 * HOUR, 30, (i) => cold[i % cold.length]!),
    ),
    'fake-demand': disturbed(
      base,
      harm(FAKER, 2 * DAY, 20, (i) => cold[i % 20]!),
    ),
  } as const;
  for (const [scenario, w] of Object.entries(disturbances)) {
    const outcomes = new Map(policies.map((p) => [p, run(w, p, capacity)]));
    for (const p of policies) {
      const [before, after] = [quiet.get(p)!, outcomes.get(p)!];
      if (scenario === 'flash') {
        const bins = [BEGIN / BIN_SECONDS, (BEGIN + AFTERMATH_SECONDS) / BIN_SECONDS] as const;
        const loss = ratioOver(before, ...bins) - ratioOver(after, ...bins);
        note({
          scenario,
          policy: p,
          measure: 'loss of the others over six hours, points',
          value: 100 * loss,
        });
        note({
          scenario,
          policy: p,
          measure: 'minutes until the crowd is served',
          value: minutesToServe(w, p, capacity),
        });
        continue;
      }
      const value = 100 * (before.byteHitRatio - after.byteHitRatio);
      note({ scenario, policy: p, measure: 'loss of the others, points', value });
    }
    await plot(join(folder, `scenario-${scenario}.svg`), scenario, outcomes);
  }
  await plot(join(folder, 'scenario-daily-rhythm.svg'), 'daily rhythm', quiet);
  for (const p of policies)
    note({
      scenario: 'daily',
      policy: p,
      measure: 'best less worst quarter of the day, points',
      value: 100 * byDayTime(quiet.get(p)!),
    });
  const jumping = new Forebay(base, capacity, DEFAULT_OPTIONS, { wallClock: jumps });
  const jumped = replay(base, jumping, capacity);
  note({
    scenario: 'clock-jump',
    policy: 'forebay',
    measure: 'loss, points',
    value: 100 * (quiet.get('forebay')!.byteHitRatio - jumped.byteHitRatio),
  });
  await plot(
    join(folder, 'scenario-clock-jump.svg'),
    'clock jumps a day ahead on day 4, back on day 5',
    new Map([
      ['forebay, steady clock', quiet.get('forebay')!],
      ['forebay, jumping clock', jumped],
    ]),
  );
  await writeFile(join(folder, 'scenarios.json'), `${JSON.stringify(findings, undefined, 1)}\n`);
}

function run(w: Workload, policy: PolicyName, capacity: number): Outcome {
  return replay(w, POLICIES[policy](w, capacity), capacity, (session) => w.sessions.viewer[session] === 0);
}

function jumps(seconds: number): number {
  return seconds >= BEGIN && seconds < BEGIN + DAY ? seconds + DAY : seconds;
}

function coldTitles(w: Workload): number[] {
  const counts = new Int32Array(w.titles.durationSeconds.length);
  for (const title of w.sessions.title) counts[title]! += 1;
  return Array.from(counts.keys())
    .sort((a, b) => counts[a]! - counts[b]!)
    .slice(0, 1500);
}

function flashCrowd(random: Random, title: number): Extra[] {
  return Array.from({ length: FLASH_SESSIONS }, (_, i) => ({
    at: BEGIN + random.next() * FLASH_SECONDS,
    title,
    watched: random.lognormal(HARM_SECONDS, 1),
    viewer: CROWD + i,
  }));
}

function harm(viewer: number, lasts: number, every: number, title: (i: number) => number): Extra[] {
  return Array.from({ length: Math.floor(lasts / every) }, (_, i) => ({
    at: BEGIN + i * every,
    title: title(i),
    watched: HARM_SECONDS,
    viewer,
  }));
}

function disturbed(base: Workload, extra: readonly Extra[]): Workload {
  const s = base.sessions;
  const rows = Array.from(s.title, (title, i) => ({
    at: s.startedSeconds[i]!,
    title,
    from: s.fromSeconds[i]!,
    watched: s.watchedSeconds[i]!,
    viewer: 0,
  }));
  for (const e of extra)
    rows.push({ ...e, from: 0, watched: Math.min(e.watched, base.titles.durationSeconds[e.title]!) });
  rows.sort((a, b) => a.at - b.at);
  const sessions: Sessions = {
    startedSeconds: Float64Array.from(rows, (r) => r.at),
    title: Int32Array.from(rows, (r) => r.title),
    fromSeconds: Float64Array.from(rows, (r) => r.from),
    watchedSeconds: Float64Array.from(rows, (r) => r.watched),
    viewer: Int32Array.from(rows, (r) => r.viewer),
  };
  return workload({ name: base.name, segmentBytes: base.segmentBytes, titles: base.titles, sessions });
}

/** Counts by minute what the crowd asks for, and what of it is held. */
class CrowdWatch implements Rival {
  readonly asked = new Float64Array(FLASH_MINUTES);
  readonly hits = new Float64Array(FLASH_MINUTES);
  readonly #w: Workload;
  readonly #inner: Rival;

  constructor(w: Workload, inner: Rival) {
    this.#w = w;
    this.#inner = inner;
  }

  get held(): number {
    return this.#inner.held;
  }

  get writes(): number {
    return this.#inner.writes;
  }

  request(segment: number, index: number): boolean {
    const hit = this.#inner.request(segment, index);
    const w = this.#w;
    const minute = Math.floor((requestSeconds(w, index) - BEGIN) / 60);
    if (w.sessions.viewer[w.session[index]!]! >= CROWD && minute < FLASH_MINUTES) {
      this.asked[minute]! += 1;
      if (hit) this.hits[minute]! += 1;
    }
    return hit;
  }
}

/** Minutes after the onset from which on nine tenths of what the crowd asks for in a minute are hits. */
function minutesToServe(w: Workload, policy: PolicyName, capacity: number): number {
  const watch = new CrowdWatch(w, POLICIES[policy](w, capacity));
  replay(w, watch, capacity);
  const served = Array.from(watch.asked, (n, i) => n > 0 && watch.hits[i]! / n >= LEARNED_RATIO);
  return served.lastIndexOf(false) + 1;
}

function byDayTime(outcome: Outcome): number {
  const quarters = [0, 1, 2, 3].map((quarter) => {
    let hits = 0;
    let requests = 0;
    for (let bin = Math.floor((2 * DAY) / BIN_SECONDS); bin < outcome.requestsByBin.length; bin++) {
      if (Math.floor(((bin * BIN_SECONDS) % DAY) / (6 * HOUR)) !== quarter) continue;
      hits += outcome.hitsByBin[bin]!;
      requests += outcome.requestsByBin[bin]!;
    }
    return hits / Math.max(1, requests);
  });
  return Math.max(...quarters) - Math.min(...quarters);
}

function ratioOver(outcome: Outcome, from: number, to: number): number {
  let hits = 0;
  let requests = 0;
  for (let bin = from; bin < to; bin++) {
    hits += outcome.hitsByBin[bin]!;
    requests += outcome.requestsByBin[bin]!;
  }
  return hits / Math.max(1, requests);
}

async function plot(file: string, title: string, outcomes: ReadonlyMap<string, Outcome>): Promise<void> {
  const [from, to] = [3.5 * DAY, 6.5 * DAY].map((seconds) => Math.floor(seconds / BIN_SECONDS)) as [
    number,
    number,
  ];
  const series = Array.from(outcomes, ([name, outcome]) => ({
    name,
    strong: name === 'forebay',
    points: Array.from({ length: Math.floor((to - from) / 2) }, (_, i) => {
      const bin = from + 2 * i;
      return [(bin * BIN_SECONDS) / HOUR, ratioOver(outcome, bin, bin + 2)] as const;
    }),
  }));
  await writeFile(
    file,
    drawChart({ title: `VoD at 5 %: ${title}`, xLabel: 'hours', yLabel: 'byte hit ratio', series }),
  );
}
