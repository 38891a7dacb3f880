import type { ViewerTransport } from '@forebay/rig';
import type { Machine } from '../report/machine.js';
import { type Column, formatMs, formatRatio, markdownTable } from '../report/markdown.js';
import { stripPlot } from '../report/strip-plot.js';
import { medianOf, summaryOf, type Summary } from '../report/summary.js';
import type { Failure, Measured, Measurements } from './measure.js';
import { STEPS, type Step } from './start.js';
import { GOALS, TRANSPORTS, type Way, WAY_LABELS, WAY_NOTES, WAYS } from './ways.js';

/** A run, with everything needed to judge or repeat it. */
export interface Run {
  readonly command: string;
  /** ISO 8601, when it ended. */
  readonly endedAt: string;
  readonly clip: string;
  readonly roundTripMs: number;
  readonly machine: Machine;
  /** Load of the machine when it ended; the machine has that of the beginning. */
  readonly loadAtEnd: number;
  readonly measurements: Measurements;
  readonly failures: readonly Failure[];
}

interface Row extends Summary {
  readonly stepMs: Readonly<Record<Step, number>>;
  readonly roundTrips: number;
  readonly originBytes: number;
  /** Of the median direct start with the same transport. */
  readonly ofDirect: number;
  readonly startsMs: readonly number[];
  /** The same by step, in the same order. */
  readonly stepsMs: Readonly<Record<Step, readonly number[]>>;
}

type Rows = Readonly<Record<ViewerTransport, Readonly<Record<Way, Row>>>>;

const UPPER: Readonly<Record<ViewerTransport, string>> = { tcp: 'TCP', udp: 'UDP' };
const STEP_TITLES: Readonly<Record<Step, string>> = {
  connect: 'connect',
  options: 'OPTIONS',
  describe: 'DESCRIBE',
  setup: 'SETUPs',
  play: 'PLAY',
  keyFrame: 'picture',
};

/** Everything, for programs. */
export function startupObject(run: Run): object {
  const { measurements, ...about } = run;
  return { ...about, pictures: picturesOf(measurements), transport: rowsOf(measurements) };
}

/** The medians alone: `{"transport":{"tcp":{"directMs":..,"coldMs":..,"warmMs":..},..},"rttMs":..}`. */
export function startupLine({ measurements, roundTripMs }: Run): string {
  const medianMs = (transport: ViewerTransport, way: Way): number =>
    rounded(medianOf(startsOf(measurements[transport][way])));
  const transport = Object.fromEntries(
    TRANSPORTS.map((each) => [
      each,
      {
        directMs: medianMs(each, 'direct'),
        coldMs: medianMs(each, 'cold'),
        warmMs: medianMs(each, 'warm'),
      },
    ]),
  );
  return JSON.stringify({ transport, rttMs: roundTripMs });
}

export function startupMarkdown(run: Run): string {
  const rows = rowsOf(run.measurements);
  const { machine } = run;
  const pictures = picturesOf(run.measurements);
  const count = rows.tcp.direct.count;
  return `# Start-up

From TCP connect to the first complete key frame, asked for as a player does: OPTIONS, DESCRIBE, SETUP of each stream,
PLAY, one after the other: ${rows.tcp.direct.roundTrips} round trips. The origin is GStreamer's RTSP server. A round trip to it takes ${run.roundTripMs} ms,
for the viewer who goes there directly and for the proxy. The viewer is near the proxy.

${goalTable(rows)}

Median, and tenth and ninetieth percentile, of ${count} starts of each kind, milliseconds:

${startTable(rows)}

${WAYS.map((way) => `- ${WAY_LABELS[way]}: ${WAY_NOTES[way]}`).join('\n')}

Where the time goes, medians, milliseconds. Connecting over the long link shows in the first answer: the relay's kernel
accepts at once, and the relay holds the first request back for a round trip.

${stepTable(rows)}

The first picture was the same in ${pictures.same} of ${pictures.all} starts. ${failureText(run.failures)}

![Start-up by way and transport](startup.svg)

## How it was measured

- \`${run.command}\`
- ${run.clip}, ${run.endedAt.slice(0, 10)}, commit ${machine.commit}
- ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel}; Node ${machine.node.slice(1)}; GStreamer ${machine.gstreamer}
- load of the machine ${machine.load} at the beginning, ${run.loadAtEnd} at the end
- All ways take turns, TCP and UDP too; two rounds before the first that counts are thrown away. Viewer and relay are
  one process, the proxy is another, the origin a third. Files on disk are in the kernel's page cache. The proxy
  reaches the origin over TCP whatever the viewer chose.
`;
}

