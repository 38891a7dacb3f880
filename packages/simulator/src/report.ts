import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawChart } from './chart.js';
import { type PolicyName, RIVALS } from './policies.js';
import type { Row } from './simulate.js';

const BOUNDS: readonly PolicyName[] = ['belady', 'truth'];
/** Rivals drawn beside ours: the best of them at the middle size. */
const DRAWN_RIVALS = 6;

/** Writes `<name>.json`, `<name>.md` and, where there are several sizes, two plots into a folder. */
export async function writeReport(folder: string, name: string, rows: readonly Row[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const plain = rows.map(plainRow);
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(plain, undefined, 1)}\n`);
  await writeFile(join(folder, `${name}.md`), table(name, rows));
  const sizes = [...new Set(rows.map((row) => row.size))];
  if (sizes.length < 2) return;
  await writeFile(join(folder, `${name}-byte-hit-ratio.svg`), plot(name, rows, 'byteHitRatio'));
  if (rows.some((row) => row.policy === 'belady')) {
    await writeFile(join(folder, `${name}-share-of-belady.svg`), plot(name, rows, 'shareOfBelady'));
  }
}

/** A row without its course over time. */
export function plainRow(row: Row): Omit<Row, 'hitsByBin' | 'requestsByBin'> {
  const { hitsByBin: _hits, requestsByBin: _requests, ...rest } = row;
  return rest;
}

function plot(name: string, rows: readonly Row[], measure: 'byteHitRatio' | 'shareOfBelady'): string {
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

function table(name: string, rows: readonly Row[]): string {
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
