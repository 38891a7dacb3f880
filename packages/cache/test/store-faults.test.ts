import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import type { StoreEvent } from '../src/index.js';
import { FaultFs, isChange, Killed, systemError, type FsCall } from './fault-fs.js';
import { factsOf, GENERATION } from './making.js';
import {
  ADMITTED,
  checkInvariants,
  openStore,
  segmentAt,
  starts,
  TestTime,
  TITLE,
  filesBelow,
  pathOf,
} from './store-checks.js';

const REFUSED = { admitted: false, reason: 'disk-error' };
const SEGMENTS = [0, 1, 2, 3, 4].map((number) => segmentAt(number));
const SEGMENT_BYTES = segmentAt(0).meta.byteLength;
/** Room for three segments, two title records and the saved popularity. */
const CAPACITY_BYTES = 3 * SEGMENT_BYTES + 700;

/** What a life of a store has come to; also when it was cut short. */
interface Diary {
  readonly time: TestTime;
  readonly events: StoreEvent[];
  /** Held after the last step that was finished. */
  held: readonly number[];
}

function newDiary(): Diary {
  return { time: new TestTime(), events: [], held: [] };
}

/** One life of a store with everything in it that writes, reads and deletes. */
async function live(directory: string, fs: FaultFs, diary: Diary): Promise<void> {
  const { time, events } = diary;
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const options = { fs, capacityBytes: CAPACITY_BYTES, nowSeconds: time.nowSeconds, onEvent };
  const store = await openStore(directory, options);
  try {
    await store.saveTitle(TITLE);
    for (const segment of SEGMENTS) {
      await store.offer(segment, factsOf(segment));
      diary.held = starts(store);
      time.seconds += 10;
      if (segment.meta.index === 2) await store.saveTitle({ ...TITLE, description: 'changed' });
    }
    for (const meta of store.segments(GENERATION)) await store.read(meta);
    await store.resize(CAPACITY_BYTES - SEGMENT_BYTES);
    diary.held = starts(store);
  } finally {
    await store.close();
  }
}

/** The next process, on a disk that works: nothing wrong is held, and what is held is what was written. */
async function checkNextLife(t: Test, directory: string): Promise<readonly number[]> {
  const store = await openStore(directory, { capacityBytes: CAPACITY_BYTES });
  await checkInvariants(t, store, directory);
  const held = starts(store);
  for (const meta of store.segments(GENERATION)) {
    const segment = await store.read(meta);
    const written = SEGMENTS[meta.index];
    t.ok(written !== undefined && segment?.run.bytes.equals(written.run.bytes), `segment ${meta.index}`);
  }
  const next = segmentAt(7);
  await store.saveTitle(TITLE);
  t.match(await store.offer(next, factsOf(next)), ADMITTED, 'business as usual');
  await store.close();
  return held;
}

/** Calls of a life without faults. */
async function callsOfLife(t: Test): Promise<readonly FsCall[]> {
  const fs = new FaultFs();
  await live(join(t.testdir(), 'cache'), fs, newDiary());
  return fs.calls;
}

function describe(call: FsCall): string {
  return `call ${call.number}: ${call.name} ${call.path.split('/').slice(-2).join('/')}`;
}

t.test('killed before or in the middle of any call: at most what was being written is lost', async (t) => {
  const calls = (await callsOfLife(t)).filter(isChange);
  t.ok(calls.length >= 40, `${calls.length} calls that change the disk`);
  for (const call of calls) {
    for (const halfway of call.name === 'write' ? [false, true] : [false]) {
      const directory = join(t.testdir(), 'cache');
      const fs = new FaultFs();
      fs.fate = ({ number }) => (number < call.number ? undefined : { error: new Killed(), halfway });
      const diary = newDiary();
      const cause: unknown = await live(directory, fs, diary).catch((error: unknown) => error);
      t.ok(cause instanceof Killed || call.path.endsWith('/lock'), describe(call));
      const held = await checkNextLife(t, directory);
      const isAlmostAll = diary.held.filter((start) => held.includes(start)).length >= diary.held.length - 1;
      t.ok(isAlmostAll, `${diary.held.join()} were held, ${held.join()} are`);
    }
  }
});

