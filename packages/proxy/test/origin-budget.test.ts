import { getEventListeners } from 'node:events';
import t from 'tap';
import { type Need, type Release, SessionBudget } from '../src/origin/budget.js';
import { OriginProfile } from '../src/origin/profile.js';
import { bench, codeOf, never, until, vod, type Script } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

t.test('whoever opens may go away at every stage, and nothing is left', async (t) => {
  const stages: [string, string, number][] = [
    ['SETUP', 'first SETUP', 1],
    ['SETUP', 'second SETUP', 2],
    ['PLAY', 'PLAY', 1],
  ];
  for (const [method, name, nth] of stages) {
    for (const transport of ['tcp', 'udp'] as const) {
      const clock = new TestClock();
      let seen = 0;
      const script: Script = (request, peer) => {
        if (request.method === method && ++seen === nth) return 'nothing';
        return vod()(request, peer);
      };
      const { origin, open, abort, signal, sink, client } = await bench(t, script, {
        clock,
        route: { transport },
      });
      const opening = codeOf(open());
      await origin.request(method, nth);
      abort();
      t.equal(await opening, 'aborted', `${name} over ${transport}`);
      clock.advance(2000);
      await until(() => origin.open === 0, 'the connection is closed');
      await until(() => client.sessions.used === 0, 'the session is given back');
      t.equal(clock.timers, 0, 'no timers');
      t.equal(getEventListeners(signal, 'abort').length, 0, 'no listeners');
      t.strictSame(sink.ends, [], 'the sink never heard of it');
      const sockets = process.getActiveResourcesInfo().filter((r) => r === 'UDPWRAP');
      t.equal(sockets.length, 0, 'no UDP sockets');
      if (nth > 1 || method === 'PLAY') t.ok(origin.methods.includes('TEARDOWN'), 'and the origin knows');
    }
  }
});

t.test('time is up while opening: half of it for requests in one go', async (t) => {
  const clock = new TestClock();
  const { origin, open, client } = await bench(t, vod({ PLAY: () => 'nothing' }), { clock });
  const opening = codeOf(open());
  await origin.request('PLAY');
  clock.advance(5000);
  await origin.request('TEARDOWN');
  await origin.request('PLAY', 2);
  t.equal(origin.peers.length, 2);
  clock.advance(10_000);
  t.equal(await opening, 'timeout');
  clock.advance(2000);
  await until(() => origin.open === 0 && client.sessions.used === 0, 'closed');
  t.equal(clock.timers, 0);
});

t.test('sessions beyond the budget wait in line', async (t) => {
  const { open, origin, client } = await bench(t, vod(), { route: { maxSessions: 1 } });
  const first = await open();
  const second = open();
  await until(() => client.sessions.waiting === 1, 'waiting');
  t.equal(origin.asked.filter((a) => a.method === 'PLAY').length, 1);
  await first.close();
  const session = await second;
  t.strictSame(client.sessions, { used: 1, waiting: 0, most: 1 });
  t.ok(
    origin.asked.findIndex((a) => a.method === 'TEARDOWN') <
      origin.asked.findLastIndex((a) => a.method === 'SETUP'),
    'the origin had the first one back before',
  );
  await session.close();
  await until(() => client.sessions.used === 0, 'free');
});

const most = (sessions: number, clock = new TestClock()): { budget: SessionBudget; clock: TestClock } => {
  const profile = new OriginProfile('o');
  const budget = new SessionBudget({
    clock,
    profile,
    most: sessions,
    waitMs: 30_000,
    onServed: () => undefined,
  });
  return { budget, clock };
};

/** Joins the line, and says in `served` when it got a session. */
function join(
  budget: SessionBudget,
  served: string[],
  name: string,
  need: Need | (() => Need) = 'starting',
): Promise<Release> {
  const claim = budget.claim(typeof need === 'string' ? () => need : need, never);
  return budget.acquire(claim).then((release) => {
    served.push(name);
    return release;
  });
}

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('the line: first come, first served; thirty seconds; 256 places; one may leave', async (t) => {
  const { budget, clock } = most(2);
  const served: string[] = [];
  const release = await join(budget, served, 'a');
  const other = await join(budget, served, 'b');
  const leaving = new AbortController();
  const first = join(budget, served, 'c');
  const left = codeOf(budget.acquire(budget.claim(() => 'starting', leaving.signal)));
  const last = join(budget, served, 'd');
  leaving.abort();
  t.equal(await left, 'aborted');
  release();
  release();
  await first;
  t.strictSame(served, ['a', 'b', 'c']);
  t.strictSame([budget.used, budget.waiting], [2, 1]);
  other();
  (await last)();
  t.strictSame([budget.used, budget.waiting], [1, 0]);

  const { budget: full } = most(1, clock);
  await join(full, served, 'e');
  const line = Array.from({ length: 256 }, () => codeOf(join(full, served, 'f')));
  t.equal(await codeOf(join(full, served, 'g')), 'budget', 'no place left');
  const urgent = join(full, served, 'h', 'playing');
  t.equal(await line.at(-1), 'budget', 'whoever needs it less gives way');
  clock.advance(30_000);
  t.strictSame(new Set(await Promise.all(line)), new Set(['budget']));
  t.strictSame([full.used, full.waiting], [1, 1], 'a viewer who plays is not sent away');
  t.equal(full.waiting, 1);
  urgent.catch(() => undefined);
});

