import { type Machine, stolenText } from '../report/machine.js';
import { type Column, formatRatio, markdownTable } from '../report/markdown.js';
import { stripPlot } from '../report/strip-plot.js';
import { medianOf, summaryOf } from '../report/summary.js';
import type { CrowdTransport } from './crowd.js';
import type { DiskFigures } from './disk.js';
import type { Load, MemoryFigures, StartupFigures } from './extremes.js';
import { PACED_MS } from './extremes.js';
import type { Trial } from './measure.js';
import { type Scene, SCENES, SERVER_LABELS, SERVERS, type ServerName, TRANSPORT_LABELS } from './scenes.js';
import type { TlsFigures } from './tls.js';

/** A run, with everything needed to judge or repeat it. */
export interface Run {
  readonly command: string;
  /** ISO 8601, when it ended. */
  readonly endedAt: string;
  readonly machine: Machine;
  readonly loadAtEnd: number;
  /** Share of the processors that the host kept for others meanwhile; undefined: it does not tell. */
  readonly stolen: number | undefined;
  readonly trials: Trial[];
  readonly loads: Load[];
  memory: MemoryFigures | undefined;
  startup: StartupFigures | undefined;
  disk: DiskFigures | undefined;
  tls: TlsFigures | undefined;
}

/** One server in one scene: medians over the rounds. */
interface Row {
  readonly scene: Scene;
  readonly server: ServerName;
  readonly nsPerPacket: number;
  readonly each: readonly number[];
  readonly nsPerMegabit: number;
  readonly packetsPerWrite: number | undefined;
  readonly lateP999Ms: number;
  readonly lost: number;
  readonly cpu: number;
  readonly lagP99Ms: number | undefined;
  readonly residentMegabytes: number;
  readonly sinkCpu: number;
}

interface Goal {
  readonly what: string;
  readonly least?: number;
  readonly most?: number;
  /** Undefined: not measured in this run. */
  readonly got: number | undefined;
  readonly unit?: string;
}

const KILO = 1000;

/** Everything, for programs. */
export function relayObject(run: Run): object {
  const rows = rowsOf(run).map(({ scene, ...row }) => ({ scene: scene.name, ...row }));
  return { ...run, rows, goals: goalsOf(run) };
}

/** The medians alone, nanoseconds of processor time a packet, and viewers that were paced. */
export function relayLine(run: Run): string {
  const rows = rowsOf(run);
  const ns = (scene: string, server: ServerName): number | null => {
    const row = find(rows, scene, server);
    return row === undefined ? null : Math.round(row.nsPerPacket);
  };
  const tcp = (scene: string): object => ({
    nsPerPacket: ns(scene, 'forebay'),
    bareNode: ns(scene, 'bareNode'),
    bareC: ns(scene, 'bareC'),
  });
  const udp = (scene: string): object => ({
    nsPerPacket: ns(scene, 'forebay'),
    dgram: ns(scene, 'forebayDgram'),
    bareGso: ns(scene, 'bareC'),
  });
  return JSON.stringify({
    heldTcp: tcp('heldTcp'),
    liveTcp: tcp('liveTcp'),
    heldUdp: udp('heldUdp'),
    liveUdp: udp('liveUdp'),
    viewersPerCore: { heldTcp: pacedOf(run, 'tcp') ?? null, heldUdp: pacedOf(run, 'udp') ?? null },
  });
}

