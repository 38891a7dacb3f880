import t from 'tap';
import { Pacer } from '../src/read/pacer.js';
import { type Latency, Tempo } from '../src/read/tempo.js';
import { TestClock } from './viewer-fakes.js';

/** Wants a turn every so often, or none. */
function memberOf(clock: TestClock, everyMs: number | undefined) {
  const turns: number[] = [];
  const turn = (nowMs: number): number | undefined => {
    turns.push(clock.nowMs());
    return everyMs === undefined ? undefined : nowMs + everyMs;
  };
  return { turns, turn };
}

t.test('turns come when they are wanted, exact to a slot and never early', async (t) => {
  const clock = new TestClock();
  const pacer = new Pacer(clock);
  const startMs = clock.nowMs();
  const members = [2, 7, 40, 90, 120].map((everyMs) => ({ everyMs, ...memberOf(clock, everyMs) }));
  for (const member of members) pacer.add(member, startMs + member.everyMs);
  clock.advance(2000);
  for (const { everyMs, turns } of members) {
    const steps = turns.map((at, i) => at - (i === 0 ? startMs : turns[i - 1]!));
    t.ok(Math.min(...steps) >= everyMs, `every ${everyMs} ms, not early`);
    t.ok(Math.max(...steps) <= everyMs + 3, `every ${everyMs} ms, at most a slot and a timer late`);
  }
  t.ok(pacer.takeWorstMs() <= 3);
  pacer.close();
  t.equal(clock.timers, 0);
});

t.test('nobody who was removed has a turn, and nobody has two', async (t) => {
  const clock = new TestClock();
  const pacer = new Pacer(clock);
  const [left, back, once] = [memberOf(clock, 10), memberOf(clock, 10), memberOf(clock, undefined)];
  for (const member of [left, back, once]) pacer.add(member, clock.nowMs());
  pacer.remove(left);
  pacer.remove(back);
  pacer.add(back, clock.nowMs() + 5);
  pacer.add(back, clock.nowMs() + 5);
  clock.advance(100);
  t.equal(left.turns.length, 0);
  t.ok(back.turns.length >= 8 && back.turns.length <= 11, `${back.turns.length}`);
  t.equal(once.turns.length, 1);
  t.equal(pacer.viewers, 1);
  pacer.remove(back);
  clock.advance(100);
  t.equal(clock.timers, 0, 'without members there is no timer');
});

t.test('a member may leave in its own turn, and somebody else in theirs', async (t) => {
  const clock = new TestClock();
  const pacer = new Pacer(clock);
  const other = memberOf(clock, 10);
  const leaver = {
    turn: (nowMs: number): number => {
      pacer.remove(leaver);
      pacer.remove(other);
      return nowMs + 1;
    },
  };
  pacer.add(leaver, clock.nowMs());
  pacer.add(other, clock.nowMs());
  clock.advance(50);
  t.equal(other.turns.length, 0);
  t.equal(pacer.viewers, 0);
});

t.test('after a stop of a minute everybody has one turn, not all that were missed', async (t) => {
  const clock = new TestClock();
  const pacer = new Pacer(clock);
  const members = [3, 50, 250].map((everyMs) => memberOf(clock, everyMs));
  members.forEach((member) => pacer.add(member, clock.nowMs() + 1));
  clock.advance(10);
  const before = members.map(({ turns }) => turns.length);
  clock.leap(60_000);
  clock.advance(2);
  for (const [i, { turns }] of members.entries()) {
    const more = turns.length - before[i]!;
    t.ok(more >= 1 && more <= 2, `${more}`);
  }
  t.ok(pacer.takeWorstMs() > 59_000);
});

