import { parseArgs } from 'node:util';
import { measureCost, measureMemory } from './cost.js';
import { ABLATIONS, isPolicyName, POLICIES, type PolicyName } from './policies.js';
import { readLog } from './read-log.js';
import { replay } from './replay.js';
import { openResults, plainRow, writeReport } from './report.js';
import { runScenarios } from './scenarios.js';
import { type Row, simulate } from './simulate.js';
import { type VodOptions, vodWorkload } from './vod.js';
import type { Workload } from './workload.js';

const USAGE = `usage: bench:policy --trace FILE|vod|vod-stationary [--sizes 0.01,0.05] [--policies a,b] [--seed N] [--part 0.25] [--titles N] [--sessions N] [--out FOLDER] [--json] [--ablations]
       bench:policy --scenarios [--out FOLDER] | --cost
policies: ${Object.keys(POLICIES).join(' ')}`;

const COST_SEGMENTS = 1_000_000;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs the benchmark's command line. @param print one line of output. @throws UsageError, LogError, ReportError */
export async function runCommand(args: readonly string[], print: (line: string) => void): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      trace: { type: 'string' },
      sizes: { type: 'string', default: '0.01,0.05,0.1,0.2' },
      policies: { type: 'string' },
      seed: { type: 'string' },
      part: { type: 'string' },
      titles: { type: 'string' },
      sessions: { type: 'string' },
      out: { type: 'string' },
      ablations: { type: 'boolean', default: false },
      scenarios: { type: 'boolean', default: false },
      cost: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    return;
  }
  if (values.cost) {
    print(JSON.stringify({ ...(await measureCost(COST_SEGMENTS)), ...measureMemory(COST_SEGMENTS) }));
    return;
  }
  if (values.scenarios) {
    await runScenarios(values.out ?? 'bench/results/policy', print);
    return;
  }
  if (values.trace === undefined) throw new UsageError(USAGE);
  const sizes = values.sizes.split(',').map(parseSize);
  const w = await open(values.trace, {
    ...(values.seed === undefined ? {} : { seed: parseSeed(values.seed) }),
    ...(values.part === undefined ? {} : { scale: parsePart(values.part) }),
    ...(values.titles === undefined ? {} : { titles: parseCount('--titles', values.titles) }),
    ...(values.sessions === undefined ? {} : { sessionsPerDay: parseCount('--sessions', values.sessions) }),
  });
  if (values.ablations) {
    for (const size of sizes) printAblations(w, size, print);
    return;
  }
  const policies = values.policies === undefined ? defaults(w) : values.policies.split(',').map(parsePolicy);
  if (policies.includes('truth') && w.truth === undefined)
    throw new UsageError('truth: only a generated workload has true rates');
  const results = values.out === undefined ? undefined : await openResults(values.out, w.name);
  print(
    `${w.name}: ${w.sessions.title.length} sessions, ${w.segment.length} requests, ${w.footprint} segments of ${w.segmentBytes} bytes`,
  );
  print('policy             size  byte hits start hits delayed  p95   writes  of Belady   ns');
  const rows = simulate(w, { sizes, policies, onRow: (row) => print(formatRow(row)) });
  if (results !== undefined) await writeReport(results, rows);
  if (values.json) print(JSON.stringify({ trace: values.trace, rows: rows.map(plainRow) }));
}

function printAblations(w: Workload, size: number, print: (line: string) => void): void {
  const capacity = Math.max(1, Math.floor(size * w.footprint));
  print(`| ${w.name} at ${size} | byte hits | start-up hits | writes |`);
  print('|---|---|---|---|');
  for (const [name, policy] of Object.entries(ABLATIONS)) {
    const { byteHitRatio, startHitRatio, writesPerRequest } = replay(w, policy(w, capacity), capacity);
    print(
      `| ${name} | ${byteHitRatio.toFixed(4)} | ${startHitRatio.toFixed(3)} | ${writesPerRequest.toFixed(3)} |`,
    );
  }
}

async function open(trace: string, options: Omit<VodOptions, 'births'>): Promise<Workload> {
  if (trace === 'vod') return vodWorkload(options);
  if (trace === 'vod-stationary') return vodWorkload({ ...options, births: false });
  const { seed, ...generated } = options;
  if (Object.keys(generated).length > 0)
    throw new UsageError('--part, --titles, --sessions: only of a generated workload');
  try {
    return await readLog(trace, seed === undefined ? {} : { seed });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new UsageError(`--trace: ${trace} cannot be read: ${error.message}`, { cause: error });
  }
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new UsageError(`--seed: ${text} is no whole number`);
  return seed;
}

function parseCount(option: string, text: string): number {
  const count = Number(text);
  if (!(Number.isInteger(count) && count > 0)) throw new UsageError(`${option}: ${text} is no count`);
  return count;
}

function parsePart(text: string): number {
  const part = Number(text);
  if (!(part > 0 && part <= 1)) throw new UsageError(`--part: ${text} is no share of the workload`);
  return part;
}

function defaults(w: Workload): PolicyName[] {
  return Object.keys(POLICIES)
    .filter(isPolicyName)
    .filter((name) => name !== 'truth' || w.truth !== undefined);
}

function parseSize(text: string): number {
  const size = Number(text);
  if (!(size > 0 && size <= 1)) throw new UsageError(`--sizes: ${text} is no share of the footprint`);
  return size;
}

function parsePolicy(name: string): PolicyName {
  if (!isPolicyName(name))
    throw new UsageError(`--policies: ${name} is not one of ${Object.keys(POLICIES).join(' ')}`);
  return name;
}

function ratio(x: number): string {
  return x.toFixed(4).padStart(9);
}

function formatRow(row: Row): string {
  const share = row.shareOfBelady === undefined ? '        -' : ratio(row.shareOfBelady);
  return [
    row.policy.padEnd(18),
    String(row.size).padStart(5),
    ratio(row.byteHitRatio),
    ratio(row.startHitRatio),
    row.delayedStartRatio.toFixed(3).padStart(8),
    row.peakRatio.toFixed(3).padStart(6),
    row.writesPerRequest.toFixed(3).padStart(7),
    share,
    row.nsPerDecision.toFixed(0).padStart(6),
  ].join(' ');
}
