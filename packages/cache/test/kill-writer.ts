import { factsOf, GENERATION, makeSegment } from './making.js';
import { openStore, TITLE } from './store-checks.js';

/** Command line of the writer: directory, capacity in bytes, number of the first segment. */
export type WriterArguments = readonly [directory: string, capacityBytes: string, first: string];

/*
 * Writes, reads, evicts and purges until it is killed. Prints the number of each segment that was stored.
 */
const [directory = '', capacity = '', first = ''] = process.argv.slice(2);
const store = await openStore(directory, { capacityBytes: Number(capacity) });
await store.saveTitle(TITLE);
process.stdout.write('open\n');
for (let number = Number(first); ; number++) {
  const segment = makeSegment({
    startSeconds: 6 * number,
    seed: number & 0xff,
    frames: 60,
    payloadBytes: 1200,
  });
  const { admitted } = await store.offer(segment, factsOf(segment));
  if (admitted) process.stdout.write(`${number}\n`);
  if (number % 7 === 0) await store.saveTitle({ ...TITLE, description: `title ${number}` });
  if (number % 31 === 0) await store.purge(() => true);
  if (number % 31 === 0) await store.saveTitle(TITLE);
  for (const meta of store.segments(GENERATION).slice(-1)) await store.read(meta);
}