t.test('few viewers are sent everything on time, many a little early and more at once', async (t) => {
  const crowd = { viewers: 0, latency: 'usual' as Latency };
  for (const transport of ['tcp', 'udp'] as const) {
    const tempo = new Tempo(crowd, transport);
    const ahead = [1, 40, 41, 100, 300, 1000, 5000].map((viewers) => {
      crowd.viewers = viewers;
      return tempo.aheadMs;
    });
    t.same(ahead.slice(0, 2), [0, 0]);
    t.same(
      ahead,
      ahead.toSorted((a, b) => a - b),
    );
    t.equal(ahead.at(-1), transport === 'tcp' ? 300 : 240);
    t.equal(tempo.waitMs(200), 80, 'and before they are due');
    t.equal(tempo.waitMs(120), transport === 'tcp' ? 0 : 15, 'datagrams not all at once');
    t.equal(tempo.gatherMs, 10);
    crowd.viewers = 1;
    t.equal(tempo.waitMs(7), 7, 'with few viewers a turn is when a packet is due');
    t.equal(tempo.gatherMs, 5);
    t.equal(tempo.waitMs(Infinity), 10);
    t.equal(tempo.waitMs(1000), 240);
  }
  crowd.latency = 'low';
  t.equal(new Tempo(crowd, 'tcp').gatherMs, 0);
});

t.test('what one viewer is sent over UDP fits a link of 100 Mbit/s, unless it is late', async (t) => {
  const tempo = new Tempo({ viewers: 1, latency: 'usual' }, 'udp');
  const bits = tempo.batches(0) * tempo.batchBytes * 8;
  t.ok(bits / tempo.waitMs(-50) <= 100_000, 'bits a millisecond');
  t.equal(tempo.batches(900_000), tempo.batches(0), 'nor more because the machine was late');
  t.ok(tempo.batches(2e6) > tempo.batches(0));
});

t.test('what hastens a turn brings it at once where latency is to be low', async (t) => {
  for (const latency of ['usual', 'low'] as const) {
    const clock = new TestClock();
    const pacer = new Pacer(clock, latency);
    const [hasty, calm, gone] = [memberOf(clock, 50), memberOf(clock, 50), memberOf(clock, 50)];
    for (const member of [hasty, calm, gone]) pacer.add(member, clock.nowMs() + 50);
    for (const member of [hasty, hasty, gone]) pacer.hasten(member, clock.nowMs());
    pacer.remove(gone);
    t.equal(hasty.turns.length, 0, 'not while it comes');
    await Promise.resolve();
    t.equal(hasty.turns.length, latency === 'low' ? 1 : 0);
    clock.advance(30);
    t.equal(hasty.turns.length, 1, 'once');
    clock.advance(40);
    t.equal(hasty.turns.length, 2, 'and then as before');
    t.equal(calm.turns.length, 1);
    t.equal(gone.turns.length, 0);
    pacer.close();
    t.equal(clock.timers, 0);
  }
});

t.test('turns of many viewers come together, unless latency is to be low', async (t) => {
  for (const latency of ['usual', 'low'] as const) {
    const clock = new TestClock();
    const pacer = new Pacer(clock, latency);
    const times = new Set<number>();
    const startMs = clock.nowMs();
    for (let i = 0; i < 500; i++) {
      let turns = 0;
      const turn = (nowMs: number): number | undefined => {
        if (turns++ === 0) return nowMs + 50;
        times.add(clock.nowMs());
        return undefined;
      };
      pacer.add({ turn }, startMs + (i % 100));
    }
    clock.advance(300);
    t.equal(pacer.viewers, 0);
    const isTogether = latency === 'usual';
    t.ok(isTogether ? times.size < 20 : times.size >= 45, `${latency}: ${times.size} times`);
  }
});

t.test('a turn that is hastened comes then, and not again when it would have come', async (t) => {
  const clock = new TestClock();
  const pacer = new Pacer(clock);
  const turns: number[] = [];
  const startMs = clock.nowMs();
  const member = {
    turn: (nowMs: number): number => {
      turns.push(nowMs - startMs);
      return nowMs + 100;
    },
  };
  pacer.add(member, startMs + 100);
  clock.advance(30);
  pacer.hasten(member, startMs + 40);
  pacer.hasten(member, startMs + 70);
  clock.advance(15);
  pacer.hasten(member, startMs + 100);
  clock.advance(200);
  t.same(
    turns.map((ms) => Math.round(ms / 10) * 10),
    [40, 100, 200],
  );
  pacer.close();
});
