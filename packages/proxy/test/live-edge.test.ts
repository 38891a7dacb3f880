import t from 'tap';
import { Drift } from '../src/read/live-edge.js';
import { House } from './reader-house.js';
import { described, sdp } from './flight-bench.js';
import { makePackets } from './packets.js';

/** How far a viewer is behind after `segments` of 4 s, whose origin's clock is fast by `ppm`, and comes late by up to 40 ms. */
function behindMicros(ppm: number, segments: number): number {
  const drift = new Drift();
  drift.begin();
  let lag = 500_000;
  for (let i = 0; i < segments; i++) {
    lag += ppm * 4;
    lag -= drift.step(lag + ((i * 7919) % 40_000));
  }
  return lag;
}

t.test('a viewer of what is on stays where it is, however fast the clock of the origin', (t) => {
  for (const ppm of [0, 100, 1000, 4000]) {
    const lag = behindMicros(ppm, 5000);
    t.ok(lag < 700_000, `${ppm} ppm: ${lag / 1e6} s behind`);
    t.ok(lag >= 500_000 - 40_000, 'and not before it');
  }
  t.equal(behindMicros(0, 5000), 500_000, 'with equal clocks nothing is done');
  t.end();
});

t.test('time moves on without a hole in what is sent', async (t) => {
  const house = new House({ description: described(sdp('')) });
  const { reader, screen } = await house.viewer();
  const live = makePackets({ seconds: 60 });
  await house.play(reader, undefined, undefined, live);
  await house.pass(30_000, live);
  t.ok(screen.steps().most < 0.05 && screen.steps().least >= 0, JSON.stringify(screen.steps()));
  t.equal(reader.stats.gapSeconds, 0);
});

t.test('a viewer begins with the newest key frame, and is behind by its age, but for 0.3 s', async (t) => {
  const live = makePackets({ seconds: 60 });
  for (const [ageMs, leastSeconds, mostSeconds] of [
    [200, 0, 0.1],
    [700, 0.3, 0.5],
  ] as const) {
    const house = new House({ description: described(sdp('')) });
    const first = await house.viewer();
    await house.play(first.reader, undefined, undefined, live);
    await house.pass(4000 - (house.clock.nowMs() % 1) + ageMs - 50, live);
    const second = await house.viewer();
    await house.play(second.reader, undefined, undefined, live);
    const begun = second.screen.pictures[0]!;
    await house.pass(1000, live);
    t.equal(Math.round((begun - first.screen.pictures[0]!) * 25) % 25, 0, 'a key frame');
    const behind = first.screen.newest - second.screen.newest;
    t.ok(behind >= leastSeconds && behind <= mostSeconds, `${behind} s behind`);
  }
});
