// The viewers of the live benchmark, in a process of their own.
import { setTimeout as delay } from 'node:timers/promises';
import type { AccessUnit, RigViewer } from '@forebay/rig';
import { compareGroups, type Groups } from './groups.js';
import { compare, type Row, rowsOf } from './rows.js';
import { type Audience, audienceOf, type Busy, open, openMany, TIMEOUT_MS, watchBusy } from './viewers.js';

const STALL_AFTER_MS = 2000;
const STALL_MS = 8000;
/** So many more come while the others watch, one after the other. */
const LATE_SHARE = 0.1;
/** Who comes last watches for so long at least. */
const LATE_SECONDS = 4;

export interface CrowdOrder {
  readonly url: string;
  /** Of the presentation that the stalled viewer watches. */
  readonly wideUrl: string;
  readonly tcp: number;
  readonly udp: number;
  readonly seconds: number;
}

export interface CrowdResult {
  readonly tcp: Audience;
  readonly udp: Audience;
  /** Who came later: behind by as much as the key frame was old that they began with. */
  readonly late: Audience;
  readonly stalled: Groups & {
    readonly stallMs: number;
    /** Packets missing at its neighbour, who watched the same. */
    readonly neighbourMissing: number;
  };
  /** Of this process while everybody watched. */
  readonly crowd: Busy;
}

export type CrowdMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'watched' }
  | { readonly kind: 'result'; readonly result: CrowdResult };

interface Seats {
  readonly tcp: readonly RigViewer[];
  readonly udp: readonly RigViewer[];
  /** They come while the others watch. */
  readonly late: readonly RigViewer[];
  readonly slow: RigViewer;
  readonly neighbour: RigViewer;
}

interface Direct {
  readonly rows: readonly Row[];
  readonly wideRows: readonly Row[];
}

async function seat({ url, wideUrl, tcp, udp }: CrowdOrder): Promise<Seats> {
  return {
    tcp: await openMany(url, 'tcp', tcp),
    udp: await openMany(url, 'udp', udp),
    late: await openMany(url, 'tcp', Math.ceil(LATE_SHARE * tcp)),
    slow: await open(wideUrl, 'tcp'),
    neighbour: await open(wideUrl, 'tcp'),
  };
}

/** Everybody asks, and then watches; one does not read for a while, and some come later. */
async function watch(
  { tcp, udp, late, slow, neighbour }: Seats,
  seconds: number,
): Promise<CrowdResult['crowd']> {
  const first = [...tcp, ...udp, slow, neighbour];
  await Promise.all(first.map((viewer) => viewer.play()));
  await Promise.all(first.map((viewer) => viewer.received(1, { timeoutMs: TIMEOUT_MS })));
  const busy = watchBusy();
  const stall = async (): Promise<void> => {
    await delay(STALL_AFTER_MS);
    slow.stopReading();
    await delay(STALL_MS);
    slow.resumeReading();
  };
  const arrive = async (): Promise<void> => {
    for (const viewer of late) {
      await viewer.play();
      await delay(((seconds - LATE_SECONDS) * 1000) / late.length);
    }
  };
  await Promise.all([delay(seconds * 1000), stall(), arrive()]);
  return busy();
}

const picturesOf = (viewer: RigViewer): AccessUnit[] => viewer.accessUnits(0, { parameterSets: false });

function judge(
  { tcp, udp, late, slow, neighbour }: Seats,
  { rows, wideRows }: Direct,
): Omit<CrowdResult, 'crowd'> {
  const compared = rowsOf(neighbour).map((row, stream) => compare(row, wideRows[stream]!));
  return {
    tcp: audienceOf(tcp.map(rowsOf), rows),
    udp: audienceOf(udp.map(rowsOf), rows),
    late: audienceOf(late.map(rowsOf), rows),
    stalled: {
      ...compareGroups(picturesOf(neighbour), picturesOf(slow)),
      stallMs: STALL_MS,
      neighbourMissing: compared.reduce((sum, { expected, right }) => sum + expected - right, 0),
    },
  };
}

async function run(order: CrowdOrder, direct: Promise<Direct>): Promise<void> {
  const seats = await seat(order);
  tell({ kind: 'ready' });
  const crowd = await watch(seats, order.seconds);
  tell({ kind: 'watched' });
  tell({ kind: 'result', result: { ...judge(seats, await direct), crowd } });
}

function tell(message: CrowdMessage): void {
  process.send?.(message);
}

let giveRows: (direct: Direct) => void;
const direct = new Promise<Direct>((resolve) => (giveRows = resolve));
process.on('message', (message: CrowdOrder | Direct) => {
  if ('rows' in message) giveRows(message);
  else void run(message, direct);
});
process.on('disconnect', () => process.exit());
process.on('unhandledRejection', (error) => {
  process.stderr.write(`the crowd: ${String(error)}\n`);
  process.exit(1);
});
