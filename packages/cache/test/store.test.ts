import { writeFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import t, { type Test } from 'tap';

import {
  encodeSegment,
  formatSegmentName,
  SegmentStore,
  type Segment,
  type SegmentMeta,
  type StoreEvent,
} from '../src/index.js';
import { FifoPolicy } from './fifo-policy.js';
import { factsOf, GENERATION, KEY, makeSegment } from './making.js';
import { checkInvariants, filesBelow, openStore, TestTime } from './store-checks.js';

const TITLE = { key: KEY, generation: GENERATION, description: '{"sdp":"v=0"}', durationSeconds: 60 };
const OTHER = { ...TITLE, key: 'rtsp://origin.example:554/b', generation: 'b'.repeat(32) };
const ADMITTED = { admitted: true };

function segmentAt(number: number, seed = number): Segment {
  return makeSegment({ startSeconds: 6 * number, seed });
}

async function offerAll(store: SegmentStore, segments: readonly Segment[]): Promise<void> {
  for (const segment of segments) await store.offer(segment, factsOf(segment));
}

function starts(store: SegmentStore, generation = GENERATION): number[] {
  return store.segments(generation).map((meta) => meta.startMicros / 6e6);
}

/** A store with one title and some segments, and its events. */
async function filled(
  t: Test,
  segments: readonly Segment[],
  capacityBytes = 1e6,
): Promise<{ store: SegmentStore; directory: string; policy: FifoPolicy; events: StoreEvent[] }> {
  const directory = join(t.testdir(), 'cache');
  const events: StoreEvent[] = [];
  const policy = new FifoPolicy();
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = await openStore(directory, { policy, capacityBytes, onEvent });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  await offerAll(store, segments);
  return { store, directory, policy, events };
}

function pathOf(directory: string, meta: SegmentMeta): string {
  return join(directory, meta.generation, formatSegmentName(meta));
}

function eventTypes(events: readonly StoreEvent[]): string[] {
  return events.map((event) => event.type);
}

t.test('what is stored comes back, also in the next process', async (t) => {
  const segments = [0, 1, 2].map((number) => segmentAt(number));
  const { store, directory } = await filled(
    t,
    [2, 0, 1].map((number) => segmentAt(number)),
  );
  t.strictSame(starts(store), [0, 1, 2], 'ascending');
  await checkInvariants(t, store, directory);
  await store.close();

  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.strictSame(starts(again), [0, 1, 2]);
  t.match(again.title(KEY), { ...TITLE, newest: true });
  for (const segment of segments) {
    const [meta] = again.segments(GENERATION).filter((meta) => meta.startMicros === segment.meta.startMicros);
    t.strictSame(meta, segment.meta, 'the name carries everything');
    const found = meta === undefined ? undefined : await again.read(meta);
    t.strictSame(found?.run.bytes, segment.run.bytes);
    t.strictSame(found?.extents, segment.extents);
  }
  await checkInvariants(t, again, directory);
});

t.test('a held start is refused, and so is one that is being written', async (t) => {
  const { store } = await filled(t, [segmentAt(0)]);
  const again = segmentAt(0, 99);
  t.strictSame(await store.offer(again, factsOf(again)), { admitted: false, reason: 'held' });
  const next = segmentAt(1);
  const decisions = await Promise.all([store.offer(next, factsOf(next)), store.offer(next, factsOf(next))]);
  t.match(decisions, [ADMITTED, { admitted: false, reason: 'held' }]);
});

t.test('the victims of the policy make room before anything is written', async (t) => {
  const bytes = segmentAt(0).meta.byteLength;
  const { store, directory, events } = await filled(t, [], 3 * bytes + 600);
  for (let number = 0; number < 10; number++) {
    const segment = segmentAt(number);
    t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
    t.ok(store.bytes <= store.capacityBytes, `${store.bytes} bytes`);
    await checkInvariants(t, store, directory);
  }
  t.strictSame(starts(store), [7, 8, 9]);
  const evicted = events.flatMap((event) => (event.type === 'evicted' ? [event.reason] : []));
  t.strictSame(
    evicted,
    Array.from({ length: 7 }, () => 'room'),
  );
});

t.test('pinned segments are no victims, whoever names them', async (t) => {
  const bytes = segmentAt(0).meta.byteLength;
  const { store, policy } = await filled(
    t,
    [0, 1, 2].map((number) => segmentAt(number)),
    3 * bytes + 600,
  );
  const metas = store.segments(GENERATION);
  for (const meta of metas) store.pin(meta);
  const next = segmentAt(3);
  t.strictSame(await store.offer(next, factsOf(next)), { admitted: false, reason: 'pinned-full' });
  policy.decide = () => ({ admitted: true, reason: 'worth-more', victims: [0, 1, 2] });
  t.strictSame(
    await store.offer(next, factsOf(next)),
    { admitted: false, reason: 'pinned-full' },
    'a wrong policy',
  );
  t.strictSame(starts(store), [0, 1, 2]);
  for (const meta of metas) store.pin(meta);
  for (const meta of metas) store.unpin(meta);
  t.strictSame(
    await store.offer(next, factsOf(next)),
    { admitted: false, reason: 'pinned-full' },
    'pins are counted',
  );
  for (const meta of metas) store.unpin(meta);
  for (const meta of metas) store.unpin(meta);
  t.match(await store.offer(next, factsOf(next)), ADMITTED);
});

t.test('what cannot be stored is refused by name', async (t) => {
  const { store } = await filled(t, [], 600);
  const segment = segmentAt(0);
  t.strictSame(await store.offer(segment, factsOf(segment)), { admitted: false, reason: 'too-large' });
  const stranger = makeSegment({ generation: 'c'.repeat(32) });
  t.strictSame(
    await store.offer(stranger, factsOf(stranger)),
    { admitted: false, reason: 'incomplete' },
    'no title',
  );
  await t.rejects(store.offer(segment, { ...factsOf(segment), bytes: 1 }), RangeError);
  await store.close();
  t.strictSame(await store.offer(segment, factsOf(segment)), { admitted: false, reason: 'disabled' });
  t.equal(await store.read(segment.meta), undefined);
});

t.test('a new generation takes over; the old one is served on, not added to, and goes first', async (t) => {
  const bytes = segmentAt(0).meta.byteLength;
  const { store, directory, events } = await filled(t, [segmentAt(0), segmentAt(1)], 4 * bytes + 800);
  const newer = { ...TITLE, generation: 'a'.repeat(32), description: '{"sdp":"v=1"}' };
  await store.saveTitle(newer);
  t.equal(store.title(KEY)?.generation, newer.generation);
  t.strictSame(starts(store), [0, 1], 'still there for who is playing it');
  const old = segmentAt(2);
  t.strictSame(await store.offer(old, factsOf(old)), { admitted: false, reason: 'incomplete' });
  const fresh = [0, 1, 2].map((number) => makeSegment({ ...newer, startSeconds: 6 * number }));
  const [pinned] = store.segments(GENERATION);
  if (pinned !== undefined) store.pin(pinned);
  await offerAll(store, fresh);
  t.strictSame(starts(store, newer.generation), [0, 1, 2]);
  t.strictSame(starts(store), [0], 'the one being read stays');
  t.match(
    events.filter((event) => event.type === 'evicted'),
    [{ reason: 'superseded' }],
  );
  await checkInvariants(t, store, directory);
  await store.close();

  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.strictSame(
    [...again.titles()].map((title) => title.generation),
    [newer.generation],
  );
  await checkInvariants(t, again, directory);
});

t.test('a generation that comes back is the newest again, after a restart too', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0)]);
  await store.saveTitle({ ...TITLE, generation: 'a'.repeat(32) });
  await store.saveTitle(TITLE);
  t.equal(store.title(KEY)?.generation, GENERATION);
  await store.close();
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.title(KEY)?.generation, GENERATION);
  t.strictSame(starts(again), [0]);
});

