import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import {
  chmod,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import t from 'tap';

import { encodeSegment, formatSegmentName, type StoreEvent } from '../src/index.js';
import { FaultFs, systemError } from './fault-fs.js';
import { FifoPolicy } from './fifo-policy.js';
import { factsOf, GENERATION, KEY, makeSegment } from './making.js';
import {
  ADMITTED,
  checkInvariants,
  eventTypes,
  filesBelow,
  filled,
  openStore,
  pathOf,
  segmentAt,
  starts,
  TestTime,
  TITLE,
} from './store-checks.js';

t.test('more on disk than the capacity allows is brought under it at the start', async (t) => {
  const { store, directory } = await filled(
    t,
    [0, 1, 2, 3, 4].map((number) => segmentAt(number)),
  );
  const capacityBytes = 2 * segmentAt(0).meta.byteLength + 600;
  await store.close();
  const again = await openStore(directory, { capacityBytes });
  t.teardown(() => again.close());
  t.equal(again.segmentCount, 2);
  await checkInvariants(t, again, directory);
});

t.test('foreign hands: what is not ours is left alone, what is ours and wrong is not served', async (t) => {
  const segments = [0, 1, 2, 3, 4, 5].map((number) => segmentAt(number));
  const { store, directory, events } = await filled(t, segments);
  const metas = store.segments(GENERATION);
  const paths = metas.map((meta) => pathOf(directory, meta));
  const [gone = '', short = '', link = '', fifo = '', swapped = '', other = ''] = paths;
  const outside = join(t.testdirName, 'outside');
  await writeFile(outside, encodeSegment(segmentAt(2), KEY));
  await unlink(gone);
  await truncate(short, 100);
  await unlink(link);
  await symlink(outside, link);
  await unlink(fifo);
  await promisify(execFile)('mkfifo', [fifo]);
  await rename(swapped, `${swapped}.x`);
  await rename(other, swapped);
  await rename(`${swapped}.x`, other);

  for (const meta of metas) t.equal(await store.read(meta), undefined, formatSegmentName(meta));
  await store.indexed();
  t.strictSame(starts(store), []);
  const lost = events.flatMap((event) => (event.type === 'lost' ? [event.error.code] : []));
  t.strictSame(lost, ['vanished', 'truncated', 'not-a-file', 'not-a-file', 'mismatch', 'mismatch']);
  t.strictSame(
    await readFile(outside),
    encodeSegment(segmentAt(2), KEY),
    'nothing was written through the link',
  );
  t.notOk(store.degraded, 'a wrong file is no sick disk');
  const refetched = segmentAt(0);
  t.match(await store.offer(refetched, factsOf(refetched)), ADMITTED, 'fetched again');
  await checkInvariants(t, store, directory);
});

t.test('a file whose name says something else than its header is not served', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0), segmentAt(1)]);
  await store.close();
  const [first, second] = [segmentAt(0).meta, segmentAt(1).meta];
  await rename(pathOf(directory, first), pathOf(directory, { ...first, durationMicros: 7e6 }));
  await rename(pathOf(directory, second), pathOf(directory, { ...second, anchor: 99 }));
  const events: StoreEvent[] = [];
  const again = await openStore(directory, { onEvent: (event) => void events.push(event) });
  t.teardown(() => again.close());
  for (const meta of again.segments(GENERATION)) t.equal(await again.read(meta), undefined);
  await again.indexed();
  const lost = events.flatMap((event) => (event.type === 'lost' ? [event.error.code] : []));
  t.strictSame(lost, ['mismatch', 'mismatch']);
});

t.test('of segments with wrong content only a few are kept, and they count', async (t) => {
  const segments = Array.from({ length: 12 }, (_, number) => segmentAt(number));
  const { store, directory } = await filled(t, segments);
  for (const meta of store.segments(GENERATION)) {
    const path = pathOf(directory, meta);
    const file = await readFile(path);
    file[200] = (file[200] ?? 0) ^ 1;
    await writeFile(path, file);
    t.equal(await store.read(meta), undefined);
  }
  await store.indexed();
  const bad = [...(await filesBelow(directory)).keys()].filter((path) => path.endsWith('.bad'));
  t.equal(bad.length, 8);
  t.ok(store.bytes > 8 * segmentAt(0).meta.byteLength);
  await checkInvariants(t, store, directory);
  await store.close();
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.bytes, store.bytes, 'still counted by the next process');
  t.equal(again.segmentCount, 0);
  await again.resize(4 * segmentAt(0).meta.byteLength);
  t.ok(again.bytes <= again.capacityBytes, 'and the first to go');
  await checkInvariants(t, again, directory);
});

