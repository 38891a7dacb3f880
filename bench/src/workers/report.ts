import { type Machine, stolenText } from '../report/machine.js';
import { type Column, formatRatio, markdownTable } from '../report/markdown.js';
import { stripPlot } from '../report/strip-plot.js';
import { medianOf, summaryOf } from '../report/summary.js';
import { type Capacity, SHARE } from './capacity.js';
import type { Replacement } from './replace.js';
import { type Scene, SCENES, SERVERS, type ServerName, type Trial } from './stage.js';

/** A run, with everything needed to judge or repeat it. */
export interface Run {
  readonly command: string;
  /** ISO 8601, when it ended. */
  readonly endedAt: string;
  readonly machine: Machine;
  readonly loadAtEnd: number;
  /** Share of the processors that the machine's host kept for others; undefined where that is not told. */
  readonly stolen: number | undefined;
  readonly trials: readonly Trial[];
  readonly capacities: readonly Capacity[];
  readonly replacements: readonly Replacement[];
}

const LABELS: Readonly<Record<ServerName, string>> = { one: 'one process', two: '--workers 2' };

/** Medians over the rounds, of one scene: nanoseconds of processor time a packet. */
interface Row {
  readonly scene: Scene;
  readonly one: number;
  readonly two: number;
  readonly owner: number;
  readonly busiest: number;
  /** Processor time of one process a viewer, over that of the busiest of several: so many times the viewers, each on a core. */
  readonly relief: number;
  readonly lateP999Ms: Readonly<Record<ServerName, number>>;
  readonly lost: number;
  readonly sinkCpu: number;
}

const sum = (figures: readonly number[]): number => figures.reduce((total, each) => total + each, 0);
const perPacket = ({ seen }: Trial, ns: number): number => ns / seen.packets;
const right = (title: string): Column => ({ title, align: 'right' });
const ns = (figure: number): string => Math.round(figure).toString();

function rowsOf({ trials }: Run): Row[] {
  return SCENES.flatMap((scene) => {
    const of = (server: ServerName): Trial[] =>
      trials.filter((each) => each.scene === scene.name && each.server === server);
    const [ones, twos] = [of('one'), of('two')];
    if (ones.length === 0 || twos.length === 0) return [];
    const one = medianOf(ones.map((each) => perPacket(each, sum(each.cpuNs))));
    const busiest = medianOf(twos.map((each) => perPacket(each, Math.max(...each.cpuNs))));
    return {
      scene,
      one,
      two: medianOf(twos.map((each) => perPacket(each, sum(each.cpuNs)))),
      owner: medianOf(twos.map((each) => perPacket(each, each.cpuNs[0]!))),
      busiest,
      relief: one / busiest,
      lateP999Ms: {
        one: medianOf(ones.map(({ seen }) => seen.lateMs.p999)),
        two: medianOf(twos.map(({ seen }) => seen.lateMs.p999)),
      },
      lost: sum([...ones, ...twos].map(({ seen }) => seen.lost)),
      sinkCpu: medianOf([...ones, ...twos].map(({ seen }) => seen.sinkCpu)),
    };
  });
}

export function workersObject(run: Run): object {
  return { ...run, rows: rowsOf(run).map(({ scene, ...row }) => ({ scene: scene.name, ...row })) };
}

export function workersMarkdown(run: Run): string {
  const rows = rowsOf(run);
  const { machine: m, command, endedAt, loadAtEnd, stolen } = run;
  return `# Workers

\`${command}\`, ${endedAt.slice(0, 10)}, ${m.commit}; ${m.processor}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.kernel}, Node ${m.node}; load ${m.load}
before and ${loadAtEnd} after${stolenText(stolen)}.

All processes of the proxy are pinned to one core and the viewers to another, so that what is compared is what a packet
costs, and which process pays for it. Two workers have twice the viewers that one process has, since what a packet costs depends
on how many viewers a process has. Viewers of 4 Mbit/s, each from an address of its own; medians of interleaved rounds,
nanoseconds of processor time a packet.

${costTable(rows)}

_Relief_ is the processor time that one process spends on a viewer over what the busiest of the several does: where each has a core
of its own and nothing else is in the way, they serve so many times the viewers.

${capacityText(run)}

${lateText(rows)}

${replacedText(run)}
`;
}

function costTable(rows: readonly Row[]): string {
  const columns = [
    { title: 'Scene' },
    ...['one process', '--workers 2, all', 'ratio', 'owner', 'busiest', 'relief'].map(right),
  ];
  return markdownTable(
    columns,
    rows.map(({ scene, one, two, owner, busiest, relief }) => [
      `${scene.label}, ${scene.viewers} a process`,
      ns(one),
      ns(two),
      formatRatio(two / one),
      ns(owner),
      ns(busiest),
      formatRatio(relief),
    ]),
  );
}