t.test('titles are kept with what is learned of them', async (t) => {
  const { store, directory } = await filled(t, []);
  await store.saveTitle({ key: 'k', generation: 'd'.repeat(32), description: 'x' });
  const segment = makeSegment({ key: 'k', generation: 'd'.repeat(32) });
  await store.offer(segment, { ...factsOf(segment, 'k'), titleDurationSeconds: 12.5 });
  const limits = [
    { generation: 'D'.repeat(32) },
    { key: 'k'.repeat(5000) },
    { description: 'é'.repeat(600_000) },
  ];
  for (const change of limits) await t.rejects(store.saveTitle({ ...TITLE, ...change }), RangeError);
  await t.rejects(store.saveTitle({ ...TITLE, key: 'another' }), RangeError, 'a generation has one key');
  await store.close();
  const again = await openStore(directory);
  t.teardown(() => again.close());
  t.equal(again.title('k')?.durationSeconds, 12.5);
  t.equal(again.title(KEY)?.durationSeconds, 60);
  t.equal(again.title('unknown'), undefined);
});

t.test('a title that is saved again as it was is not written again', async (t) => {
  const { store, directory } = await filled(t, []);
  await unlink(join(directory, GENERATION, 'title.json'));
  await store.saveTitle({ ...TITLE });
  t.notOk((await filesBelow(directory)).has(`${GENERATION}/title.json`));
  await store.saveTitle({ ...TITLE, description: 'new' });
  t.ok((await filesBelow(directory)).has(`${GENERATION}/title.json`));
});

