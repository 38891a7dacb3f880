import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pin, type Spent, spentBy } from './spent.js';

/** The load generator has a core of its own where there are two. */
export const SINK_CORE = 1;

/**
 * How media reaches viewers. `udp-gro`: what is sent as segments of one message comes as that (UDP_GRO). The system then does not
 * cut it up on the sender's account, as it need not where a network card does that.
 */
export const CROWD_TRANSPORTS = ['tcp', 'udp', 'udp-gro'] as const;
export type CrowdTransport = (typeof CROWD_TRANSPORTS)[number];

export interface CrowdOrder {
  readonly host: string;
  readonly port: number;
  readonly transport: CrowdTransport;
  readonly viewers: number;
  /** How many addresses of this host they come from; default 1. */
  readonly addresses?: number;
  /** Streams that each sets up; default 1. */
  readonly streams?: number;
  /** A file for every packet of the window: {@link readTrace}. */
  readonly trace?: string;
  readonly setupUrls: readonly string[];
  readonly playUrl: string;
  /** NPT that viewers start from, anywhere between; undefined: no Range, as for live media. */
  readonly startSeconds: readonly [number, number] | undefined;
  readonly rampMs: number;
  readonly settleMs: number;
  readonly windowMs: number;
}

/** What viewers saw in the window; times in milliseconds. */
export interface Seen {
  readonly playing: number;
  readonly closed: number;
  readonly windowMs: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  /** Behind what the first packet of the same viewer and the timestamps promise. */
  readonly lateMs: {
    readonly earliest: number;
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly worst: number;
  };
  /** PLAY asked to first packet read. */
  readonly startupMs: { readonly p50: number; readonly p99: number };
  /** Share of a core that the viewers used. */
  readonly sinkCpu: number;
}

/** What viewers saw, and what it cost whoever served them. */
export interface Served extends Seen {
  readonly cpuNs: number;
  readonly writes: number;
}

/** Has many viewers play, and takes the processor time of process `pid` meanwhile. @throws Error when they cannot */
export async function serve(crowd: string, o: CrowdOrder, pid: number): Promise<Served> {
  const { seen, spent } = await serveByAll(crowd, o, [pid]);
  return { ...seen, ...spent[0]! };
}

/** The same for several processes that serve together. @throws Error when they cannot */
export async function serveByAll(
  crowd: string,
  o: CrowdOrder,
  pids: readonly number[],
): Promise<{ readonly seen: Seen; readonly spent: readonly Spent[] }> {
  const lines = beginCrowd(crowd, o);
  await expect(lines, 'begin');
  const before = await Promise.all(pids.map(spentBy));
  await expect(lines, 'end');
  const after = await Promise.all(pids.map(spentBy));
  const seen = JSON.parse(await next(lines)) as Seen;
  await lines.end();
  const spent = after.map(({ cpuNs, writes }, i) => ({
    cpuNs: cpuNs - before[i]!.cpuNs,
    writes: writes - before[i]!.writes,
  }));
  return { seen, spent };
}

/** Sets sessions up, without playing, while `work` runs. */
export async function whileIdle<T>(crowd: string, o: CrowdOrder, work: () => Promise<T>): Promise<T> {
  const lines = beginCrowd(crowd, { ...o, windowMs: 0 });
  await expect(lines, 'begin');
  try {
    return await work();
  } finally {
    await lines.end();
  }
}

interface Lines {
  readonly iterator: AsyncIterator<string>;
  /** Sends everybody away. */
  end(): Promise<void>;
}

function beginCrowd(crowd: string, o: CrowdOrder): Lines {
  const [from, to] = o.startSeconds ?? [0, -1];
  const figures = [from, to, o.rampMs, o.settleMs, o.windowMs].map(String);
  const args = [
    o.host,
    String(o.port),
    o.transport,
    String(o.viewers),
    o.setupUrls.slice(0, o.streams ?? 1).join(' '),
    o.playUrl,
    ...figures,
    String(o.addresses ?? 1),
    o.trace ?? '-',
  ];
  const child = spawn(crowd, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  void pin(child.pid!, SINK_CORE);
  child.stdin.on('error', () => undefined);
  const iterator = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  return { iterator, end };
}

async function expect(lines: Lines, line: string): Promise<void> {
  const got = await next(lines);
  if (got !== line) throw new Error(`the viewers say ${got}`);
}

async function next({ iterator }: Lines): Promise<string> {
  const { value, done } = await iterator.next();
  if (done === true) throw new Error('the viewers gave up');
  return value;
}

/** The first line of a process that says where it listens. */
export async function portOf(stdout: NodeJS.ReadableStream): Promise<number> {
  const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string];
  const port = /^port (\d+)$/.exec(line)?.[1];
  if (port === undefined) throw new Error(`a server says ${line}`);
  return Number(port);
}
