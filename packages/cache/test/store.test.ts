import { unlink } from 'node:fs/promises';
import { join } from 'node:path';

import t from 'tap';

import { PopularityPolicy, type SegmentMeta, type SegmentStore } from '../src/index.js';
import { FifoPolicy } from './fifo-policy.js';
import { factsOf, GENERATION, KEY, makeSegment } from './making.js';
import {
  ADMITTED,
  checkInvariants,
  filesBelow,
  filled,
  offerAll,
  openStore,
  OTHER,
  segmentAt,
  starts,
  TITLE,
} from './store-checks.js';

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
    const [meta] = again.segments(GENERATION).filter((held) => held.startMicros === segment.meta.startMicros);
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

t.test('what is wished for is stored and kept for a time, whatever it is worth', async (t) => {
  const bytes = segmentAt(0).meta.byteLength;
  const time = { seconds: 1000 };
  const directory = join(t.testdir(), 'cache');
  const policy = new FifoPolicy();
  const capacityBytes = 4 * bytes + 600;
  const store = await openStore(directory, { policy, capacityBytes, nowSeconds: () => time.seconds });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  await offerAll(
    store,
    [0, 1, 2, 3].map((number) => segmentAt(number)),
  );
  policy.decide = () => ({ admitted: false, reason: 'worth-less' });
  const offer = async (number: number, untilSeconds?: number): Promise<string> => {
    const segment = segmentAt(number);
    const { reason } = await store.offer(segment, factsOf(segment), untilSeconds);
    await store.indexed();
    await checkInvariants(t, store, directory);
    return reason;
  };
  t.equal(await offer(4), 'worth-less');
  t.equal(await offer(4, 1100), 'wished');
  t.equal(await offer(5, 1100), 'wished');
  t.strictSame(starts(store), [2, 3, 4, 5]);
  t.equal(await offer(6, 1100), 'worth-less', 'no more than half of the capacity is kept so');
  t.notOk(store.wish(store.segments(GENERATION)[0]!, 1100));
  t.ok(store.wish(store.segments(GENERATION)[3]!, 1200), 'longer');
  policy.decide = FifoPolicy.prototype.decide.bind(policy);
  for (const number of [6, 7, 8]) await offer(number);
  t.ok(
    [4, 5].every((number) => starts(store).includes(number)),
    'they are no victims',
  );
  time.seconds = 1101;
  for (const number of [9, 10, 11]) await offer(number);
  t.strictSame(starts(store), [5, 9, 10, 11], 'one may leave now');
  time.seconds = 1201;
  for (const number of [12, 13]) await offer(number);
  t.notOk(starts(store).includes(5));
  const [held] = store.segments(GENERATION);
  t.ok(store.wish(held!, 5000));
  t.match(await store.purge(() => true), { segments: 4 }, 'a purge takes them, too');
  time.seconds = 6000;
  await store.saveTitle(TITLE);
  t.equal(await offer(14), 'free-space');
  t.equal(policy.held.size, 1);
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

t.test('a policy that names no victims does not keep the store above its capacity', async (t) => {
  const { store, directory, policy } = await filled(
    t,
    [0, 1, 2, 3].map((number) => segmentAt(number)),
  );
  policy.victims = () => [];
  const [first] = store.segments(GENERATION);
  if (first === undefined) throw new Error('nothing held');
  store.pin(first);
  await store.resize(2 * first.byteLength + 600);
  t.equal(store.segmentCount, 2);
  t.strictSame(starts(store)[0], 0, 'the one being read stays');
  await checkInvariants(t, store, directory);
});

function allHeld(store: SegmentStore): SegmentMeta[] {
  return [...store.titles()].flatMap((title) => title.segments);
}

for (const make of [() => new FifoPolicy(), () => new PopularityPolicy()]) {
  t.test(`a random walk never leaves the invariants: ${make().name}`, async (t) => {
    const seed = Number(process.env['FOREBAY_SEED'] ?? Date.now() >>> 0);
    const directory = join(t.testdir(), 'cache');
    const generations = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
    const pinned: SegmentMeta[] = [];
    let state = seed;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    const capacityBytes = 20_000;
    let store = await openStore(directory, { policy: make(), capacityBytes });
    const steps: Readonly<Record<string, () => unknown>> = {
      save: () => {
        const generation = generations[below(3)] ?? '';
        return store.saveTitle({
          key: `k${generation < 'c' ? 1 : 2}`,
          generation,
          description: `${below(5)}`,
        });
      },
      offer: () => {
        const generation = generations[below(3)] ?? '';
        const key = `k${generation < 'c' ? 1 : 2}`;
        const segment = makeSegment({
          key,
          generation,
          startSeconds: 6 * below(20),
          payloadBytes: 8 + below(400),
        });
        return store.offer(segment, factsOf(segment, key));
      },
      read: () => store.read(allHeld(store)[below(store.segmentCount)] ?? segmentAt(0).meta),
      pin: () => {
        const meta = allHeld(store)[below(store.segmentCount)];
        if (meta === undefined || pinned.length > 5) return;
        store.pin(meta);
        pinned.push(meta);
      },
      unpin: () => {
        const [meta] = pinned.splice(below(pinned.length), 1);
        if (meta !== undefined) store.unpin(meta);
      },
      purge: () => store.purge((title) => title.generation === generations[below(3)]),
      reopen: async () => {
        await store.close();
        pinned.length = 0;
        store = await openStore(directory, { policy: make(), capacityBytes });
      },
    };
    const often = [
      'save',
      'offer',
      'offer',
      'offer',
      'offer',
      'offer',
      'offer',
      'read',
      'pin',
      'pin',
      'unpin',
    ];
    for (let step = 0; step < 250; step++) {
      const name = step % 50 === 49 ? ['purge', 'reopen'][below(2)] : often[below(often.length)];
      await steps[name ?? '']?.();
      if (store.bytes > store.capacityBytes) t.fail(`${store.bytes} bytes, seed ${seed}`);
      const lost = pinned.filter((meta) => !store.segments(meta.generation).includes(meta));
      if (lost.length > 0 && name !== 'purge') t.fail(`a pinned segment is gone after ${name}, seed ${seed}`);
      if (name === 'purge') pinned.length = 0;
      if (step % 25 === 24) await checkInvariants(t, store, directory);
    }
    await store.close();
  });
}
