// Viewers of the live benchmark who come one after the other, in a process of their own: how far behind they are once they
// have caught up.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { type Row, ZERO_MS } from './rows.js';
import { type Audience, audienceOf, type Busy, openMany, watchBusy } from './viewers.js';

/** They come within so long: joining takes the processor for itself. */
const COME_MS = 6000;

export interface SettledOrder {
  readonly url: string;
  readonly tcp: number;
  readonly udp: number;
  /** From the last one's coming until it counts. */
  readonly settleSeconds: number;
  /** How long it counts. */
  readonly seconds: number;
}

export interface SettledResult {
  readonly tcp: Audience;
  readonly udp: Audience;
  /** Of this process while it counted. */
  readonly crowd: Busy;
}

export type SettledMessage =
  | { readonly kind: 'settled' }
  | { readonly kind: 'watched' }
  | { readonly kind: 'result'; readonly result: SettledResult };

async function run(o: SettledOrder, direct: Promise<readonly Row[]>): Promise<void> {
  const [tcp, udp] = [await openMany(o.url, 'tcp', o.tcp), await openMany(o.url, 'udp', o.udp)];
  const viewers = [...tcp, ...udp];
  for (const viewer of viewers) {
    await viewer.play();
    await delay(COME_MS / viewers.length);
  }
  await delay(o.settleSeconds * 1000);
  tell({ kind: 'settled' });
  const fromMs = performance.now() + ZERO_MS;
  const busy = watchBusy();
  await delay(o.seconds * 1000);
  const crowd = busy();
  tell({ kind: 'watched' });
  const rows = await direct;
  const result = { tcp: audienceOf(tcp, rows, fromMs), udp: audienceOf(udp, rows, fromMs), crowd };
  tell({ kind: 'result', result });
}

function tell(message: SettledMessage): void {
  process.send?.(message);
}

let giveRows: (rows: readonly Row[]) => void;
const direct = new Promise<readonly Row[]>((resolve) => (giveRows = resolve));
process.on('message', (message: SettledOrder | readonly Row[]) => {
  if ('url' in message) void run(message, direct);
  else giveRows(message);
});
process.on('disconnect', () => process.exit());
process.on('unhandledRejection', (error) => {
  process.stderr.write(`the crowd: ${String(error)}\n`);
  process.exit(1);
});
