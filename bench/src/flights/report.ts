import { drawChart } from '@forebay/simulator';
import type { Machine } from '../report/machine.js';
import { markdownTable } from '../report/markdown.js';
import type { GridPoint } from './grid.js';
import type { Outcome } from './scenes.js';

/** The three scenes at one origin. */
export interface Counted {
  readonly origin: string;
  readonly titleSeconds: number;
  readonly budgetTitleSeconds: number;
  readonly coldCrowd: Outcome;
  readonly staggered: Outcome;
  readonly budgetOne: Outcome;
}

export interface Run {
  readonly command: string;
  readonly endedAt: string;
  readonly machine: Machine;
  readonly counted: readonly Counted[];
  /** Empty in a quick run. */
  readonly grid: readonly GridPoint[];
}

/** The last line: what our own origin counted. */
export function flightsLine({ counted }: Run): string {
  const { coldCrowd, staggered, budgetOne } = counted[0]!;
  return JSON.stringify({
    coldCrowd: {
      viewers: coldCrowd.viewers,
      originSessions: coldCrowd.originSessions,
      originBytesPerTitleByte: rounded(coldCrowd.originBytesPerTitleByte),
    },
    staggered: { originBytesPerTitleByte: rounded(staggered.originBytesPerTitleByte) },
    budgetOne: { viewers: budgetOne.viewers, played: budgetOne.played },
  });
}

export function flightsMarkdown(run: Run): string {
  const { machine } = run;
  const parts = [
    '# Many viewers, one origin',
    `\`${run.command}\`, ${run.endedAt}. ${machine.processor}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}, GStreamer ${machine.gstreamer}, commit ${machine.commit}.`,
    '## Counted at the origin',
    countedTable(run.counted),
    waits(run.counted),
  ];
  if (run.grid.length > 0) parts.push('## Simulated', ...simulated(run.grid));
  return `${parts.join('\n\n')}\n`;
}

/** A plot for each length of title: origin bandwidth over the rate of arrivals, with the shortest and the longest prefix. */
export function flightsPlots({ grid }: Run): { readonly name: string; readonly svg: string }[] {
  const lengths = [...new Set(grid.map((p) => p.titleSeconds))];
  const prefixes = [...new Set(grid.map((p) => p.prefixSeconds))];
  return lengths.flatMap((seconds) =>
    prefixes.map((prefix) => ({
      name: `flights-${seconds / 60}min-prefix-${prefix}s.svg`,
      svg: plot(
        grid.filter((p) => p.titleSeconds === seconds && p.prefixSeconds === prefix),
        `Title of ${seconds / 60} min, ${prefix === 0 ? 'nothing' : `the first ${prefix} s`} held`,
      ),
    })),
  );
}

/** On a logarithmic scale: no sharing is hundreds of streams where others need one. */
function plot(points: readonly GridPoint[], title: string): string {
  const series = (name: string, value: (p: GridPoint) => number, strong = false) => ({
    name,
    strong,
    points: points.map((p) => [p.arrivalsPerHour, Math.log10(Math.max(0.001, value(p)))] as const),
  });
  return drawChart({
    title,
    xLabel: 'viewers an hour',
    yLabel: 'origin bandwidth, streams, log10',
    logX: true,
    series: [
      series('no sharing', (p) => p.noSharing),
      series('batching', (p) => p.batching),
      series('patching', (p) => p.patching),
      series('multicast bound', (p) => p.multicastBound),
      series('retaining bound', (p) => p.retainingBound),
      series('Forebay', (p) => p.simulated.originStreams, true),
    ],
  });
}

function countedTable(counted: readonly Counted[]): string {
  const right = 'right' as const;
  return markdownTable(
    [
      { title: 'origin' },
      { title: 'scene' },
      { title: 'viewers', align: right },
      { title: 'played to the end', align: right },
      { title: 'DESCRIBE', align: right },
      { title: 'sessions', align: right },
      { title: 'origin bytes a title byte', align: right },
    ],
    counted.flatMap(({ origin, titleSeconds, budgetTitleSeconds, coldCrowd, staggered, budgetOne }) =>
      (
        [
          [titleSeconds, 'a cold title, everybody at once', coldCrowd],
          [titleSeconds, `one every ${(titleSeconds / 12).toFixed(0)} s for ${titleSeconds} s`, staggered],
          [budgetTitleSeconds, 'one session, first half held, ten positions', budgetOne],
        ] as const
      ).map(([seconds, scene, o]) => [
        `${origin}, ${seconds} s`,
        scene,
        String(o.viewers),
        String(o.played),
        String(o.describes),
        String(o.originSessions),
        o.originBytesPerTitleByte.toFixed(3),
      ]),
    ),
  );
}

function waits(counted: readonly Counted[]): string {
  return counted
    .map(({ origin, budgetOne }) => {
      const seconds = budgetOne.waitsSeconds.map((wait) => wait.toFixed(1)).join(', ');
      return `With one session, viewers at ten positions, from the first to the last, waited for the answer to PLAY (${origin}): ${seconds} s.`;
    })
    .join('\n\n');
}

function simulated(grid: readonly GridPoint[]): string[] {
  const right = 'right' as const;
  return [
    "Mean bandwidth of the origin in streams (1: what one viewer takes). The proxy's own readers, flights and joins on a virtual clock; Poisson arrivals, everybody from the beginning to the end at once; the proxy keeps the prefix and what a viewer who is there will still need, and nothing else. Formulas and sources: bench/src/flights/theory.ts.",
    markdownTable(
      [
        { title: 'title, min', align: right },
        { title: 'prefix, s', align: right },
        { title: 'viewers/h', align: right },
        { title: 'no sharing', align: right },
        { title: 'batching', align: right },
        { title: 'patching', align: right },
        { title: 'multicast bound', align: right },
        { title: 'retaining bound', align: right },
        { title: 'Forebay', align: right },
        { title: 'held, s', align: right },
        { title: 'smooth', align: right },
      ],
      grid.map((p) => [
        String(p.titleSeconds / 60),
        String(p.prefixSeconds),
        String(p.arrivalsPerHour),
        streams(p.noSharing),
        streams(p.batching),
        streams(p.patching),
        streams(p.multicastBound),
        streams(p.retainingBound),
        streams(p.simulated.originStreams),
        p.simulated.heldSeconds.toFixed(0),
        `${(p.simulated.smoothShare * 100).toFixed(1)} %`,
      ]),
    ),
  ];
}

function rounded(ratio: number): number {
  return Number(ratio.toFixed(3));
}

/** A bandwidth with the digits that mean something. */
function streams(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : 1);
}
