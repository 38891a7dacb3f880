import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import type { WriterArguments } from './kill-writer.js';
import type { StoreEvent } from '../src/index.js';
import { GENERATION, makeSegment } from './making.js';
import { randomFrom } from './random.js';
import { checkInvariants, openStore } from './store-checks.js';

/** More for a long run: FOREBAY_KILLS=1000. */
const CYCLES = Number(process.env['FOREBAY_KILLS'] ?? 20);
const TIMEOUT_MS = 60_000 + 5000 * CYCLES;
const CAPACITY_BYTES = 1_200_000;
const WRITER = fileURLToPath(new URL('kill-writer.js', import.meta.url));

/** Starts a writer, lets it report some segments, and kills it a random moment later. @returns the last one. */
async function killAWriter(directory: string, first: number, random: () => number): Promise<number> {
  const writing: WriterArguments = [directory, String(CAPACITY_BYTES), String(first)];
  const writer = spawn(process.execPath, [WRITER, ...writing], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(writer, 'exit');
  const reports = 1 + Math.floor(random() * 30);
  let last = first;
  let seen = 0;
  for await (const line of createInterface(writer.stdout)) {
    if (line !== 'open') last = Number(line);
    if (++seen === reports) setTimeout(() => writer.kill('SIGKILL'), random() * 8);
  }
  const [, signal] = await exited;
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself, after ${seen} lines`);
  return last;
}

t.setTimeout(TIMEOUT_MS);
t.test(
  `killed ${CYCLES} times while it writes, the cache never holds a wrong byte`,
  { timeout: TIMEOUT_MS },
  async (t) => {
    const seed = Number(process.env['FOREBAY_SEED'] ?? Date.now() >>> 0);
    const random = randomFrom(seed);
    const directory = join(t.testdir(), 'cache');
    let number = 0;
    let verified = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      number = (await killAWriter(directory, number, random)) + 1;
      const events: StoreEvent[] = [];
      const onEvent = (event: StoreEvent): void => void events.push(event);
      const store = await openStore(directory, { capacityBytes: CAPACITY_BYTES, onEvent });
      await checkInvariants(t, store, directory);
      for (const meta of store.segments(GENERATION)) {
        const segment = await store.read(meta);
        const seedOf = meta.index & 0xff;
        const written = makeSegment({
          startSeconds: 6 * meta.index,
          seed: seedOf,
          frames: 60,
          payloadBytes: 1200,
        });
        if (segment?.run.bytes.equals(written.run.bytes) !== true)
          t.fail(`segment ${meta.index}, seed ${seed}`);
        verified++;
      }
      await store.close();
      const unexpected = events.filter((event) => event.type !== 'indexed');
      if (unexpected.length > 0) t.fail(`${unexpected.map((event) => event.type).join()}, seed ${seed}`);
    }
    t.ok(verified > CYCLES, `${verified} segments verified, seed ${seed}`);
  },
);