export function startupPlot(run: Run): string {
  const rows = rowsOf(run.measurements);
  return stripPlot({
    title: 'Start-up: TCP connect to the first complete key frame',
    subtitle: `GStreamer origin ${run.roundTripMs} ms away; ${rows.tcp.direct.count} starts each, their median, and the tenth to ninetieth percentile`,
    axis: 'milliseconds, logarithmic',
    groups: TRANSPORTS.map((transport) => ({
      title: `over ${UPPER[transport]}`,
      strips: WAYS.map((way) => {
        const row = rows[transport][way];
        return {
          label: WAY_LABELS[way],
          values: row.startsMs,
          median: row.median,
          p10: row.p10,
          p90: row.p90,
          note: `${formatMs(row.median)} ms`,
          emphasis: way === 'direct' || GOALS.some((goal) => goal.way === way) ? 'strong' : 'plain',
        };
      }),
    })),
  });
}

function failureText(failures: readonly Failure[]): string {
  if (failures.length === 0) return 'No start failed.';
  const lines = failures.map(({ round, transport, way, reason }) => {
    return `- round ${round}, ${UPPER[transport]}, ${WAY_LABELS[way]}: ${reason}`;
  });
  return `Starts that failed:\n\n${lines.join('\n')}`;
}

function goalTable(rows: Rows): string {
  const columns = [
    { title: 'Share of direct' },
    ...TRANSPORTS.map((transport) => rightColumn(UPPER[transport])),
    rightColumn('Goal'),
    { title: '' },
  ];
  const lines = GOALS.map(({ way, most }) => {
    const ratios = TRANSPORTS.map((transport) => rows[transport][way].ofDirect);
    return [
      `${way} / direct`,
      ...ratios.map(formatRatio),
      `at most ${most.toFixed(1)}`,
      ratios.every((ratio) => ratio <= most) ? 'met' : 'MISSED',
    ];
  });
  return markdownTable(columns, lines);
}

function startTable(rows: Rows): string {
  const columns = [
    { title: 'Transport' },
    { title: 'Way' },
    rightColumn('Median'),
    rightColumn('p10'),
    rightColumn('p90'),
    rightColumn('Of direct'),
    rightColumn('Origin kB'),
  ];
  const lines = TRANSPORTS.flatMap((transport) =>
    WAYS.map((way) => {
      const row = rows[transport][way];
      return [
        UPPER[transport],
        WAY_LABELS[way],
        formatMs(row.median),
        formatMs(row.p10),
        formatMs(row.p90),
        formatRatio(row.ofDirect),
        way === 'near' ? '-' : (row.originBytes / 1000).toFixed(1),
      ];
    }),
  );
  return markdownTable(columns, lines);
}

function stepTable(rows: Rows): string {
  const columns = [
    { title: 'Transport' },
    { title: 'Way' },
    ...STEPS.map((step) => rightColumn(STEP_TITLES[step])),
  ];
  const lines = TRANSPORTS.flatMap((transport) =>
    WAYS.map((way) => {
      const { stepMs } = rows[transport][way];
      return [UPPER[transport], WAY_LABELS[way], ...STEPS.map((step) => formatMs(stepMs[step]))];
    }),
  );
  return markdownTable(columns, lines);
}

function rightColumn(title: string): Column {
  return { title, align: 'right' };
}

function rowsOf(measurements: Measurements): Rows {
  return fromTransports((transport) => {
    const columns = measurements[transport];
    const directMs = medianOf(startsOf(columns.direct));
    return Object.fromEntries(WAYS.map((way) => [way, rowOf(columns[way], directMs)])) as Record<Way, Row>;
  });
}

function rowOf(starts: readonly Measured[], directMs: number): Row {
  const startsMs = startsOf(starts).map(rounded);
  const summary = summaryOf(startsMs);
  const stepsMs = fromSteps((step) => starts.map((start) => rounded(start.stepMs[step])));
  return {
    ...summary,
    p10: rounded(summary.p10),
    median: rounded(summary.median),
    p90: rounded(summary.p90),
    ofDirect: Number((summary.median / directMs).toPrecision(5)),
    stepMs: fromSteps((step) => medianOf(stepsMs[step])),
    roundTrips: medianOf(starts.map((start) => start.roundTrips)),
    originBytes: medianOf(starts.map((start) => start.originBytes)),
    startsMs,
    stepsMs,
  };
}

/** How many starts showed the picture that most showed. */
function picturesOf(measurements: Measurements): { same: number; all: number } {
  const counts = new Map<number, number>();
  let all = 0;
  for (const transport of TRANSPORTS)
    for (const way of WAYS)
      for (const { picture } of measurements[transport][way]) {
        counts.set(picture, (counts.get(picture) ?? 0) + 1);
        all += 1;
      }
  return { same: Math.max(...counts.values()), all };
}

function fromTransports<T>(make: (transport: ViewerTransport) => T): Record<ViewerTransport, T> {
  return { tcp: make('tcp'), udp: make('udp') };
}

function fromSteps<T>(make: (step: Step) => T): Record<Step, T> {
  return Object.fromEntries(STEPS.map((step) => [step, make(step)])) as Record<Step, T>;
}

function startsOf(starts: readonly Measured[]): number[] {
  return starts.map(({ startupMs }) => startupMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
