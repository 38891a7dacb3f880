import { join } from 'node:path';

import t, { type Test } from 'tap';

import { type CachePolicy, PopularityPolicy, type Segment, type SegmentStore } from '../src/index.js';
import { FifoPolicy } from './fifo-policy.js';
import { factsOf, KEY, makeSegment } from './making.js';
import { checkInvariants, openStore, segmentAt, TITLE } from './store-checks.js';

/** Segments of a live presentation stand where the wall clock was. */
const NOON_SECONDS = 1_800_000_000;
const LIVE_KEY = 'rtsp://origin.example:554/live';
const LIVE_GENERATION = 'fedcba98765432100123456789abcdef';
const LIVE_TITLE = { key: LIVE_KEY, generation: LIVE_GENERATION, description: 'live', windowSeconds: 60 };

function liveAt(number: number, seed = 1): Segment {
  const startSeconds = NOON_SECONDS + 6 * number;
  return makeSegment({ key: LIVE_KEY, generation: LIVE_GENERATION, startSeconds, seed });
}

async function take(store: SegmentStore, segment: Segment): Promise<string> {
  const decision = await store.offer(segment, factsOf(segment, LIVE_KEY));
  t.ok(store.bytes <= store.capacityBytes, 'within its capacity after every step');
  return decision.reason;
}

async function begin(t: Test, capacityBytes = 1_000_000, policy: CachePolicy = new PopularityPolicy()) {
  const directory = join(t.testdir(), 'cache');
  const reasons: string[] = [];
  const store = await openStore(directory, {
    capacityBytes,
    policy,
    onEvent: (event) => void (event.type === 'evicted' && reasons.push(event.reason)),
  });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  await store.saveTitle(LIVE_TITLE);
  return { store, directory, reasons };
}

const numbers = (store: SegmentStore): number[] =>
  store.segments(LIVE_GENERATION).map(({ startMicros }) => (startMicros / 1e6 - NOON_SECONDS) / 6);

t.test('a live window is kept without being judged, and leaves when it has passed', async (t) => {
  const { store, directory, reasons } = await begin(t);
  for (let number = 0; number < 6; number++) t.equal(await take(store, liveAt(number)), 'window');
  t.strictSame([...store.windows()], [{ generation: LIVE_GENERATION, windowSeconds: 60 }]);
  const at = (number: number): number => (NOON_SECONDS + 6 * number) * 1e6;
  store.keepWindow(LIVE_GENERATION, at(2), Infinity);
  await store.indexed();
  t.strictSame(numbers(store), [2, 3, 4, 5], 'what ends at the window is over');
  store.keepWindow(LIVE_GENERATION, at(2), at(5));
  await store.indexed();
  t.strictSame(numbers(store), [2, 3, 4], 'and so is what lies in the future');
  t.strictSame(reasons, ['passed', 'passed', 'passed']);
  await checkInvariants(t, store, directory);
  store.keepWindow(LIVE_GENERATION, Infinity, Infinity);
  await store.indexed();
  t.strictSame([...store.windows()], [], 'nothing is left of it');
  await checkInvariants(t, store, directory);
});

t.test('what is being read does not leave', async (t) => {
  const { store } = await begin(t);
  await take(store, liveAt(0));
  const [meta] = store.segments(LIVE_GENERATION);
  store.pin(meta!);
  store.keepWindow(LIVE_GENERATION, Infinity, Infinity);
  await store.indexed();
  t.strictSame(numbers(store), [0]);
  store.unpin(meta!);
  store.keepWindow(LIVE_GENERATION, Infinity, Infinity);
  await store.indexed();
  t.strictSame(numbers(store), []);
});

t.test('windows take half of the capacity at most: then the oldest makes room', async (t) => {
  const bytes = liveAt(0).meta.byteLength;
  const { store, directory, reasons } = await begin(t, 8 * bytes);
  for (let number = 0; number < 10; number++) {
    t.equal(await take(store, liveAt(number)), 'window');
    await checkInvariants(t, store, directory);
  }
  t.strictSame(numbers(store), [6, 7, 8, 9]);
  t.ok(reasons.every((reason) => reason === 'window-room'));
  const other = { ...LIVE_TITLE, generation: LIVE_GENERATION.replace('f', '0'), key: `${LIVE_KEY}2` };
  await store.saveTitle(other);
  const late = makeSegment({ key: other.key, generation: other.generation, startSeconds: NOON_SECONDS + 55 });
  t.equal((await store.offer(late, factsOf(late, other.key))).reason, 'window');
  t.strictSame(numbers(store), [7, 8, 9], 'whosever it is');
});

t.test('titles and windows share the capacity, and neither drives out the other', async (t) => {
  const bytes = liveAt(0).meta.byteLength;
  const policy = new FifoPolicy();
  const { store, directory, reasons } = await begin(t, 10 * bytes, policy);
  for (let number = 0; number < 9; number++) {
    const segment = segmentAt(number);
    await store.offer(segment, factsOf(segment));
  }
  const before = store.segments(TITLE.generation).length;
  t.ok(before > 7, 'titles take what no window needs');
  for (let number = 0; number < 12; number++) {
    await take(store, liveAt(number));
    await checkInvariants(t, store, directory);
  }
  t.ok(numbers(store).length >= 4, 'windows take their share of it back');
  t.ok(store.segments(TITLE.generation).length >= 4, 'and not more');
  for (let number = 20; number < 30; number++) {
    const segment = segmentAt(number);
    await store.offer(segment, factsOf(segment));
    t.ok(store.bytes <= store.capacityBytes);
  }
  t.ok(numbers(store).length >= 4, 'no title drives a window out');
  t.notOk(reasons.includes('passed'));
});

t.test('a window is known again in the next process', async (t) => {
  const { store, directory } = await begin(t);
  for (let number = 0; number < 3; number++) await take(store, liveAt(number));
  await store.close();
  const policy = new FifoPolicy();
  const again = await openStore(directory, { policy });
  t.teardown(() => again.close());
  t.strictSame([...again.windows()], [{ generation: LIVE_GENERATION, windowSeconds: 60 }]);
  t.equal(again.title(LIVE_KEY)?.windowSeconds, 60);
  t.strictSame(policy.victims(1e9), [], 'the policy knows nothing of it');
  const [meta] = again.segments(LIVE_GENERATION);
  t.strictSame((await again.read(meta!))?.run.bytes, liveAt(0).run.bytes);
  await again.saveTitle({ key: LIVE_KEY, generation: LIVE_GENERATION, description: 'live' });
  t.equal(again.title(LIVE_KEY)?.windowSeconds, 60, 'without a window from now on, it still passes');
  again.keepWindow(LIVE_GENERATION, Infinity, Infinity);
  await again.indexed();
  t.strictSame(again.segments(LIVE_GENERATION), []);
  t.equal(again.title(KEY)?.windowSeconds, undefined);
});