export function relayMarkdown(run: Run): string {
  const { machine } = run;
  const rows = rowsOf(run);
  return `# Relay

What serving many viewers costs: processor time of the serving process alone, for each RTP packet that viewers received
(1,328 bytes, video with a key frame a second, 4 Mbit/s unless said). Servers take turns; each has a core to itself, and
the viewers, one program in C, have the other. Loopback charges the sender for the receiving half as well.

${goalTable(goalsOf(run))}

The bare loops write the same packets, as many in a write as Forebay does, without a look at them; over UDP the C loop
sends as Forebay's native path does, with \`sendmmsg\` and UDP_SEGMENT. To viewers of "UDP" loopback cuts each message of segments
up, on the sender's account: so would a host whose network card does not. To those of "UDP, joined" (UDP_GRO) it hands messages as they are,
as to a card that cuts them up itself (USO). No real network is either.

${costTable(rows)}

\`late\` is how far one packet in a thousand comes behind what the first one and the timestamps promise; packets a write are
system calls that the kernel counted (batches of datagrams are not among them); lag is that of Forebay's event loop, at
the 99th percentile.

${loadTable(run)}

${otherText(run)}

![Processor time a packet](relay.svg)

## How it was measured

- \`${run.command}\`
- ${run.endedAt.slice(0, 10)}, commit ${machine.commit}
- ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel}; Node ${machine.node.slice(1)}
- load of the machine ${machine.load} at the beginning, ${run.loadAtEnd} at the end${stolenText(run.stolen)}
- Viewers begin within a second or two, anywhere in the first 12 s of a title of 30 s that is in the proxy's RAM. Live ones
  are all where the origin is. Processor time is that of all threads, from the scheduler's accounts.
`;
}

export function relayPlot(run: Run): string {
  const rows = rowsOf(run);
  const scenes = SCENES.filter(({ name }) => rows.some(({ scene }) => scene.name === name));
  return stripPlot({
    title: 'Processor time of the serving process, for each packet that a viewer received',
    subtitle: 'every round a dot, and the median; whatever is compared took turns',
    axis: 'nanoseconds, logarithmic',
    groups: scenes.map((scene) => ({
      title: `${scene.label}, ${scene.viewers} viewers of ${scene.kbps / KILO} Mbit/s`,
      strips: rows
        .filter((row) => row.scene === scene)
        .map(({ server, each, nsPerPacket }) => {
          const { p10, p90 } = summaryOf(each);
          return {
            label: SERVER_LABELS[server].replaceAll('`', ''),
            values: each,
            median: nsPerPacket,
            p10,
            p90,
            note: `${Math.round(nsPerPacket)} ns`,
            emphasis: server === 'forebay' ? ('strong' as const) : ('plain' as const),
          };
        }),
    })),
  });
}

function rowsOf({ trials }: Run): Row[] {
  return SCENES.flatMap((scene) =>
    SERVERS.flatMap((server) => {
      const those = trials.filter((trial) => trial.scene === scene.name && trial.server === server);
      return those.length === 0 ? [] : [rowOf(scene, server, those)];
    }),
  );
}

function rowOf(scene: Scene, server: ServerName, trials: readonly Trial[]): Row {
  const median = (of: (trial: Trial) => number): number => medianOf(trials.map(of));
  const each = trials.map(({ cpuNs, packets }) => cpuNs / packets);
  const isCounted = scene.transport === 'tcp';
  return {
    scene,
    server,
    nsPerPacket: medianOf(each),
    each,
    nsPerMegabit: median(({ cpuNs, bytes }) => cpuNs / ((bytes * 8) / 1e6)),
    packetsPerWrite: isCounted ? median(({ packets, writes }) => packets / writes) : undefined,
    lateP999Ms: median(({ lateMs }) => lateMs.p999),
    lost: median(({ lost }) => lost),
    cpu: median(({ cpuNs, windowMs }) => cpuNs / 1e6 / windowMs),
    lagP99Ms: trials[0]?.lagMs === undefined ? undefined : median(({ lagMs }) => lagMs?.p99Ms ?? 0),
    residentMegabytes: median(({ residentBytes }) => residentBytes / 1e6),
    sinkCpu: median(({ sinkCpu }) => sinkCpu),
  };
}

function find(rows: readonly Row[], scene: string, server: ServerName): Row | undefined {
  return rows.find((row) => row.scene.name === scene && row.server === server);
}

