import { array, assert, boolean, integer, property, record } from 'fast-check';
import t from 'tap';
import { CacheError, PopularityPolicy, type SegmentFacts } from '../src/index.js';
import { saved } from './policy-suite.js';

const SECONDS = 10;
const BYTES = 1000;

function facts(title: string, segment: number, segments = 60): SegmentFacts {
  return {
    title,
    segment,
    startSeconds: segment * SECONDS,
    durationSeconds: SECONDS,
    bytes: BYTES,
    titleDurationSeconds: segments * SECONDS,
  };
}

/** A cache that does what the policy says, and checks that it may. */
class Cache {
  readonly policy: PopularityPolicy;
  readonly capacityBytes: number;
  readonly held = new Map<string, number>();
  bytes = 0;
  now = 0;
  #session = 0;

  constructor(policy: PopularityPolicy, capacityBytes: number) {
    this.policy = policy;
    this.capacityBytes = capacityBytes;
  }

  offer(f: SegmentFacts): string {
    const name = `${f.title}#${f.segment}`;
    if (this.held.has(name)) return 'hit';
    const decision = this.policy.decide(f, this.capacityBytes - this.bytes, this.now);
    if (!decision.admitted) return decision.reason;
    for (const victim of decision.victims) this.drop(victim);
    this.held.set(name, this.policy.hold(f, this.now));
    this.bytes += f.bytes;
    if (this.bytes > this.capacityBytes) throw new Error('more is held than fits');
    return decision.reason;
  }

  drop(handle: number): void {
    const found = [...this.held].find(([, h]) => h === handle);
    if (found === undefined) throw new Error(`victim ${handle} is not held`);
    this.held.delete(found[0]);
    this.bytes -= BYTES;
    this.policy.dropped(handle);
  }

  /** One viewer plays `segments` from the start of a title; the clock follows. */
  play(title: string, segments: number, viewerAddress = ''): number {
    const session = this.#session++;
    let hits = 0;
    const start = { title, startSeconds: 0, titleDurationSeconds: 600, viewerAddress };
    this.policy.sessionStarted(session, start, this.now);
    for (let k = 0; k < segments; k++) {
      this.policy.sessionReached(session, (k + 1) * SECONDS, this.now);
      if (this.offer(facts(title, k)) === 'hit') hits += 1;
      this.now += SECONDS;
    }
    this.policy.sessionEnded(session, this.now);
    return hits;
  }

  count(title: string): number {
    return [...this.held.keys()].filter((name) => name.startsWith(`${title}#`)).length;
  }
}

t.test('free space is filled, then only what is worth more enters', async (t) => {
  const cache = new Cache(new PopularityPolicy(), 20 * BYTES);
  for (let i = 0; i < 30; i++) cache.play('hot', 10);
  t.equal(cache.count('hot'), 10);
  for (let i = 0; i < 10; i++) cache.play(`cold${i}`, 2);
  t.equal(cache.count('hot'), 10, 'titles seen once do not displace a popular one');
  t.equal(cache.offer({ ...facts('huge', 0), bytes: 21 * BYTES }), 'too-large');
});

t.test('the end of a title goes before its start', async (t) => {
  const cache = new Cache(new PopularityPolicy({ startShare: 0 }), 40 * BYTES);
  for (let i = 0; i < 60; i++) cache.play('film', 1 + ((i * 7) % 40));
  t.equal(cache.count('film'), 40);
  const order = cache.policy.victims(10 * BYTES, cache.now);
  const names = order.map((handle) => [...cache.held].find(([, h]) => h === handle)?.[0]);
  const positions = names.map((name) => Number(name?.split('#')[1]));
  t.equal(positions.length, 10);
  t.ok(Math.min(...positions) >= 25, `victims are late segments: ${positions.join(' ')}`);
});

t.test('a viewer on the way makes what it will need worth more', async (t) => {
  const policy = new PopularityPolicy();
  const cache = new Cache(policy, 5 * BYTES);
  for (let i = 0; i < 10; i++) cache.play('film', 60);
  const before = policy.value(facts('film', 40), cache.now);
  policy.sessionStarted(
    999,
    { title: 'film', startSeconds: 300, titleDurationSeconds: 600, viewerAddress: '' },
    cache.now,
  );
  policy.sessionReached(999, 380, cache.now);
  const during = policy.value(facts('film', 40), cache.now);
  t.ok(during > 3 * before, `${during} > 3 * ${before}`);
  const passed = policy.value(facts('film', 20), cache.now);
  t.ok(passed < during, 'what lies behind it gains nothing');
  policy.sessionEnded(999, cache.now);
  t.ok(policy.value(facts('film', 40), cache.now) < during);
});