t.test('no single refused call disturbs a store for long', async (t) => {
  const calls = await callsOfLife(t);
  const codes = ['ENOSPC', 'EIO', 'EROFS'];
  for (const [number, call] of calls.entries()) {
    const code = codes[number % codes.length] ?? '';
    const directory = join(t.testdir(), 'cache');
    const fs = new FaultFs();
    fs.fate = (now) => (now.number === call.number ? { error: systemError(code), halfway: true } : undefined);
    const diary = newDiary();
    const isOpening = diary.events.length === 0 && number < 3;
    try {
      await live(directory, fs, diary);
      t.pass(`${code} at ${describe(call)}`);
    } catch (error) {
      if (!isOpening) throw error;
      t.match(error, { name: 'CacheError' }, `${code} at ${describe(call)}`);
    }
    await checkNextLife(t, directory);
  }
});

t.test(
  'a disk that refuses all writes is left alone; what it holds is served, and it is tried again',
  async (t) => {
    for (const code of ['ENOSPC', 'EIO', 'EROFS', 'EDQUOT', 'EACCES']) {
      const directory = join(t.testdir(), 'cache');
      const fs = new FaultFs();
      const { time, events } = newDiary();
      const onEvent = (event: StoreEvent): void => void events.push(event);
      const store = await openStore(directory, { fs, nowSeconds: time.nowSeconds, onEvent });
      await store.saveTitle(TITLE);
      const [first, second] = SEGMENTS;
      if (first === undefined || second === undefined) throw new Error('no segments');
      await store.offer(first, factsOf(first));
      let isBroken = true;
      fs.fate = (call) => (isBroken && isChange(call) ? { error: systemError(code) } : undefined);

      const waits: number[] = [];
      for (let tries = 0; tries < 6; tries++) {
        t.strictSame(await store.offer(second, factsOf(second)), REFUSED, code);
        t.ok(store.degraded);
        const calls = fs.calls.length;
        t.strictSame(await store.offer(second, factsOf(second)), REFUSED);
        await store.saveTitle({ ...TITLE, description: `try ${tries}` });
        t.equal(fs.calls.length, calls, 'not asked again at once');
        const failure = events.at(-1);
        waits.push(failure?.type === 'degraded' ? failure.retrySeconds : -1);
        time.seconds += waits.at(-1) ?? 0;
      }
      t.strictSame(waits, [1, 2, 4, 8, 8, 8]);
      t.ok(await store.read(first.meta), 'what is held is served');
      t.equal(
        store.title(TITLE.key)?.description,
        'try 5',
        'a title that cannot be written is known all the same',
      );
      isBroken = false;
      t.match(await store.offer(second, factsOf(second)), ADMITTED, `${code} is over`);
      t.notOk(store.degraded);
      t.match(events.filter((event) => event.type === 'recovered').length, 1);
      await checkInvariants(t, store, directory);
      await store.close();
      await checkNextLife(t, directory);
    }
  },
);

