import { unlink } from 'node:fs/promises';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { Catalogue } from '../src/catalogue.js';
import type { SegmentStore, StoreEvent } from '../src/index.js';
import { FaultFs, Gate, systemError, type FsCall } from './fault-fs.js';
import { factsOf, GENERATION, makeSegment } from './making.js';
import {
  ADMITTED,
  checkInvariants,
  openStore,
  segmentAt,
  starts,
  TestTime,
  TITLE,
  filled,
  pathOf,
} from './store-checks.js';

const REFUSED = { admitted: false, reason: 'disk-error' };
const SEGMENTS = [0, 1, 2, 3, 4].map((number) => segmentAt(number));
const SEGMENT_BYTES = segmentAt(0).meta.byteLength;

/** A store with three segments whose disk hangs where the test says. */
async function hanging(
  t: Test,
  where: (call: FsCall) => boolean,
): Promise<{
  store: SegmentStore;
  fs: FaultFs;
  time: TestTime;
  events: StoreEvent[];
  directory: string;
  release: () => void;
}> {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const time = new TestTime();
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const options = {
    fs,
    capacityBytes: 20 * SEGMENT_BYTES,
    nowSeconds: time.nowSeconds,
    schedule: time.schedule,
    onEvent,
  };
  const store = await openStore(directory, options);
  await store.saveTitle(TITLE);
  for (const segment of SEGMENTS.slice(0, 3)) await store.offer(segment, factsOf(segment));
  const gate = new Gate();
  fs.fate = (call) => (where(call) ? gate.hold() : undefined);
  const release = (): void => gate.open();
  t.teardown(async () => {
    release();
    await store.close();
  });
  return { store, fs, time, events, directory, release };
}

/** Lets everything happen that needs no time and no hanging disk. */
async function settle(isReady: () => boolean): Promise<void> {
  while (!isReady()) await new Promise((resolve) => setImmediate(resolve));
}

t.test(
  'a read that hangs is a miss; two of them, and the disk is asked no more until they come back',
  async (t) => {
    const { store, fs, time, events, release } = await hanging(t, (call) => call.name === 'read');
    const [first, second, third] = store.segments(GENERATION);
    if (first === undefined || second === undefined || third === undefined) throw new Error('not held');
    const readsOf = (): number => fs.calls.filter((call) => call.name === 'read').length;
    const reading = [store.read(first), store.read(first)];
    await settle(() => readsOf() === 1);
    time.passDeadlines();
    t.strictSame(await Promise.all(reading), [undefined, undefined]);
    t.ok(store.degraded);
    t.match(events.at(-1), { type: 'degraded', error: { code: 'hung' } });

    const another = store.read(second);
    await settle(() => readsOf() === 2);
    time.passDeadlines();
    t.equal(await another, undefined);
    const calls = fs.calls.length;
    t.equal(await store.read(third), undefined, 'at once: no deadline has to pass');
    t.equal(fs.calls.length, calls, 'the disk is not asked: threads are left for the rest of the process');
    const written = segmentAt(3);
    t.match(await store.offer(written, factsOf(written)), ADMITTED, 'writes go on');

    release();
    await settle(() => !store.degraded);
    t.match(events.at(-1), { type: 'recovered' });
    for (const meta of [first, second, third]) t.ok(await store.read(meta), 'served again');
  },
);

t.test('a read that waits too long for its turn is a miss, and not done for nobody', async (t) => {
  const { store, fs, time, release } = await hanging(t, (call) => call.name === 'openToRead');
  const opened = (): number => fs.calls.filter((call) => call.name === 'openToRead').length;
  const before = opened();
  const reading = store.segments(GENERATION).map((meta) => store.read(meta));
  await settle(() => opened() === before + 2);
  time.passDeadlines();
  t.strictSame(await Promise.all(reading), [undefined, undefined, undefined]);
  release();
  await settle(() => !store.degraded);
  t.equal(opened(), before + 2);
});

t.test(
  'a write that hangs is a rejection; until it comes back nothing more is written, and it may succeed',
  async (t) => {
    for (const name of ['create', 'write', 'close', 'rename']) {
      await t.test(`hanging in ${name}`, (t) => hangWrite(t, name));
    }
  },
);

async function hangWrite(t: Test, name: string): Promise<void> {
  const where = (call: FsCall): boolean => call.name === name && call.path.endsWith('.seg.tmp');
  const { store, fs, time, events, directory, release } = await hanging(t, where);
  const [fourth, fifth] = SEGMENTS.slice(3);
  const [held] = store.segments(GENERATION);
  if (fourth === undefined || fifth === undefined || held === undefined) throw new Error('no segments');
  const before = fs.calls.filter(where).length;
  const offering = store.offer(fourth, factsOf(fourth));
  const waiting = store.offer(fifth, factsOf(fifth));
  await settle(() => fs.calls.filter(where).length > before);
  time.passDeadlines();
  t.strictSame(await Promise.all([offering, waiting]), [REFUSED, REFUSED]);
  t.match(events.at(-1), { type: 'degraded', error: { code: 'hung' } });
  t.ok(store.bytes <= store.capacityBytes);
  const calls = fs.calls.length;
  const sixth = segmentAt(5);
  t.strictSame(await store.offer(sixth, factsOf(sixth)), REFUSED, 'at once');
  t.equal(fs.calls.length, calls);
  t.ok(await store.read(held), 'reads go on');
  release();
  await settle(() => !store.degraded);
  t.strictSame(starts(store), [0, 1, 2, 3], 'late, but whole; the one behind it was given up');
  await checkInvariants(t, store, directory);
  t.match(await store.offer(fifth, factsOf(fifth)), ADMITTED);
}