t.test('a session to which nothing was delivered counts for nothing', async (t) => {
  const policy = new PopularityPolicy();
  const start = { title: 'empty', startSeconds: 0, titleDurationSeconds: 600, viewerAddress: '' };
  for (let i = 0; i < 100; i++) {
    policy.sessionStarted(i, start, i);
    policy.sessionEnded(i, i);
  }
  t.equal(policy.value(facts('empty', 3), 100), 0);
});

t.test('a title that was only offered, and then forgotten, comes back as a new one', async (t) => {
  const policy = new PopularityPolicy({ titles: 3 });
  const offered = Array.from({ length: 4 }, (_, i) => `o${i}`);
  for (const title of offered) policy.decide(facts(title, 0), 100 * BYTES, 0);
  for (const [i, title] of offered.entries()) {
    const start = { title, startSeconds: 0, titleDurationSeconds: 600, viewerAddress: '' };
    policy.sessionStarted(1, start, 60 * i);
    policy.sessionReached(1, SECONDS, 60 * i);
    const value = policy.value(facts(title, 0), 60 * i);
    t.ok(value > 0 && Number.isFinite(value), `${title}: ${value}`);
    policy.sessionEnded(1, 60 * i);
  }
});

t.test('one address does not make a title popular alone', async (t) => {
  const cache = new Cache(new PopularityPolicy(), 4 * BYTES);
  for (let i = 0; i < 40; i++) {
    cache.play('wanted', 3, `10.0.0.${i}`);
    cache.play('pushed', 3, '10.9.9.9');
    cache.play('pushed', 3, '10.9.9.9');
  }
  const wanted = cache.policy.value(facts('wanted', 0), cache.now);
  const pushed = cache.policy.value(facts('pushed', 0), cache.now);
  t.ok(wanted > 5 * pushed, `${wanted} against ${pushed} for twice as many plays of one address`);
});

t.test('a clock that jumps back or ahead changes no order', async (t) => {
  const cache = new Cache(new PopularityPolicy(), 10 * BYTES);
  for (let i = 0; i < 40; i++) {
    cache.play('often', 4);
    if (i % 8 === 0) cache.play('rarely', 4);
  }
  const ratio = (): number =>
    cache.policy.value(facts('often', 1), cache.now) / cache.policy.value(facts('rarely', 1), cache.now);
  const before = ratio();
  for (const jump of [-86_400, 10 * 365 * 86_400, -3600]) {
    cache.now += jump;
    cache.play('other', 1);
    t.ok(ratio() > 0.5 * before, `after ${jump} s: ${ratio()} of ${before}`);
    t.ok(Number.isFinite(cache.policy.value(facts('often', 1), cache.now)));
  }
});

t.test('pinned segments are no victims', async (t) => {
  const policy = new PopularityPolicy();
  const cache = new Cache(policy, 3 * BYTES);
  cache.play('a', 3);
  for (const handle of cache.held.values()) policy.pin(handle);
  t.same(policy.victims(BYTES, cache.now), []);
  t.same(policy.decide(facts('b', 0), 0, cache.now), { admitted: false, reason: 'pinned-full' });
  for (const handle of cache.held.values()) policy.unpin(handle);
  t.equal(policy.victims(BYTES, cache.now).length, 1);
});

t.test('quotas bound a group, and the write budget bounds writes', async (t) => {
  const quotaOf = (title: string): { group: string; bytes: number } | undefined =>
    title.startsWith('q') ? { group: 'q', bytes: 3 * BYTES } : undefined;
  const cache = new Cache(new PopularityPolicy({ quotaOf }), 20 * BYTES);
  for (let i = 0; i < 5; i++) cache.play('q1', 6);
  t.equal(cache.count('q1'), 3);
  t.ok(cache.bytes <= 3 * BYTES);
  t.equal(cache.offer({ ...facts('q2', 0), bytes: 4 * BYTES }), 'quota');
  cache.play('free', 10);
  t.equal(cache.count('free'), 10);
  const slow = new Cache(new PopularityPolicy({ writeBytesPerSecond: BYTES / 3600 }), 20 * BYTES);
  t.equal(slow.offer(facts('x', 0)), 'free-space');
  t.equal(slow.offer(facts('x', 1)), 'write-budget');
  slow.now += 3601;
  t.equal(slow.offer(facts('x', 1)), 'free-space');
});