t.test('a wall clock that jumps back does not keep the store away from the disk', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const time = new TestTime();
  const store = await openStore(directory, { fs, nowSeconds: time.nowSeconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  let isBroken = true;
  fs.fate = (call) => (isBroken && call.name === 'create' ? { error: systemError('ENOSPC') } : undefined);
  const segment = segmentAt(0);
  t.strictSame(await store.offer(segment, factsOf(segment)), REFUSED);
  isBroken = false;
  time.seconds -= 3600;
  t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
});

t.test('a disk smaller than the capacity: what comes in replaces what is there', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const time = new TestTime();
  const store = await openStore(directory, { fs, nowSeconds: time.nowSeconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  const isFull = (): boolean => store.bytes > 3 * SEGMENT_BYTES + 700;
  fs.fate = (call) =>
    call.name === 'write' && isFull() ? { error: systemError('ENOSPC'), halfway: true } : undefined;
  let admitted = 0;
  for (let number = 0; number < 30; number++) {
    const segment = segmentAt(number);
    const decision = await store.offer(segment, factsOf(segment));
    if (decision.admitted) admitted++;
    t.ok(store.segmentCount <= 3);
    time.seconds += 3;
  }
  t.ok(admitted > 15, `${admitted} of 30 were stored`);
  t.equal(store.segmentCount, 3);
  t.equal(starts(store).at(-1), 29);
  await checkInvariants(t, store, directory);
});

t.test(
  'a segment that cannot be deleted stays held, and nothing is written beyond the capacity',
  async (t) => {
    const directory = join(t.testdir(), 'cache');
    const fs = new FaultFs();
    const time = new TestTime();
    const store = await openStore(directory, {
      fs,
      capacityBytes: CAPACITY_BYTES,
      nowSeconds: time.nowSeconds,
    });
    t.teardown(() => store.close());
    await store.saveTitle(TITLE);
    for (const segment of SEGMENTS.slice(0, 3)) await store.offer(segment, factsOf(segment));
    fs.fate = (call) => (call.name === 'remove' ? { error: systemError('EIO') } : undefined);
    const next = segmentAt(3);
    t.strictSame(await store.offer(next, factsOf(next)), REFUSED);
    t.strictSame(starts(store), [0, 1, 2]);
    await checkInvariants(t, store, directory);
    t.strictSame(await store.purge(() => true), { segments: 0, bytes: 0 });
    await store.resize(10);
    t.strictSame(starts(store), [0, 1, 2]);
    fs.fate = () => undefined;
    t.strictSame(await store.purge(() => true), { segments: 3, bytes: 3 * SEGMENT_BYTES });
    t.equal(store.bytes, 0);
  },
);

t.test('a file left by a failed clean-up is counted, and goes as soon as it can', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const time = new TestTime();
  const store = await openStore(directory, {
    fs,
    capacityBytes: CAPACITY_BYTES,
    nowSeconds: time.nowSeconds,
  });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  const empty = store.bytes;
  const [first, ...others] = SEGMENTS.slice(0, 3);
  if (first === undefined) throw new Error('no segments');
  fs.fate = (call) =>
    ['write', 'remove'].includes(call.name) ? { error: systemError('EIO'), halfway: true } : undefined;
  t.strictSame(await store.offer(first, factsOf(first)), REFUSED);
  t.ok(store.bytes >= empty + first.meta.byteLength, 'counted');
  t.ok(store.bytes <= store.capacityBytes);
  fs.fate = () => undefined;
  time.seconds += 10;
  for (const segment of [...others, first]) t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
  t.strictSame(starts(store), [0, 1, 2]);
  await checkInvariants(t, store, directory);
});

t.test('a rename that was done but reported as failed is undone', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const fs = new FaultFs();
  const time = new TestTime();
  const store = await openStore(directory, { fs, nowSeconds: time.nowSeconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  fs.fate = (call) => (call.name === 'rename' ? { error: systemError('EIO'), halfway: true } : undefined);
  const segment = segmentAt(0);
  t.strictSame(await store.offer(segment, factsOf(segment)), REFUSED);
  await checkInvariants(t, store, directory);
  fs.fate = () => undefined;
  time.seconds += 1;
  t.match(await store.offer(segment, factsOf(segment)), ADMITTED);
  await checkInvariants(t, store, directory);
});

t.test('what foreign hands put in the way of a write, or take from under it, is dealt with', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const time = new TestTime();
  const store = await openStore(directory, { nowSeconds: time.nowSeconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  const [first, second] = SEGMENTS;
  if (first === undefined || second === undefined) throw new Error('no segments');
  await writeFile(`${pathOf(directory, first.meta)}.tmp`, 'in the way');
  t.match(await store.offer(first, factsOf(first)), ADMITTED);
  await rm(join(directory, GENERATION), { recursive: true });
  t.strictSame(await store.offer(second, factsOf(second)), REFUSED, 'the folder is gone');
  time.seconds += 1;
  t.match(await store.offer(second, factsOf(second)), ADMITTED, 'and made again');
  t.equal(await store.read(first.meta), undefined);
  await store.indexed();
  await checkInvariants(t, store, directory);
  t.ok((await filesBelow(directory)).has(`${GENERATION}/title.json`));
});