function lateText(rows: readonly Row[]): string {
  const columns = [
    { title: 'Late, one packet in a thousand' },
    ...SERVERS.map((name) => right(LABELS[name])),
  ];
  const late = rows.map(({ scene, lateP999Ms }) => [
    `${scene.label}, ${scene.viewers} a process`,
    ...SERVERS.map((name) => `${lateP999Ms[name].toFixed(1)} ms`),
  ]);
  const lost = sum(rows.map((row) => row.lost));
  const sink = Math.max(0, ...rows.map((row) => row.sinkCpu));
  return `${markdownTable(columns, late)}\n\n${lost} packets were lost. The viewers used at most ${Math.round(sink * 100)} % of their core.`;
}

function replacedText({ replacements }: Run): string {
  if (replacements.length === 0) return '';
  const answered = summaryOf(replacements.map(({ answeredMs }) => answeredMs));
  const replaced = summaryOf(replacements.map(({ replacedMs }) => replacedMs));
  return `A worker was killed ${replacements.length} times. A DESCRIBE on a new connection was answered after ${answered.median.toFixed(1)} ms (at most
${answered.most.toFixed(1)} ms), another worker served after ${replaced.median.toFixed(0)} ms (at most ${replaced.most.toFixed(0)} ms).`;
}

/** Medians over the rounds: viewers that were served at once, by scene. */
function crowdsOf({ capacities }: Run): ({ readonly scene: Scene } & Readonly<Record<ServerName, number>>)[] {
  return SCENES.flatMap((scene) => {
    const of = (server: ServerName): number[] =>
      capacities
        .filter((each) => each.scene === scene.name && each.server === server)
        .map(({ viewers }) => viewers);
    const [one, two] = [of('one'), of('two')];
    return one.length === 0 || two.length === 0 ? [] : { scene, one: medianOf(one), two: medianOf(two) };
  });
}

function capacityText(run: Run): string {
  const crowds = crowdsOf(run);
  if (crowds.length === 0)
    return `How many viewers they serve is not shown: that needs as many cores as there are processes and one for the viewers, or
the right to bound processes (cgroup v1, root).`;
  const columns = [
    { title: 'Viewers at once, paced' },
    ...SERVERS.map((name) => right(LABELS[name])),
    right('ratio'),
  ];
  const rows = crowds.map(({ scene, one, two }) => [
    scene.label,
    String(one),
    String(two),
    formatRatio(two / one),
  ]);
  const percent = Math.round(SHARE * 100);
  const sink = Math.max(...run.capacities.map(({ sinkCpu }) => sinkCpu));
  return `That they do is shown on slower cores, as this machine has too few: each process of a proxy, the owner too, gets ${percent} % of one and no
more (CFS bandwidth control, 5 ms periods). So many viewers were the most of whose packets one in a thousand was at most 40 ms
late, and none lost; found to 6 %. The viewers used at most ${Math.round(sink * 100)} % of a core of their own.

${markdownTable(columns, rows)}`;
}

/** One line for programs. */
export function workersLine(run: Run): string {
  const scenes = rowsOf(run).map(({ scene, one, two, owner, busiest, relief }) => [
    scene.name,
    { one, two, owner, busiest, relief },
  ]);
  const replacedMs = run.replacements.map((each) => each.replacedMs);
  const viewers = crowdsOf(run).map(({ scene, one, two }) => [scene.name, { one, two, ratio: two / one }]);
  return JSON.stringify({ ...Object.fromEntries(scenes), viewers: Object.fromEntries(viewers), replacedMs });
}

export function workersPlot(run: Run): string {
  return stripPlot({
    title: 'What a packet costs, by one process and by two workers',
    subtitle: 'Processor time of all processes; every round a dot, with the median',
    axis: 'nanoseconds a packet',
    groups: rowsOf(run).map(({ scene }) => ({
      title: `${scene.label}, ${scene.viewers} viewers a process`,
      strips: SERVERS.map((name) => {
        const values = run.trials
          .filter((each) => each.scene === scene.name && each.server === name)
          .map((each) => perPacket(each, sum(each.cpuNs)));
        const { median, p10, p90 } = summaryOf(values);
        const emphasis = name === 'two' ? 'strong' : 'plain';
        return { label: LABELS[name], values, median, p10, p90, note: ns(median), emphasis } as const;
      }),
    })),
  });
}