t.test('foreign files survive everything', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.close();
  const foreign = [
    'README',
    'notes.tmp',
    `${GENERATION}/notes.txt`,
    `${GENERATION}/x.seg`,
    'folder/0-0-0-0-k-00000000.seg',
  ];
  await mkdir(join(directory, 'folder'));
  await mkdir(join(directory, 'e'.repeat(32)));
  for (const name of foreign) await writeFile(join(directory, name), 'mine');
  await symlink(directory, join(directory, 'f'.repeat(32)));
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.segmentCount, 1);
  await again.purge(() => true);
  t.equal(again.segmentCount, 0);
  const left = await filesBelow(directory);
  for (const name of foreign) t.ok(left.has(name), name);
  t.ok(left.has('f'.repeat(32)), 'a link with the name of a generation is not followed and not removed');
  await t.rejects(
    readFile(join(directory, 'e'.repeat(32))),
    { code: 'ENOENT' },
    'an empty folder of ours is',
  );
});

t.test('leftovers of interrupted writes are removed at the start', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.close();
  const leftovers = [
    `${GENERATION}/${formatSegmentName(segmentAt(1).meta)}.tmp`,
    `${GENERATION}/title.json.tmp`,
    'popularity.state.tmp',
  ];
  for (const name of leftovers) await writeFile(join(directory, name), 'half');
  await symlink('1-1-00000000', join(directory, 'lock.0123456789abcdef.tmp'));
  const again = await openStore(directory);
  t.teardown(() => again.close());
  await checkInvariants(t, again, directory);
});

t.test('what belongs to another user is told of as unreadable, not as damaged', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.keepNotes(Buffer.from('notes'));
  await store.close();
  const names = async (): Promise<string[]> => [...(await filesBelow(directory)).keys()].sort();
  const before = await names();
  for (const [call, end, files] of [
    ['list', GENERATION, [GENERATION]],
    ['openToRead', '.state', ['popularity.state', 'origins.state']],
    ['openToRead', 'title.json', [join(GENERATION, 'title.json')]],
  ] as const) {
    const fs = new FaultFs();
    fs.fate = ({ name, path }) =>
      name === call && path.endsWith(end) ? { error: systemError('EACCES') } : undefined;
    const events: StoreEvent[] = [];
    const again = await openStore(directory, { fs, onEvent: (event) => void events.push(event) });
    const told = files.map((file) => ({ type: 'unreadable', file, error: { code: 'unreadable' } }));
    t.match(events, [...told, { type: 'indexed' }], `${call} ${end}`);
    t.match(events[0], {
      error: { message: /^this user may not read what the cache directory holds: EACCES/ },
    });
    t.strictSame(await names(), [...before, 'lock'].sort(), 'nothing is deleted');
    t.notOk(again.degraded);
    await again.close();
  }
});

t.test('a lost or damaged title record costs the description, not the segments', async (t) => {
  for (const damage of ['missing', 'flipped', 'garbage', 'foreign']) {
    const { store, directory } = await filled(t, [segmentAt(0)]);
    await store.close();
    const path = join(directory, GENERATION, 'title.json');
    const text = await readFile(path, 'utf8');
    if (damage === 'missing') await unlink(path);
    if (damage === 'flipped') await writeFile(path, text.replace('v=0', 'v=1'));
    if (damage === 'garbage') await writeFile(path, '{');
    if (damage === 'foreign') await writeFile(path, text.replaceAll(GENERATION, 'a'.repeat(32)));
    const events: StoreEvent[] = [];
    const again = await openStore(directory, { onEvent: (event) => void events.push(event) });
    t.equal(again.title(KEY), undefined, `${damage}: not served`);
    t.strictSame(starts(again), [0], `${damage}: the segments say whose they are`);
    t.equal(eventTypes(events).includes('damaged'), damage !== 'missing');
    await again.saveTitle(TITLE);
    t.match(again.title(KEY), TITLE);
    await checkInvariants(t, again, directory);
    await again.close();
    const third = await openStore(directory);
    t.match(third.title(KEY), TITLE, `${damage}: described again`);
    await third.close();
    await rm(directory, { recursive: true });
  }
});

t.test('a folder of which nothing says whose it is is cleared', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.close();
  await unlink(join(directory, GENERATION, 'title.json'));
  await truncate(pathOf(directory, segmentAt(0).meta), 20);
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.segmentCount, 0);
  t.strictSame([...(await filesBelow(directory)).keys()].sort(), ['lock', 'popularity.state']);
});

t.test('two files with the same start: one stays', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.close();
  const twin = makeSegment({ durationSeconds: 3, seed: 7 });
  await writeFile(pathOf(directory, twin.meta), encodeSegment(twin, KEY));
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.segmentCount, 1);
  await checkInvariants(t, again, directory);
});

