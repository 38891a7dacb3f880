import type { Machine } from '../report/machine.js';
import { type Column, formatMs, markdownTable } from '../report/markdown.js';
import { stripPlot } from '../report/strip-plot.js';
import { GOP_SECONDS, type Measured, type Settled, VIDEO_KBPS, WIDE_KBPS } from './stage.js';
import type { Audience } from './viewers.js';

/** A run, with everything needed to judge or repeat it. */
export interface Run {
  readonly command: string;
  /** ISO 8601, when it ended. */
  readonly endedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** Load of the machine when it ended; the machine has that of the beginning. */
  readonly loadAtEnd: number;
  readonly measured: Measured;
  /** Viewers who came one after the other, once they had caught up, by the proxy's mode. */
  readonly settled: { readonly usual: Settled; readonly low: Settled };
}

/** Delays below are drawn here: the axis is logarithmic. */
const LEAST_DRAWN_MS = 0.1;

const NAMES = ['tcp', 'udp', 'late'] as const;
const LABELS: Readonly<Record<(typeof NAMES)[number], string>> = {
  tcp: 'TCP, from the first packet',
  udp: 'UDP, from the first packet',
  late: 'TCP, came later',
};

/** The whole run, to the thousandth. */
export function liveObject(run: Run): unknown {
  return JSON.parse(
    JSON.stringify(run, (_key, value: unknown) =>
      typeof value === 'number' ? Number(value.toFixed(3)) : value,
    ),
  );
}

/** The figures alone, for programs. */
export function liveLine({ measured, settled }: Run): string {
  const short = ({ viewers, complete, addedMs }: Audience): object => ({
    viewers,
    complete,
    addedMs: { p50: rounded(addedMs.p50), p99: rounded(addedMs.p99) },
  });
  const { tcp, udp, late, stalled, crowd, pulls } = measured;
  return JSON.stringify({
    pulls,
    tcp: short(tcp),
    udp: short(udp),
    late: short(late),
    stalled,
    crowd: { utilisation: rounded(crowd.utilisation), lagP99Ms: rounded(crowd.lagP99Ms) },
    settled: { tcp: short(settled.usual.tcp), udp: short(settled.usual.udp) },
    lowLatency: { tcp: short(settled.low.tcp), udp: short(settled.low.udp) },
  });
}

export function liveMarkdown(run: Run): string {
  const { measured, settled, machine, seconds } = run;
  const { stalled, crowd, proxyLagMs } = measured;
  return `# Live fan-out

One origin, one pull, ${measured.tcp.viewers} viewers over TCP and ${measured.udp.viewers} over UDP for ${seconds} s; ${measured.late.viewers} more come one after the other. Video of
${VIDEO_KBPS} kbit/s with a key frame each ${GOP_SECONDS} s, and audio. Every packet is matched by its payload with the same one at a viewer of the
origin itself, in the same run; its delay is how much later it came. Milliseconds:

${delayTable(NAMES.map((name) => [LABELS[name], measured[name]]))}

- Everybody but those who came later had asked before the origin sent its first packet, so they begin with it: their delay is what
  the proxy adds, and the two processes around it.
- Who comes later begins with the newest key frame, and so is as far behind as that was old, less the 0.3 s that it is sent at
  once: key frames are ${GOP_SECONDS} s apart here. From then on it comes nearer by a twentieth of the time.
- Sessions that the proxy had at the origin, for two presentations: ${measured.pulls}.

Once they have caught up, ${settled.usual.tcp.viewers + settled.usual.udp.viewers} viewers who came one after the other, ${seconds} s; these and the direct viewer are programs in C, and the proxy
has a core to itself:

${settledTable(settled)}

They took ${percent(settled.usual.crowdCpu)} of a core, and ${percent(settled.low.crowdCpu)} with \`--low-latency\`; the proxy ${percent(settled.usual.proxyCpu)} and ${percent(settled.low.proxyCpu)}.${hostText(settled)}

Of a presentation of ${WIDE_KBPS / 1000} Mbit/s one viewer did not read for ${stalled.stallMs / 1000} s in the middle of all this. It saw ${stalled.whole} groups of pictures from
the first to the last picture, ${stalled.partial} in part, and ${stalled.leftOut} not at all; ${stalled.broken} pictures were broken. Another one, who watched the
same, missed ${stalled.neighbourMissing} packets.

All these but the settled ones are one process: it was busy ${percent(crowd.utilisation)} of the time, its timers ${formatMs(crowd.lagP99Ms)} ms late (99th percentile); the proxy's timers
${formatMs(proxyLagMs.p99Ms)} ms. Delays include both.

![Added latency](live.svg)

## How it was measured

- \`${run.command}\`
- ${run.endedAt.slice(0, 10)}, commit ${machine.commit}
- ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel}; Node ${machine.node.slice(1)}
- load of the machine ${machine.load} at the beginning, ${run.loadAtEnd} at the end
- Origin and direct viewer are one process, the proxy another, the other viewers a third, but for those who have caught up. Times are
  of the system's monotonic clock. A viewer is complete when every packet from its first to its last came, once, with the right payload.
`;
}

export function livePlot({ measured, seconds }: Run): string {
  return stripPlot({
    title: 'Live: delay of each packet behind a direct viewer',
    subtitle: `one pull, ${measured.tcp.viewers + measured.udp.viewers} viewers, ${seconds} s; a sample of the packets, their median, the tenth to ninetieth percentile`,
    axis: 'milliseconds, logarithmic',
    groups: [
      {
        title: 'viewers',
        strips: NAMES.map((name) => {
          const { samples } = measured[name].addedMs;
          const drawn = samples.map((ms) => Math.max(LEAST_DRAWN_MS, ms));
          const at = (share: number): number =>
            drawn[Math.floor(share * (drawn.length - 1))] ?? LEAST_DRAWN_MS;
          return {
            label: LABELS[name],
            values: drawn,
            median: at(0.5),
            p10: at(0.1),
            p90: at(0.9),
            note: `${formatMs(measured[name].addedMs.p50)} ms`,
            emphasis: name === 'late' ? 'plain' : 'strong',
          };
        }),
      },
    ],
  });
}

const right = (title: string): Column => ({ title, align: 'right' });

function settledTable({ usual, low }: Run['settled']): string {
  return delayTable([
    ['TCP', usual.tcp],
    ['UDP', usual.udp],
    ['TCP, `--low-latency`', low.tcp],
    ['UDP, `--low-latency`', low.udp],
  ]);
}

function hostText({ usual, low }: Run['settled']): string {
  if (usual.stolen === undefined || low.stolen === undefined) return '';
  const [first, second] = [usual.stolen, low.stolen].map((share) => (100 * share).toFixed(1));
  return `\nThe machine's host kept ${first} and ${second} % of the processors for others meanwhile.`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function delayTable(rows: readonly (readonly [label: string, Audience])[]): string {
  return markdownTable(
    [
      { title: 'viewers' },
      right('complete'),
      right('packets'),
      right('missing'),
      right('p50'),
      right('p99'),
      right('p99.9'),
      right('most'),
    ],
    rows.map(([label, { viewers, complete, packets, missing, addedMs }]) => {
      const { p50, p99, p999, most } = addedMs;
      return [
        label,
        `${complete} of ${viewers}`,
        String(packets),
        String(missing),
        ...[p50, p99, p999, most].map(formatMs),
      ];
    }),
  );
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
