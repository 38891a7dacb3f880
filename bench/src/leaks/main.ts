// Viewers who come and go: does the proxy hold on to any of them?
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { abandon, ABANDON_STAGES, RigError, RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import { formatJson, type Outcome, readFlags, runBenchmark, wholeNumber } from '../command.js';
import { ProxyHost, type Resources } from '../proxy/host.js';
import { describeMachine } from '../report/machine.js';
import { markdownTable } from '../report/markdown.js';
import { Progress } from '../report/progress.js';

const HOST = '127.0.0.1';
const TITLES = 8;
const AT_A_TIME = 32;
/** Connections that end, flights that linger, and what waits to be written. */
const SETTLE_MS = 15_000;
const PACKETS = 20;
const TIMEOUT_MS = 60_000;
const ROUNDS = 4;
const PORT_REFUSED = 461;

interface Look extends Resources {
  readonly abandoned: number;
  readonly played: number;
}

const USAGE = `usage: pnpm -s bench:leaks [--vanishing N] [--playing N] [--json] [--write]

  --vanishing N  viewers who go without a word (50000)
  --playing N    viewers who play (5000)
  --json         the report goes to standard error, one line of JSON to standard output
  --write        also writes bench/results/leaks.{md,json}`;

interface Options {
  readonly vanishing: number;
  readonly playing: number;
  readonly json: boolean;
  readonly write: boolean;
}

function parseOptions(args: readonly string[]): Options | 'help' {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  const flags = {
    vanishing: text,
    playing: text,
    json: flag,
    write: flag,
    help: { ...flag, short: 'h' },
  } as const;
  const {
    vanishing = '50000',
    playing = '5000',
    json = false,
    write = false,
    help,
  } = readFlags(args, flags, USAGE);
  if (help === true) return 'help';
  const bounds = { least: ROUNDS, most: 10_000_000 };
  return {
    vanishing: wholeNumber('--vanishing', vanishing, bounds),
    playing: wholeNumber('--playing', playing, bounds),
    json,
    write,
  };
}

async function perform({ vanishing, playing }: Options): Promise<Outcome> {
  const looks = await churn(vanishing, playing);
  const machine = await describeMachine();
  const markdown = [
    '# Viewers who come and go',
    `\`pnpm -s bench:leaks\`: ${vanishing} viewers who connect, ask DESCRIBE and vanish somewhere on the way, and ${playing} who describe, set up, play and tear down, in ${ROUNDS} rounds, ${AT_A_TIME} at a time. What the proxy's process holds after each round, ${SETTLE_MS / 1000} s later, garbage left out. Node ${machine.node}, commit ${machine.commit}.`,
    `${table(looks)}\n`,
  ].join('\n\n');
  const files = { 'leaks.md': markdown, 'leaks.json': formatJson({ machine, looks }) };
  return { markdown, line: JSON.stringify({ looks }), files };
}

/** Whether anything was held on to shows in the rounds after the first, which fills caches and compiles code. */
async function churn(abandoned: number, played: number): Promise<Look[]> {
  const title = syntheticTitle({ seconds: 10, videoKbps: 200 });
  const paths = Array.from({ length: TITLES }, (_, i) => `/film-${i}`);
  const origin = await RigOrigin.start({ titles: Object.fromEntries(paths.map((path) => [path, title])) });
  const directory = await mkdtemp(join(tmpdir(), 'forebay-leaks-'));
  const host = ProxyHost.start();
  const progress = new Progress();
  const looks: Look[] = [];
  try {
    const port = await host.open(directory, origin.url('/'), {});
    const look = async (done: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const resources = await host.resources();
      looks.push({ ...resources, abandoned: (done * abandoned) / ROUNDS, played: (done * played) / ROUNDS });
    };
    await look(0);
    for (let round = 1; round <= ROUNDS; round++) {
      progress.begin(`leaks: round ${round} of ${ROUNDS}`);
      await inParallel(abandoned / ROUNDS, async (i) => {
        const stage = ABANDON_STAGES[i % ABANDON_STAGES.length]!;
        const [path, localAddress] = [paths[i % TITLES]!, addressOf(i)];
        await abandon({ host: HOST, port, path, localAddress, stage, reset: i % 3 === 0 });
      });
      await inParallel(played / ROUNDS, (i) => playALittle(`rtsp://${HOST}:${port}${paths[i % TITLES]!}`, i));
      await look(round);
    }
    return looks;
  } finally {
    progress.end();
    await host.end();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** On loopback a port of the viewer may be one that the proxy has too, and is refused: others are tried. */
async function playALittle(url: string, i: number): Promise<void> {
  for (;;) {
    try {
      await play(url, i);
      return;
    } catch (error) {
      if (!(error instanceof RigError && error.status === PORT_REFUSED)) throw error;
    }
  }
}

async function play(url: string, i: number): Promise<void> {
  const options = {
    url,
    transport: i % 4 === 0 ? 'udp' : 'tcp',
    timeoutMs: TIMEOUT_MS,
    maxPackets: 0,
  } as const;
  const viewer = await RigViewer.open({ ...options, localAddress: addressOf(i) });
  try {
    await viewer.play({ range: `npt=${i % 9}-` });
    await viewer.received(PACKETS, { timeoutMs: TIMEOUT_MS });
    await viewer.teardown();
  } finally {
    await viewer.close();
  }
}

async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

function addressOf(i: number): string {
  return `127.2.${(i >>> 7) & 0x7f}.${(i & 0x7f) + 1}`;
}

function table(looks: readonly Look[]): string {
  const titles = [
    'vanished',
    'played',
    'heap, MB',
    'buffers, MB',
    'sockets',
    'timers',
    'viewer sessions',
    'viewer connections',
    'origin sessions',
  ];
  return markdownTable(
    titles.map((title) => ({ title, align: 'right' as const })),
    looks.map((l) => [
      String(l.abandoned),
      String(l.played),
      (l.heapBytes / 1e6).toFixed(1),
      (l.bufferBytes / 1e6).toFixed(1),
      String(l.sockets),
      String(l.timers),
      String(l.viewerSessions),
      String(l.viewerConnections),
      String(l.originSessions),
    ]),
  );
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