t.test('what the policy has learned is kept', async (t) => {
  const { store, directory, policy } = await filled(t, []);
  policy.sessions = 42;
  await store.close();
  const restored = new FifoPolicy();
  await (await openStore(directory, { policy: restored })).close();
  t.equal(restored.sessions, 42);
  const path = join(directory, 'popularity.state');
  for (const content of [
    '',
    'garbage that is long enough',
    await readFile(path).then((file) => file.fill(1, 12)),
  ]) {
    await writeFile(path, content);
    const events: StoreEvent[] = [];
    const fresh = new FifoPolicy();
    const again = await openStore(directory, { policy: fresh, onEvent: (event) => void events.push(event) });
    t.match(events, [{ type: 'damaged', file: 'popularity.state', error: { code: 'bad-state' } }, {}]);
    t.equal(fresh.sessions, 0);
    await again.close();
  }
});

t.test('notes are kept for the next process, and damaged ones are none', async (t) => {
  const { store, directory } = await filled(t, []);
  const notes = Buffer.from('{"learned":"much"}');
  await store.keepNotes(notes);
  await checkInvariants(t, store, directory);
  await store.keepNotes(Buffer.alloc(3_000_000));
  await store.close();
  const again = await openStore(directory);
  t.same(Buffer.from(again.notes!), notes, 'too many are not kept, and those before are');
  await again.close();
  const path = join(directory, 'origins.state');
  const file = await readFile(path);
  for (const content of ['', file.subarray(0, 14), Buffer.from(file).fill(1, 12), Buffer.alloc(5e6)]) {
    await writeFile(path, content);
    const events: StoreEvent[] = [];
    const damaged = await openStore(directory, { onEvent: (event) => void events.push(event) });
    t.equal(damaged.notes, undefined);
    t.match(events, [{ type: 'damaged', file: 'origins.state' }, { type: 'indexed' }]);
    await damaged.close();
  }
});

t.test(
  'what was learned is kept when asked for, where it has changed, and only where it is small against the capacity',
  async (t) => {
    const directory = join(t.testdir(), 'cache');
    const policy = new FifoPolicy();
    let slices = 0;
    let state = new Uint8Array(8);
    policy.saving = function* () {
      for (let slice = 0; slice < 5; slice++) {
        slices += 1;
        yield;
      }
      return state;
    };
    const store = await openStore(directory, { policy });
    t.teardown(() => store.close());
    await store.saveTitle(TITLE);
    const path = join(directory, 'popularity.state');
    const size = async (): Promise<number | undefined> =>
      (await filesBelow(directory)).get('popularity.state');
    const keep = async (): Promise<void> => {
      store.keepLearned();
      await store.indexed();
    };
    t.equal(await size(), undefined);
    await keep();
    t.equal(await size(), 20);
    const before = await stat(path);
    await keep();
    t.equal((await stat(path)).ino, before.ino, 'the same again is not written again');
    state = new Uint8Array(9);
    await keep();
    t.equal(await size(), 21);
    state = new Uint8Array(100_000);
    await keep();
    t.equal(await size(), 21, 'not replaced by a large one');
    slices = 0;
    store.keepLearned();
    store.keepLearned();
    await store.indexed();
    t.equal(slices, 5, 'asked for twice at a time, it is made once');
    await checkInvariants(t, store, directory);
  },
);

t.test('a large directory is indexed in slices while what has been found is served', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const first = await openStore(directory);
  const titles = 2;
  const names: string[] = [];
  for (let title = 0; title < titles; title++) {
    const generation = title.toString(16).padStart(32, '0');
    await first.saveTitle({ key: `rtsp://origin/${title}`, generation, description: 'd' });
    for (let number = 0; number < 700; number++) {
      names.push(join(directory, generation, `${number}-${number * 6e6}-6000000-900-k-00000000.seg`));
    }
  }
  await first.close();
  for (const name of names) writeFileSync(name, '');

  const time = new TestTime();
  const opening = openStore(directory, { capacityBytes: 1e9, schedule: time.schedule });
  while (time.pending === 0) await new Promise(setImmediate);
  time.passDeadlines();
  const store = await opening;
  t.teardown(() => store.close());
  t.ok(store.indexing, 'open before the index is complete');
  const segment = segmentAt(0);
  await store.saveTitle(TITLE);
  t.strictSame(await store.offer(segment, factsOf(segment)), { admitted: false, reason: 'disabled' });
  let turns = 0;
  const counting = (): void => {
    turns++;
    ticker = setImmediate(counting);
  };
  let ticker = setImmediate(counting);
  await store.indexed();
  clearImmediate(ticker);
  t.ok(turns > titles, `the event loop had ${turns} turns`);
  t.notOk(store.indexing);
  t.equal(store.segmentCount, names.length, `${names.length} segments`);
  t.match(store.title(KEY), TITLE, 'a title saved meanwhile');
  t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
});

t.test(
  'permissions taken away are survived',
  { skip: process.getuid?.() === 0 && 'root may everything' },
  async (t) => {
    const { store, directory } = await filled(t, [segmentAt(0), segmentAt(1)]);
    const [first, second] = store.segments(GENERATION);
    if (first === undefined || second === undefined) throw new Error('nothing held');
    await chmod(pathOf(directory, first), 0);
    t.equal(await store.read(first), undefined);
    t.ok(await store.read(second));
  },
);
