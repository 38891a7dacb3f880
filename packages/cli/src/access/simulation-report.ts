import type { SizeAdvice, Workload } from '@forebay/simulator';
import { counted } from '../ls.js';
import { formatBytes } from '../quantity.js';
import { formatTable, printable, type Column } from '../table.js';
import type { LogSurvey } from './request-log.js';
import { footprintBytes, type PolicyRow } from './simulation.js';

const PLOT_COLUMNS = 50;
const DAY_SECONDS = 86_400;

/** What came out. */
export interface Simulation {
  readonly path: string;
  readonly survey: LogSurvey;
  readonly workload: Workload;
  /** Ascending size. */
  readonly sizes: readonly SizeAdvice[];
  readonly others: readonly PolicyRow[];
}

const SIZE_COLUMNS: readonly Column[] = [
  { title: 'SIZE', align: 'right' },
  { title: 'BYTES FROM CACHE', align: 'right' },
  { title: 'STARTS FROM CACHE', align: 'right' },
  { title: 'ORIGIN PEAK', align: 'right' },
  { title: 'WRITTEN', align: 'right' },
  { title: '' },
];

/** For people: what the log is, a table of sizes, a plot, and the other policies. */
export function simulationText(simulation: Simulation): string {
  const { sizes, others, workload } = simulation;
  const all = footprintBytes(workload);
  const rows = sizes.map((size) => [
    formatBytes(size.capacityBytes),
    percent(size.byteHitRatio),
    percent(size.startHitRatio),
    percent(size.peakRatio),
    percent(size.writesPerRequest),
    size.recommended ? '<- recommended' : size.capacityBytes >= all ? 'holds everything asked for' : '',
  ]);
  const parts = [summary(simulation), formatTable(SIZE_COLUMNS, rows), plot(sizes)];
  if (others.length > 0) parts.push(comparison(sizes, others));
  parts.push(NOTES);
  return parts.join('\n');
}

const NOTES = `Shares of what was asked for, the first quarter of the log left out as warm-up. ORIGIN PEAK: the origin's busiest quarters of
an hour, as a share of the viewers'. WRITTEN: bytes written to disk for bytes asked for. Recommended is the smallest
size from which twice as much saves less than five points.
`;

function summary({ path, workload, survey }: Simulation): string {
  const started = workload.sessions.startedSeconds;
  const days = ((started.at(-1) ?? 0) - (started[0] ?? 0)) / DAY_SECONDS;
  const asked = workload.segment.length * workload.segmentBytes;
  const drawn = survey.isFull ? '' : '; lengths and viewed parts are drawn from a model of clips';
  return [
    `${printable(path)}: ${counted(survey.viewings, 'viewing')} of ${counted(titlesOf(workload), 'title')} in ${days.toFixed(1)} days${drawn}\n`,
    `${formatBytes(asked)} asked for, ${formatBytes(footprintBytes(workload))} distinct\n`,
  ].join('');
}

function plot(sizes: readonly SizeAdvice[]): string {
  const labels = sizes.map((size) => formatBytes(size.capacityBytes));
  const width = Math.max(...labels.map((label) => label.length));
  const lines = sizes.map(({ byteHitRatio, recommended }, i) => {
    const filled = Math.round(byteHitRatio * PLOT_COLUMNS);
    const bar = '█'.repeat(filled) + '·'.repeat(PLOT_COLUMNS - filled);
    return `${labels[i]!.padStart(width)} ${bar} ${percent(byteHitRatio)}${recommended ? ' *' : ''}\n`;
  });
  return `Bytes from cache\n${lines.join('')}`;
}

function comparison(sizes: readonly SizeAdvice[], others: readonly PolicyRow[]): string {
  const policies = [...new Set(others.map((row) => row.policy))];
  const columns: Column[] = [
    { title: 'BYTES FROM CACHE' },
    ...sizes.map((size): Column => ({ title: formatBytes(size.capacityBytes), align: 'right' })),
  ];
  const rows = [
    ['forebay', ...sizes.map((size) => percent(size.byteHitRatio))],
    ...policies
      .filter((policy) => policy !== 'forebay')
      .map((policy) => [policy, ...sizes.map(({ capacityBytes }) => cell(others, policy, capacityBytes))]),
  ];
  return formatTable(columns, rows);
}

function cell(rows: readonly PolicyRow[], policy: string, capacityBytes: number): string {
  const found = rows.find((row) => row.policy === policy && row.capacityBytes === capacityBytes);
  return found === undefined ? '-' : percent(found.byteHitRatio);
}

/** For programs. Ratios are shares of 1. */
export function simulationObject({ path, survey, workload, sizes, others }: Simulation): object {
  return {
    log: path,
    viewings: survey.viewings,
    skippedLines: survey.skipped,
    complaints: survey.complaints,
    titles: titlesOf(workload),
    requestedBytes: workload.segment.length * workload.segmentBytes,
    footprintBytes: footprintBytes(workload),
    segmentBytes: workload.segmentBytes,
    sizes,
    policies: others,
  };
}

function titlesOf(workload: Workload): number {
  return workload.titles.durationSeconds.length;
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(1)} %`;
}