t.test('purging deletes titles with everything, also what is being read', async (t) => {
  const { store, directory, policy } = await filled(t, [segmentAt(0), segmentAt(1)]);
  await store.saveTitle(OTHER);
  const kept = makeSegment(OTHER);
  await store.offer(kept, factsOf(kept, OTHER.key));
  const [meta] = store.segments(GENERATION);
  if (meta === undefined) throw new Error('nothing held');
  store.pin(meta);
  const bytes = 2 * meta.byteLength;
  t.strictSame(await store.purge((title) => title.key === KEY), { segments: 2, bytes });
  t.equal(store.title(KEY), undefined);
  t.equal(await store.read(meta), undefined);
  store.unpin(meta);
  t.equal(policy.held.size, 1);
  t.strictSame(
    [...(await filesBelow(directory)).keys()].filter((path) => path.startsWith(GENERATION)),
    [],
  );
  const late = segmentAt(2);
  t.strictSame(await store.offer(late, factsOf(late)), { admitted: false, reason: 'incomplete' });
  await checkInvariants(t, store, directory);
});

t.test('a lowered capacity holds at once, and for what is being read as soon as it is let go', async (t) => {
  const segments = [0, 1, 2, 3].map((number) => segmentAt(number));
  const { store, directory, events } = await filled(t, segments);
  const [first] = store.segments(GENERATION);
  if (first === undefined) throw new Error('nothing held');
  store.pin(first);
  await store.resize(first.byteLength + 600);
  t.strictSame(starts(store), [0]);
  t.ok(store.bytes <= store.capacityBytes);
  await store.resize(600);
  t.strictSame(starts(store), [0]);
  store.unpin(first);
  await store.indexed();
  t.strictSame(starts(store), []);
  t.ok(store.bytes <= 600);
  t.match(events.filter((event) => event.type === 'evicted').at(-1), { reason: 'capacity' });
  await checkInvariants(t, store, directory);
});

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

t.test('it is saved now and then, and only where it is small against the capacity', async (t) => {
  const time = new TestTime();
  const directory = join(t.testdir(), 'cache');
  const policy = new FifoPolicy();
  const store = await openStore(directory, { policy, nowSeconds: time.nowSeconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  const saved = async (): Promise<boolean> => (await filesBelow(directory)).has('popularity.state');
  await offerAll(store, [segmentAt(0)]);
  await store.indexed();
  t.notOk(await saved());
  time.seconds += 301;
  await offerAll(store, [segmentAt(1)]);
  await store.indexed();
  t.ok(await saved());
  policy.save = () => new Uint8Array(100_000);
  time.seconds += 301;
  await offerAll(store, [segmentAt(2)]);
  await store.indexed();
  t.equal((await filesBelow(directory)).get('popularity.state'), 20, 'not replaced by a large one');
  await checkInvariants(t, store, directory);
});

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
  t.teardown(async () => {
    const closed = store.close();
    await closed;
  });
  t.ok(store.indexing, 'open before the index is complete');
  const segment = segmentAt(0);
  await store.saveTitle(TITLE);
  t.strictSame(await store.offer(segment, factsOf(segment)), { admitted: false, reason: 'disabled' });
  let turns = 0;
  let isDone = false;
  const done = store.indexed().then(() => (isDone = true));
  for (; !isDone; turns++) await new Promise(setImmediate);
  await done;
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
