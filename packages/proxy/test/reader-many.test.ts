import t from 'tap';
import { between } from './flight-bench.js';
import { film, House } from './reader-house.js';

t.test('among many viewers held media leaves early, in order, whole, and through pauses', async (t) => {
  const house = new House();
  const first = await house.viewer();
  await house.play(first.reader, 0);
  await house.pass(30_000);
  for (let i = 0; i < 1000; i++) house.pacer.add({ turn: (nowMs) => nowMs + 100 }, house.clock.nowMs());
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  t.ok(screen.newest > 0.15 && screen.newest < 0.3, `${screen.newest} s at once`);
  for (let pauses = 0; pauses < 5; pauses++) {
    await house.pass(1730);
    const { positionSeconds } = reader.pause();
    const early = screen.newest - positionSeconds;
    t.ok(early > 0 && early < 0.3, `the pause point is where the viewer is: ${early} s were sent early`);
    await house.pass(500);
    await house.play(reader);
  }
  await house.pass(2000);
  const { most, least } = screen.steps();
  t.ok(most < 0.041 && least >= 0, `no gap, no step back: ${least} to ${most}`);
  const sent = between(film, 0, screen.newest + 0.001).filter(({ stream }) => stream === 0);
  t.equal(screen.pictures.length, sent.length, 'no packet twice');
  t.ok(screen.newest > 10.6 && screen.newest < 11, `at the pace of the media: ${screen.newest}`);
});
