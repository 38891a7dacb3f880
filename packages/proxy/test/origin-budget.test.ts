import { getEventListeners } from 'node:events';
import t from 'tap';
import { SessionBudget } from '../src/origin/budget.js';
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
  t.strictSame(client.sessions, { used: 1, waiting: 0 });
  t.ok(
    origin.asked.findIndex((a) => a.method === 'TEARDOWN') <
      origin.asked.findLastIndex((a) => a.method === 'SETUP'),
    'the origin had the first one back before',
  );
  await session.close();
  await until(() => client.sessions.used === 0, 'free');
});

t.test('the line: first come, first served; ten seconds; 256 places; one may leave', async (t) => {
  const clock = new TestClock();
  const budget = new SessionBudget({ clock, most: 2 });
  const release = await budget.acquire(never);
  const other = await budget.acquire(never);
  const served: number[] = [];
  const leaving = new AbortController();
  const waiting = [0, 1, 2].map((i) =>
    budget.acquire(i === 1 ? leaving.signal : never).then((free) => {
      served.push(i);
      return free;
    }),
  );
  const left = codeOf(waiting[1]!);
  leaving.abort();
  t.equal(await left, 'aborted');
  release();
  release();
  await waiting[0];
  t.strictSame(served, [0]);
  t.strictSame([budget.used, budget.waiting], [2, 1]);
  other();
  (await waiting[2]!)();
  t.strictSame([budget.used, budget.waiting], [1, 0]);

  const full = new SessionBudget({ clock, most: 1 });
  await full.acquire(never);
  const line = Array.from({ length: 256 }, () => codeOf(full.acquire(never)));
  t.equal(await codeOf(full.acquire(never)), 'budget', 'no place left');
  clock.advance(10_000);
  t.strictSame(new Set(await Promise.all(line)), new Set(['budget']));
  t.strictSame([full.used, full.waiting, clock.timers], [1, 0, 0]);
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