t.test('a deletion that hangs holds up neither its caller nor the readers', async (t) => {
  const { store, fs, time, directory, release } = await hanging(t, (call) => call.name === 'remove');
  const [first] = store.segments(GENERATION);
  if (first === undefined) throw new Error('not held');
  const resizing = store.resize(first.byteLength + 600);
  await settle(() => fs.calls.at(-1)?.name === 'remove');
  time.passDeadlines();
  await resizing;
  t.ok(store.degraded);
  t.equal(await store.read(first), undefined, 'it is on its way out');
  release();
  await settle(() => !store.degraded);
  t.ok(store.bytes <= store.capacityBytes);
  await checkInvariants(t, store, directory);
});

t.test('a title that is saved while it is being deleted stays known, and is written again', async (t) => {
  for (const why of ['superseded', 'purged']) {
    await t.test(why, async (t) => {
      const { store, fs, directory, release } = await hanging(t, (call) => call.name === 'remove');
      if (why === 'superseded') await store.saveTitle({ ...TITLE, generation: 'a'.repeat(32) });
      const deleting = why === 'purged' ? store.purge(() => true) : store.resize(2 * SEGMENT_BYTES);
      await settle(() => fs.calls.at(-1)?.name === 'remove');
      const saving = store.saveTitle({ ...TITLE, description: 'again' });
      release();
      await Promise.all([deleting, saving]);
      t.equal(store.title(TITLE.key)?.description, 'again');
      await store.resize(20 * SEGMENT_BYTES);
      const segment = segmentAt(9);
      t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
      await checkInvariants(t, store, directory);
      await store.close();
      const again = await openStore(directory);
      t.equal(again.title(TITLE.key)?.description, 'again');
      await again.close();
    });
  }
});

t.test('a store whose disk hangs can be closed; its directory stays locked', async (t) => {
  const { store, fs, time, directory, release } = await hanging(t, (call) => call.name === 'create');
  const segment = segmentAt(3);
  const offering = store.offer(segment, factsOf(segment));
  await settle(() => fs.calls.at(-1)?.name === 'create');
  const closing = store.close();
  time.passDeadlines();
  await closing;
  t.strictSame(await offering, REFUSED);
  await t.rejects(openStore(directory), { code: 'locked' });
  release();
  await store.indexed();
  const again = await openStore(directory);
  t.strictSame(starts(again), [0, 1, 2, 3]);
  await again.close();
});

t.test('segments that wait to be written are bounded', async (t) => {
  const { store, fs, release } = await hanging(t, (call) => call.name === 'create');
  const offers = Array.from({ length: 70 }, (_, number) => segmentAt(10 + number));
  const decisions = offers.map((segment) => store.offer(segment, factsOf(segment)));
  await settle(() => fs.calls.at(-1)?.name === 'create');
  t.strictSame(
    await Promise.all(decisions.slice(64)),
    Array.from({ length: 6 }, () => ({ admitted: false, reason: 'write-budget' })),
  );
  release();
  for (const decision of await Promise.all(decisions.slice(0, 64))) t.match(decision, ADMITTED);
  t.ok(store.bytes <= store.capacityBytes);
});

t.test('concurrent reads of one segment share one, and few run at a time', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const store = await openStore(directory, { fs });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  for (let number = 0; number < 10; number++)
    await store.offer(segmentAt(number), factsOf(segmentAt(number)));
  fs.calls.length = 0;
  let open = 0;
  let most = 0;
  fs.fate = (call) => {
    if (call.name === 'openToRead') most = Math.max(most, ++open);
    if (call.name === 'close') open--;
    return undefined;
  };
  const metas = store.segments(GENERATION);
  const found = await Promise.all(
    Array.from({ length: 200 }, (_, number) => store.read(metas[number % 10]!)),
  );
  t.equal(new Set(found).size, 10, 'the same segment, not only an equal one');
  t.ok(found.every((segment) => segment !== undefined));
  t.equal(fs.calls.filter((call) => call.name === 'openToRead').length, 10);
  t.equal(most, 2);
});