/** The most viewers that were paced. */
function pacedOf({ loads }: Run, transport: CrowdTransport): number | undefined {
  const paced = loads.filter((load) => load.transport === transport && load.isPaced);
  return loads.some((load) => load.transport === transport)
    ? Math.max(0, ...paced.map(({ viewers }) => viewers))
    : undefined;
}

function goalsOf(run: Run): Goal[] {
  const rows = rowsOf(run);
  const ratio = (scene: string, server: ServerName, to: ServerName): number | undefined => {
    const [row, other] = [find(rows, scene, server), find(rows, scene, to)];
    return row === undefined || other === undefined ? undefined : row.nsPerPacket / other.nsPerPacket;
  };
  const micros = (scene: string): number | undefined => {
    const row = find(rows, scene, 'forebay');
    return row === undefined ? undefined : row.nsPerPacket / KILO;
  };
  const { memory, startup } = run;
  return [
    { what: 'held, TCP, of the bare Node loop', most: 1.3, got: ratio('heldTcp', 'forebay', 'bareNode') },
    { what: 'held, TCP, a packet', most: 0.4, got: micros('heldTcp'), unit: 'us' },
    { what: 'live, TCP, a packet', most: 1.4, got: micros('liveTcp'), unit: 'us' },
    { what: 'held, UDP, of the bare C loop', most: 1.4, got: ratio('heldUdp', 'forebay', 'bareC') },
    { what: 'live, UDP, of the bare C loop', most: 1.4, got: ratio('liveUdp', 'forebay', 'bareC') },
    {
      what: 'held, UDP, of the `dgram` path',
      most: 0.4,
      got: ratio('heldUdp', 'forebay', 'forebayDgram'),
    },
    {
      what: 'held, UDP, joined, of the `dgram` path',
      most: 0.4,
      got: ratio('heldUdpGro', 'forebay', 'forebayDgram'),
    },
    { what: 'viewers paced on one core, TCP', least: 3000, got: pacedOf(run, 'tcp') },
    { what: 'viewers paced on one core, UDP', least: 1500, got: pacedOf(run, 'udp') },
    { what: 'viewers paced on one core, UDP, joined', least: 1500, got: pacedOf(run, 'udp-gro') },
    {
      what: 'start while others play, 99th percentile',
      most: 100,
      got: startup?.p99Ms,
      unit: 'ms',
    },
    { what: 'an idle session', most: 24, got: inKiB(memory?.idleBytesPerSession), unit: 'KiB' },
    { what: 'a playing session', most: 64, got: inKiB(memory?.playingBytesPerSession), unit: 'KiB' },
  ];
}

function inKiB(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 1024;
}

const right = (title: string): Column => ({ title, align: 'right' });

function goalTable(goals: readonly Goal[]): string {
  const rows = goals.flatMap(({ what, least, most, got, unit }) => {
    if (got === undefined) return [];
    const isMet = got >= (least ?? -Infinity) && got <= (most ?? Infinity);
    const text =
      unit === 'ms' || unit === 'KiB' ? got.toFixed(1) : least === undefined ? formatRatio(got) : `${got}`;
    const suffix = unit === undefined ? '' : ` ${unit}`;
    const goal = least === undefined ? `at most ${most}${suffix}` : `at least ${least}`;
    return [[what, `${text}${suffix}`, goal, isMet ? 'met' : 'missed']];
  });
  return markdownTable([{ title: '' }, right('Measured'), right('Goal'), { title: '' }], rows);
}

