import { join } from 'node:path';

import t from 'tap';

import type { StoreEvent } from '../src/index.js';
import { FaultFs, Gate, systemError, type FsCall } from './fault-fs.js';
import { FifoPolicy } from './fifo-policy.js';
import { GENERATION } from './making.js';
import {
  checkInvariants,
  leftDirectory,
  openStore,
  segmentAt,
  starts,
  TestTime,
  TITLE,
  filesBelow,
} from './store-checks.js';

const SEGMENT_BYTES = segmentAt(0).meta.byteLength;

t.test('a disk that fails while the directory is read costs what could not be read', async (t) => {
  const directory = await leftDirectory(t);
  const titleOf = join(directory, GENERATION, 'title.json');

  const fs = new FaultFs();
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  fs.fate = (call) =>
    call.name === 'list' && call.path !== directory ? { error: systemError('EIO') } : undefined;
  const unlisted = await openStore(directory, { fs, onEvent });
  t.equal(unlisted.segmentCount, 0);
  t.match(events, [{ type: 'damaged', file: GENERATION, error: { code: 'io' } }, { type: 'indexed' }]);
  await unlisted.close();

  fs.fate = (call) =>
    call.name === 'openToRead' && call.path.startsWith(join(directory, GENERATION))
      ? { error: systemError('EIO') }
      : undefined;
  const unread = await openStore(directory, { fs });
  t.equal(unread.segmentCount, 0);
  t.equal(unread.bytes, SEGMENT_BYTES + 20, 'counted all the same, with the saved popularity');
  await unread.close();
  t.ok((await filesBelow(directory)).has(`${GENERATION}/title.json`), 'and not deleted for it');

  fs.fate = (call) => (call.path === titleOf ? { error: systemError('EIO') } : undefined);
  const untitled = await openStore(directory, { fs });
  t.strictSame(starts(untitled), [0]);
  await untitled.close();

  fs.fate = (call) => (call.name === 'list' ? { error: systemError('EIO') } : undefined);
  const empty = await openStore(directory, { fs });
  t.ok(empty.degraded);
  await empty.close();
  const again = await openStore(directory);
  t.strictSame(starts(again), [0]);
  t.ok(again.title(TITLE.key));
  await checkInvariants(t, again, directory);
  await again.close();
});

t.test('a mistake while the directory is read ends the opening, and gives the directory back', async (t) => {
  const directory = await leftDirectory(t);
  const policy = new FifoPolicy();
  policy.hold = () => {
    throw new TypeError('a bug');
  };
  await t.rejects(openStore(directory, { policy }), TypeError);

  const time = new TestTime();
  const events: StoreEvent[] = [];
  const fs = new FaultFs();
  const gate = new Gate();
  fs.fate = (call) => (call.name === 'list' ? gate.hold() : undefined);
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const opening = openStore(directory, { policy, fs, schedule: time.schedule, onEvent });
  while (fs.calls.at(-1)?.name !== 'list') await new Promise((resolve) => setImmediate(resolve));
  time.passDeadlines();
  const store = await opening;
  gate.open();
  await store.indexed();
  t.match(
    events.at(-1),
    { type: 'failed', error: { name: 'TypeError' } },
    'or is reported, when it was open already',
  );
  await store.close();
  await (await openStore(directory)).close();
});

t.test('a store can be closed before its directory has been read', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const first = await openStore(directory);
  for (const letter of ['a', 'b']) {
    await first.saveTitle({ ...TITLE, key: letter, generation: letter.repeat(32) });
  }
  await first.close();
  const time = new TestTime();
  const fs = new FaultFs();
  const gate = new Gate();
  const inFolder = (call: FsCall): boolean => call.name === 'list' && call.path !== directory;
  fs.fate = (call) => (inFolder(call) ? gate.hold() : undefined);
  const opening = openStore(directory, { fs, schedule: time.schedule });
  while (!fs.calls.some(inFolder)) await new Promise((resolve) => setImmediate(resolve));
  time.passDeadlines();
  const store = await opening;
  const closing = store.close();
  gate.open();
  await closing;
  t.equal(fs.calls.filter(inFolder).length, 1, 'the second folder was left alone');
  const again = await openStore(directory);
  t.ok(again.title('a') && again.title('b'));
  await again.close();
});
