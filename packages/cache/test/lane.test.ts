import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { systemSchedule, within } from '../src/lane.js';

/** Keeps the event loop from turning. */
const block = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

t.test('a slow event loop is no slow disk', async (t) => {
  const path = join(t.testdir(), 'file');
  await writeFile(path, 'media');
  let isLate = false;
  const read = within(readFile(path, 'utf8'), 50, systemSchedule, () => {
    isLate = true;
  });
  // Blocked in most turns, and for longer than the limit each time.
  let turns = 0;
  const busy = setInterval(() => {
    block(60);
    if (++turns === 5) clearInterval(busy);
  }, 1);
  block(200);
  t.equal(await read, 'media');
  t.notOk(isLate);
  clearInterval(busy);
});

t.test('a disk that does not answer is given up when the time is over', async (t) => {
  let lates = 0;
  const waits: number[] = [];
  const outcome = within(
    new Promise(() => undefined),
    500,
    (callback, delayMs) => {
      waits.push(delayMs);
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
    () => {
      lates++;
    },
  );
  t.equal(await outcome, undefined);
  t.equal(lates, 1);
  t.equal(
    waits.reduce((sum, ms) => sum + ms, 0),
    500,
  );
});