t.test('what was learned survives a restart', async (t) => {
  const cache = new Cache(new PopularityPolicy(), 10 * BYTES);
  for (let i = 0; i < 60; i++) {
    cache.play('often', 1 + (i % 20));
    if (i % 10 === 0) cache.play('rarely', 5);
  }
  const state = saved(cache.policy);
  const next = new PopularityPolicy();
  next.restore(state);
  for (const f of [facts('often', 0), facts('often', 12), facts('rarely', 2)]) {
    const before = cache.policy.value(f, cache.now);
    const after = next.value(f, cache.now);
    t.ok(Math.abs(after / before - 1) < 0.01, `${f.title} ${f.segment}: ${before} and ${after}`);
  }
  t.ok(next.value(facts('often', 0), 0) > next.value(facts('rarely', 0), 0));
});

t.test('two nodes add up', async (t) => {
  const [a, b] = [new Cache(new PopularityPolicy(), 5 * BYTES), new Cache(new PopularityPolicy(), 5 * BYTES)];
  for (let i = 0; i < 40; i++) {
    a.play('both', 5);
    b.play('both', 5);
    a.play('only-a', 5);
    b.play('only-b', 5);
  }
  const ratio = (): number =>
    a.policy.value(facts('both', 1), a.now) / a.policy.value(facts('only-a', 1), a.now);
  const alone = ratio();
  a.policy.restore(saved(b.policy));
  t.ok(ratio() > 1.3 * alone, `${ratio()} against ${alone}`);
  t.ok(a.policy.value(facts('only-b', 1), a.now) > 0);
});

t.test('a damaged state is refused and changes nothing', async (t) => {
  const cache = new Cache(new PopularityPolicy(), 5 * BYTES);
  for (let i = 0; i < 10; i++) cache.play('a', 5);
  const state = saved(cache.policy);
  const policy = new PopularityPolicy();
  const refuses = (bytes: Uint8Array): boolean => {
    try {
      policy.restore(bytes);
      return false;
    } catch (error) {
      return error instanceof CacheError && error.code === 'bad-state';
    }
  };
  t.ok(refuses(new Uint8Array()));
  for (let at = 0; at < state.length; at += 97) {
    const damaged = state.slice();
    damaged[at]! ^= 0x55;
    if (!refuses(damaged)) t.fail(`a flipped byte at ${at} went unnoticed`);
    if (!refuses(state.slice(0, at))) t.fail(`${at} bytes were taken for a state`);
  }
  t.equal(policy.value(facts('a', 0), cache.now), 0);
});

t.test('the number of titles is bounded, and a forgotten title is known again', async (t) => {
  const policy = new PopularityPolicy({ titles: 64 });
  const cache = new Cache(policy, 4 * BYTES);
  for (let i = 0; i < 20; i++) cache.play('old-friend', 2);
  for (const handle of cache.held.values()) policy.dropped(handle);
  cache.held.clear();
  cache.bytes = 0;
  for (let i = 0; i < 500; i++) cache.play(`passing${i}`, 1);
  t.equal(policy.value(facts('old-friend', 0), cache.now), 0, 'forgotten');
  cache.play('old-friend', 1);
  cache.play('newcomer', 1);
  t.ok(policy.value(facts('old-friend', 5), cache.now) > policy.value(facts('newcomer', 5), cache.now));
  t.ok(saved(policy).length < 64 * 300 + 400_000, 'what is saved is bounded too');
});

t.test('property: the bound holds and victims are held, whatever comes', async () => {
  const step = record({
    title: integer({ min: 0, max: 12 }),
    segments: integer({ min: 1, max: 12 }),
    wait: integer({ min: -50, max: 5000 }),
    shrink: boolean(),
  });
  assert(
    property(array(step, { maxLength: 60 }), integer({ min: 1, max: 25 }), (steps, capacity) => {
      const cache = new Cache(new PopularityPolicy({ titles: 8 }), capacity * BYTES);
      for (const s of steps) {
        cache.now += s.wait;
        cache.play(`t${s.title}`, s.segments);
        if (s.shrink) for (const victim of cache.policy.victims(BYTES, cache.now)) cache.drop(victim);
      }
      return cache.bytes === cache.held.size * BYTES && cache.bytes <= cache.capacityBytes;
    }),
    { numRuns: 40 },
  );
});