t.test(
  'reading errors: what is about the disk costs the segment, what is about the process does not',
  async (t) => {
    const directory = join(t.testdir(), 'cache');
    const fs = new FaultFs();
    const time = new TestTime();
    const events: StoreEvent[] = [];
    const onEvent = (event: StoreEvent): void => void events.push(event);
    const store = await openStore(directory, { fs, nowSeconds: time.nowSeconds, onEvent });
    t.teardown(() => store.close());
    await store.saveTitle(TITLE);
    for (let number = 0; number < 12; number++)
      await store.offer(segmentAt(number), factsOf(segmentAt(number)));
    const metas = store.segments(GENERATION);
    fs.fate = (call) => (call.name === 'openToRead' ? { error: systemError('EMFILE') } : undefined);
    t.equal(await store.read(metas[0]!), undefined);
    t.equal(store.segmentCount, 12, 'no descriptors: it is still there');
    fs.fate = (call) => (call.name === 'read' ? { error: systemError('EIO') } : undefined);
    for (let number = 0; number < 4; number++) t.equal(await store.read(metas[number]!), undefined);
    await store.indexed();
    t.equal(store.segmentCount, 8, 'unreadable: set aside');
    t.ok(store.degraded, 'five failures in a row');
    const calls = fs.calls.length;
    t.equal(await store.read(metas[5]!), undefined);
    t.equal(fs.calls.length, calls, 'not asked');
    fs.fate = () => undefined;
    time.seconds += 1;
    t.ok(await store.read(metas[5]!), 'tried again after the back-off');
    t.notOk(store.degraded);
    t.equal(events.filter((event) => event.type === 'lost').length, 4);
    await checkInvariants(t, store, directory);
  },
);

t.test('a mistake of ours is not taken for disk trouble', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const store = await openStore(directory, { fs });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  fs.fate = (call) => (call.name === 'create' ? { error: new TypeError('a bug') } : undefined);
  const segment = segmentAt(0);
  await t.rejects(store.offer(segment, factsOf(segment)), TypeError);
  t.notOk(store.degraded);
  fs.fate = () => undefined;
  t.match(await store.offer(segment, factsOf(segment)), ADMITTED, 'and the store lives');
});

t.test('a mistake in work that nobody waits for is reported, not thrown at the process', async (t) => {
  const { store, policy, directory, events } = await filled(t, [segmentAt(0)]);
  const [meta] = store.segments(GENERATION);
  if (meta === undefined) throw new Error('not held');
  policy.dropped = () => {
    throw new TypeError('a bug');
  };
  await unlink(pathOf(directory, meta));
  t.equal(await store.read(meta), undefined);
  await store.indexed();
  t.match(events.at(-1), { type: 'failed', error: { name: 'TypeError' } });
});

t.test('reads that wait for their turn are bounded: the next one is a miss at once', async (t) => {
  const { store, fs } = await hanging(t, () => false);
  await store.resize(1e6);
  for (let number = 10; number < 275; number++)
    await store.offer(segmentAt(number), factsOf(segmentAt(number)));
  const gate = new Gate();
  fs.fate = (call) => (call.name === 'openToRead' ? gate.hold() : undefined);
  const metas = store.segments(GENERATION);
  const reading = metas.slice(0, 258).map((meta) => store.read(meta));
  await settle(() => gate.held === 2);
  t.strictSame(
    await Promise.all(metas.slice(258).map((meta) => store.read(meta))),
    metas.slice(258).map(() => undefined),
  );
  gate.open();
  t.ok((await Promise.all(reading)).every((segment) => segment !== undefined));
});

t.test('titles that wait to be written are bounded, and known all the same', async (t) => {
  const { store, fs, time, release } = await hanging(t, (call) => call.name === 'create');
  const saving = Array.from({ length: 1100 }, (_, number) =>
    store.saveTitle({
      key: `k${number}`,
      generation: number.toString(16).padStart(32, '0'),
      description: 'd',
    }),
  );
  await settle(() => fs.calls.at(-1)?.name === 'create');
  await Promise.all(saving.slice(1030));
  t.equal(store.title('k1099')?.description, 'd');
  time.passDeadlines();
  await Promise.all(saving);
  release();
  await settle(() => !store.degraded);
});

t.test('of titles without segments the longest unused are forgotten', async (t) => {
  const catalogue = new Catalogue();
  const shelves = [1, 2, 3].map((number) => catalogue.save(`k${number}`, `${number}`.repeat(32)));
  const [first, second, third] = shelves;
  t.equal(catalogue.surplusEmpty(3), undefined);
  t.equal(catalogue.surplusEmpty(2), first);
  catalogue.touch(shelves[0]!);
  t.equal(catalogue.surplusEmpty(2), second);
  catalogue.hold(shelves[1]!, makeSegment({ generation: '2'.repeat(32) }).meta, 1);
  t.equal(catalogue.surplusEmpty(1), third, 'one with segments is not empty');
  catalogue.drop(catalogue.byHandle(1)!);
  t.equal(catalogue.surplusEmpty(2), third);
  catalogue.forget(shelves[2]!);
  t.equal(catalogue.surplusEmpty(2), undefined);
  t.equal(catalogue.newest('k3'), undefined);
});