function costTable(rows: readonly Row[]): string {
  const columns = [
    { title: 'Scene' },
    { title: 'Server' },
    ...[
      'ns/packet',
      'of Forebay',
      'ns/Mbit',
      'packets a write',
      'late',
      'lost',
      'core',
      'lag',
      'resident',
      'sink',
    ].map(right),
  ];
  return markdownTable(
    columns,
    rows.map((row) => {
      const { scene, server } = row;
      const forebay = find(rows, scene.name, 'forebay');
      return [
        `${scene.label}, ${scene.viewers} of ${scene.kbps / KILO} Mbit/s`,
        SERVER_LABELS[server],
        Math.round(row.nsPerPacket).toString(),
        forebay === undefined ? '' : formatRatio(row.nsPerPacket / forebay.nsPerPacket),
        Math.round(row.nsPerMegabit).toString(),
        row.packetsPerWrite?.toFixed(1) ?? '',
        `${row.lateP999Ms.toFixed(1)} ms`,
        Math.round(row.lost).toString(),
        percent(row.cpu),
        row.lagP99Ms === undefined ? '' : `${row.lagP99Ms.toFixed(1)} ms`,
        `${Math.round(row.residentMegabytes)} MB`,
        percent(row.sinkCpu),
      ];
    }),
  );
}

function loadTable({ loads }: Run): string {
  if (loads.length === 0) return '';
  const columns = [
    { title: 'Held, 4 Mbit/s' },
    ...['viewers', 'Gbit/s', 'core', 'late p50', 'p99', 'p99.9', 'lost', 'sink'].map(right),
    { title: `p99.9 within ${PACED_MS} ms` },
  ];
  const rows = loads.map(({ transport, viewers, cpu, gigabits, isPaced, isSinkBusy, served }) => [
    TRANSPORT_LABELS[transport],
    String(viewers),
    gigabits.toFixed(2),
    percent(cpu),
    ...[served.lateMs.p50, served.lateMs.p99, served.lateMs.p999].map((ms) => ms.toFixed(1)),
    String(served.lost),
    percent(served.sinkCpu),
    `${isPaced ? 'yes' : 'no'}${isSinkBusy ? ' (the viewers were busy)' : ''}`,
  ]);
  return `Viewers added until they are late three times in a row (the last of the three is shown), milliseconds:\n\n${markdownTable(columns, rows)}`;
}

function otherText({ memory, startup, disk, tls }: Run): string {
  const lines: string[] = [];
  if (memory !== undefined) {
    const { sessions, idleBytesPerSession, playingBytesPerSession } = memory;
    const [idle, playing] = [idleBytesPerSession, playingBytesPerSession].map((bytes) =>
      (bytes / 1024).toFixed(1),
    );
    lines.push(
      `${sessions} sessions over TCP: ${idle} KiB resident for one that is set up, ${playing} KiB for one that plays.`,
    );
  }
  if (startup !== undefined) {
    const { starts, others, p50Ms, p99Ms } = startup;
    lines.push(
      `${starts} starts while ${others} others play: first packet ${p50Ms.toFixed(1)} ms after PLAY, 99th percentile ${p99Ms.toFixed(1)} ms.`,
    );
  }
  if (disk !== undefined) {
    const { viewers, stallMs, calls, lateMs, stalledLateMs, lagMs, stalledLagMs } = disk;
    lines.push(
      `${viewers} viewers whose every segment is read from disk are late by ${lateMs.p999.toFixed(1)} ms (one packet in a thousand), and by ${stalledLateMs.p999.toFixed(1)} ms while the disk answers nothing for ${stallMs / 1000} s (${calls} calls met that); the event loop at worst by ${lagMs.toFixed(1)} and ${stalledLagMs.toFixed(1)} ms.`,
    );
  }
  if (tls !== undefined) {
    const { viewers, plainNs, tlsNs, handshakeMicros } = tls;
    lines.push(
      `${viewers} viewers over TLS, in Node on the other core, cost ${Math.round(tlsNs)} ns a packet, ${formatRatio(tlsNs / plainNs)} times what they cost over plain TCP (${Math.round(plainNs)} ns); a handshake costs ${Math.round(handshakeMicros)} us.`,
    );
  }
  return lines.join('\n\n');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
