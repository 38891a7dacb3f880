import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawChart } from './chart.js';
import { isPolicyName, POLICIES, type PolicyName, RIVALS } from './policies.js';
import type { Row } from './simulate.js';

const BOUNDS: readonly PolicyName[] = ['belady', 'truth'];
/** Rivals drawn beside ours: the best of them at the middle size. */
const DRAWN_RIVALS = 6;

/** A row without its course over time. */
export type PlainRow = Omit<Row, 'hitsByBin' | 'requestsByBin'>;

export class ReportError extends Error {
  override readonly name = 'ReportError';
}

/** A folder's results of one workload. */
export interface Results {
  readonly folder: string;
  readonly name: string;
  /** What an earlier run left there. */
  readonly earlier: readonly PlainRow[];
}

/** Looks what an earlier run left in a folder, before a long one begins. @throws ReportError when the file that is there holds no results. */
export async function openResults(folder: string, name: string): Promise<Results> {
  return { folder, name, earlier: await readRows(join(folder, `${name}.json`)) };
}

/**
 * Writes `<name>.json`, `<name>.md` and, where there are several sizes, two plots. What an earlier run of the same workload left there
 * stays, but for the policies and sizes that were run again.
 */
export async function writeReport(results: Results, rows: readonly Row[]): Promise<void> {
  const { folder, name, earlier } = results;
  await mkdir(folder, { recursive: true });
  const all = merged(earlier, rows.map(plainRow));
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(all, undefined, 1)}\n`);
  await writeFile(join(folder, `${name}.md`), table(name, all));
  const sizes = [...new Set(all.map((row) => row.size))];
  if (sizes.length < 2) return;
  await writeFile(join(folder, `${name}-byte-hit-ratio.svg`), plot(name, all, 'byteHitRatio'));
  if (all.some((row) => row.policy === 'belady')) {
    await writeFile(join(folder, `${name}-share-of-belady.svg`), plot(name, all, 'shareOfBelady'));
  }
}

/** Rows of an earlier run; none when there was none. */
async function readRows(file: string): Promise<readonly PlainRow[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const rows: unknown = JSON.parse(text);
    if (Array.isArray(rows) && rows.every(isPlainRow)) return rows;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ReportError(`${file} holds no results of this benchmark: move it away, or choose another --out`);
}

const NUMBERS = [
  'requests',
  'size',
  'capacityBytes',
  'byteHitRatio',
  'startHitRatio',
  'delayedStartRatio',
  'peakRatio',
  'writesPerRequest',
  'nsPerDecision',
] as const satisfies readonly (keyof PlainRow)[];

function isPlainRow(row: unknown): row is PlainRow {
  if (typeof row !== 'object' || row === null) return false;
  const fields = row as Record<string, unknown>;
  const { policy } = fields;
  if (typeof policy !== 'string' || !isPolicyName(policy)) return false;
  return NUMBERS.every((name) => Number.isFinite(fields[name]));
}

/** New rows and those earlier ones of the same workload that were not run again, by size and policy. */
function merged(earlier: readonly PlainRow[], rows: readonly PlainRow[]): PlainRow[] {
  const { requests } = rows[0] ?? { requests: 0 };
  const kept = earlier.filter(
    (old) =>
      old.requests === requests && !rows.some((row) => row.policy === old.policy && row.size === old.size),
  );
  const order = Object.keys(POLICIES);
  const all = [...rows, ...kept].sort(
    (a, b) => a.size - b.size || order.indexOf(a.policy) - order.indexOf(b.policy),
  );
  return all.map((row) => {
    const best = all.find((other) => other.policy === 'belady' && other.size === row.size);
    return {
      ...row,
      shareOfBelady: best === undefined ? undefined : row.byteHitRatio / best.byteHitRatio,
    };
  });
}

export function plainRow(row: Row): PlainRow {
  const { hitsByBin: _hits, requestsByBin: _requests, ...rest } = row;
  return rest;
}

function plot(name: string, rows: readonly PlainRow[], measure: 'byteHitRatio' | 'shareOfBelady'): string {
  const sizes = [...new Set(rows.map((row) => row.size))];
  const middle = sizes[Math.floor((sizes.length - 1) / 2)];
  const best = rows
    .filter((row) => row.size === middle && RIVALS.includes(row.policy))
    .sort((a, b) => b.byteHitRatio - a.byteHitRatio)
    .slice(0, DRAWN_RIVALS)
    .map((row) => row.policy);
  const names: PolicyName[] = [
    'forebay',
    ...BOUNDS.filter((b) => rows.some((row) => row.policy === b)),
    ...best,
  ];
  return drawChart({
    title: `${name}: ${measure === 'byteHitRatio' ? 'byte hit ratio' : 'share of the clairvoyant'} by cache size`,
    xLabel: 'cache size, share of the bytes touched',
    yLabel: measure === 'byteHitRatio' ? 'byte hit ratio' : 'share',
    logX: true,
    series: names.map((policy) => ({
      name: policy,
      strong: policy === 'forebay',
      points: rows
        .filter((row) => row.policy === policy)
        .map((row) => [row.size, row[measure] ?? 0] as const),
    })),
  });
}

function table(name: string, rows: readonly PlainRow[]): string {
  const sizes = [...new Set(rows.map((row) => row.size))];
  const policies = [...new Set(rows.map((row) => row.policy))];
  const cell = (policy: PolicyName, size: number): string => {
    const row = rows.find((r) => r.policy === policy && r.size === size);
    return row === undefined ? '-' : `${row.byteHitRatio.toFixed(4)} / ${row.startHitRatio.toFixed(3)}`;
  };
  const middle = sizes.includes(0.05) ? 0.05 : (sizes[0] ?? 0);
  const lines = policies.map((policy) => {
    const row = rows.find((r) => r.policy === policy && r.size === middle);
    const rest =
      row === undefined
        ? '- | - | - | -'
        : `${row.writesPerRequest.toFixed(3)} | ${row.peakRatio.toFixed(3)} | ${row.delayedStartRatio.toFixed(3)} | ${row.nsPerDecision.toFixed(0)}`;
    return `| ${policy} | ${sizes.map((size) => cell(policy, size)).join(' | ')} | ${rest} |`;
  });
  return [
    `# ${name}`,
    '',
    `Byte hit ratio / start-up hit ratio by cache size (share of the bytes touched); writes per segment served, origin's 95th percentile, delayed starts and processor time a request at ${middle}.`,
    '',
    `| policy | ${sizes.join(' | ')} | writes | p95 | delayed | ns |`,
    `|---|${'---|'.repeat(sizes.length + 4)}`,
    ...lines,
    '',
  ].join('\n');
}