t.test(
  'viewers who play come before those who start, and all of them before what is fetched ahead',
  async (t) => {
    const { budget } = most(2);
    const served: string[] = [];
    const [one, two] = [await join(budget, served, '1'), await join(budget, served, '2')];
    const waiting = [
      join(budget, served, 'ahead', 'ahead'),
      join(budget, served, 'start 1'),
      join(budget, served, 'play 1', 'playing'),
      join(budget, served, 'start 2'),
      join(budget, served, 'play 2', 'playing'),
    ];
    one();
    for (const i of [2, 4, 1, 3]) (await waiting[i]!)();
    t.strictSame(served.slice(2), ['play 1', 'play 2', 'start 1', 'start 2']);
    await turns();
    t.strictSame([budget.used, budget.waiting], [1, 1], 'the last session is not for fetching ahead');
    two();
    (await waiting[0]!)();
    t.equal(served.at(-1), 'ahead');
    const { budget: only } = most(1);
    void join(only, served, 'never', 'ahead');
    await turns();
    t.strictSame([only.used, only.waiting], [0, 1]);
  },
);

t.test('what one needs a session for is looked at when one comes free', async (t) => {
  const { budget, clock } = most(1);
  const served: string[] = [];
  const first = await join(budget, served, 'first');
  let need: Need = 'starting';
  const changing = join(budget, served, 'changing', () => need);
  clock.advance(10_000);
  const early = codeOf(join(budget, served, 'early'));
  need = 'playing';
  clock.advance(30_000);
  t.equal(await early, 'budget');
  first();
  (await changing)();
  t.strictSame(served, ['first', 'changing']);
});

t.test('an origin that refuses a session shows how many it has; later one more is tried', async (t) => {
  const { budget, clock } = most(Infinity);
  const served: string[] = [];
  const held = await Promise.all(['1', '2', '3'].map((name) => join(budget, served, name)));
  t.equal(budget.refused(), true, 'it has two');
  held.pop()!();
  t.equal(budget.most, 2);
  const third = join(budget, served, 'third');
  clock.advance(29_000);
  await turns();
  t.equal(served.length, 3);
  held.pop()!();
  held.push(await third);
  const doubting = join(budget, served, 'doubting', 'playing');
  clock.advance(31_000);
  const release = await doubting;
  t.equal(budget.used, 3, 'a minute after it was learned, one more is tried');
  t.equal(budget.refused(), true);
  release();
  const again = join(budget, served, 'again', 'playing');
  clock.advance(60_000);
  await turns();
  t.equal(budget.used, 2, 'and after that more seldom');
  clock.advance(60_000);
  await again;
  budget.granted();
  t.equal(budget.most, 3, 'what it gives is believed');
});

t.test('an origin whose only session is refused has shown nothing', async (t) => {
  const { budget } = most(Infinity);
  await join(budget, [], 'only');
  t.equal(budget.refused(), false);
  t.equal(budget.most, Infinity);
});

t.test('the lead is the 90th percentile of the last 32 start-ups and a margin', (t) => {
  const profile = new OriginProfile('o');
  t.equal(profile.leadSeconds(), 2, 'nothing known');
  for (let i = 0; i < 50; i++) profile.startedUp(9000);
  for (let i = 1; i <= 32; i++) profile.startedUp(i * 100);
  t.equal(profile.startupsMs.length, 32);
  t.equal(profile.leadSeconds().toFixed(3), '3.200');
  t.end();
});

t.test('a lead that was too short is longer the next time, and forgets that slowly', (t) => {
  const profile = new OriginProfile('o');
  for (let i = 0; i < 32; i++) profile.startedUp(500);
  const before = profile.leadSeconds();
  profile.arrived(1.5);
  t.ok(profile.leadSeconds() >= before + 1.5);
  for (let i = 0; i < 10; i++) profile.arrived(-0.2);
  t.ok(profile.leadSeconds() < before + 0.6 && profile.leadSeconds() > before);
  for (let i = 0; i < 100; i++) profile.arrived(10);
  t.equal(profile.leadSeconds(), before + 30, 'within limits');
  t.end();
});
