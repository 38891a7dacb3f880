import t from 'tap';
import { assertContinuous, assertRun, playDirect } from './interop-linear.js';
import { goAbroad, open, Stage } from './interop-support.js';

t.jobs = 4;
t.setTimeout(240_000);

const TITLE = 'h264_g1.mp4';
const abroad = await goAbroad(t, [TITLE]);
const { timeoutMs } = abroad;
const direct = playDirect(abroad, TITLE);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What happens to the way to GStreamer in mid-title. */
const FAULTS: readonly { readonly name: string; readonly harm: (stage: Stage) => Promise<void> | void }[] = [
  { name: 'is reset', harm: (stage) => stage.relay.cut() },
  {
    name: 'is reset time and again',
    harm: async (stage) => {
      for (let i = 0; i < 3; i++) {
        stage.relay.cut();
        await pause(700);
      }
    },
  },
  {
    name: 'stands still for a moment',
    harm: async (stage) => {
      stage.relay.blackhole();
      await pause(3000);
      stage.relay.heal();
    },
  },
  {
    name: 'is a black hole for long',
    harm: async (stage) => {
      stage.relay.blackhole();
      await pause(10_000);
      stage.relay.heal();
    },
  },
];

for (const { name, harm } of FAULTS) {
  t.test(
    `the way to GStreamer ${name}: not a frame is missing, and no step in time`,
    { buffered: true },
    async (t) => {
      const expected = await direct;
      const stage = await Stage.set(t, abroad);
      await stage.start();
      const viewer = await open(stage.url(TITLE), 'tcp');
      try {
        const reply = await viewer.play({ range: 'npt=0-' });
        await viewer.received(300, { timeoutMs });
        await harm(stage);
        await viewer.ended({ timeoutMs });
        assertRun(t, viewer, name, { linear: expected, reply, toTheEnd: true });
        assertContinuous(t, viewer, name, expected);
      } finally {
        await viewer.close();
      }
    },
  );
}
