import t from 'tap';
import { VIDEO } from './packets.js';
import { film, House } from './reader-house.js';

/** An origin sends pictures 0.4 s before the audio that belongs to them. */
const lateAudio = film
  .map((p) => (p.stream === VIDEO ? p : { ...p, sentSeconds: p.sentSeconds + 0.4 }))
  .sort((a, b) => a.sentSeconds - b.sentSeconds);

t.test('no packet of held media overtakes those that are still to come before it', async (t) => {
  const house = new House();
  const before = await house.viewer();
  await house.play(before.reader, 4);
  await house.pass(9000);
  before.reader.close();
  await house.pass(3000);
  t.ok(house.origin.last().isClosed);
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0, undefined, lateAudio);
  await house.pass(4600, lateAudio);
  t.ok(house.origin.last().isClosed, 'the session ends when every stream has come to held media');
  await house.pass(3400, lateAudio);
  t.ok(screen.newest > 7, `${screen.newest}`);
  t.ok(screen.steps().least >= 0 && screen.steps().most < 0.041);
  const { sounds } = screen;
  const steps = sounds.slice(1).map((at, i) => at - sounds[i]!);
  t.ok(Math.min(...steps) > 0, 'in order, each once');
  t.ok(Math.max(...steps) < 0.022, 'none is missing');
});
