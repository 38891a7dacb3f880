import { Socket } from 'node:net';
import type { OwnerLine, WorkerLine } from './protocol.js';
import { type Vitals, Worker } from './worker.js';

/*
 * The process of a worker. It takes its orders from the owner alone: signals to the whole group are the owner's business, and
 * when the owner is gone it ends at once.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

let worker: Worker | undefined;
/** What it was told while it began. */
const early: OwnerLine[] = [];

const send = (lines: readonly WorkerLine[]): void => {
  // An owner that is gone is noticed by the end of the channel.
  if (process.connected) process.send?.(lines, undefined, undefined, () => undefined);
};

process.on('message', (lines: readonly OwnerLine[], handle: unknown) => {
  for (const line of lines) {
    if (line.op === 'begin') void begin(line);
    else if (line.op === 'viewer') adopt(line, handle);
    else if (worker === undefined) early.push(line);
    else worker.take(line);
  }
});

// It has loaded, and can be told what to do.
send([]);

function vitals(): Vitals {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}

async function begin({ options }: Extract<OwnerLine, { op: 'begin' }>): Promise<void> {
  try {
    worker = await Worker.start(options, { send, vitals });
    for (const line of early.splice(0)) worker.take(line);
    send([{ op: 'ready' }]);
  } catch (error) {
    send([{ op: 'failed', message: error instanceof Error ? error.message : String(error) }]);
  }
}

function adopt(line: Extract<OwnerLine, { op: 'viewer' }>, handle: unknown): void {
  if (!(handle instanceof Socket)) send([{ op: 'disconnected', connection: line.connection }]);
  else if (worker === undefined) handle.destroy();
  else {
    handle.allowHalfOpen = true;
    worker.adopt(handle, line);
  }
}
