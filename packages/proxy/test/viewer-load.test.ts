import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { eventLoopUtilization, Load } from '../src/viewer/load.js';
import { setUpBoth, type TestViewer } from './viewer-player.js';
import { withRig, type Rig } from './viewer-rig.js';

const TCP = 'RTP/AVP/TCP;unicast;interleaved=0-1';
const PERIOD_MS = 500;

/** Ten seconds go by in which every look is late by so much. */
function pass({ clock }: Rig, lateMs: number): void {
  for (let looks = 0; looks < 20; looks++) {
    clock.leap(PERIOD_MS + lateMs);
    clock.advance(0);
  }
}

async function asked(viewer: TestViewer, { url }: Rig): Promise<number> {
  return (await viewer.request('SETUP', url('/vod/a/trackID=0'), { Transport: TCP })).status;
}

t.test('who plays comes before who would like to, where there is too much to do', async (t) => {
  let share = 0;
  await withRig({ utilization: () => share }, async (r) => {
    const playing = await r.connect();
    const at = r.url('/vod/a');
    const Session = await setUpBoth(playing, at);
    t.equal((await playing.request('PLAY', at, { Session })).status, 200);
    share = 1;
    pass(r, 0);
    t.equal(await asked(await r.connect(), r), 200, 'at work all the time, but in time');
    share = 0.5;
    pass(r, 200);
    t.equal(await asked(await r.connect(), r), 200, 'late, but not by its own work');
    share = 1;
    pass(r, 200);
    const refused = await (await r.connect()).request('SETUP', `${at}/trackID=0`, { Transport: TCP });
    t.equal(refused.status, 503);
    t.equal(refused.headers.get('Retry-After'), '5');
    t.equal(await r.metric('rejects_total', { reason: 'overload' }), 1);
    t.equal((await playing.request('PAUSE', at, { Session })).status, 200, 'who is there goes on');
    t.equal((await playing.request('PLAY', at, { Session })).status, 200);
    share = 0.8;
    pass(r, 10);
    t.equal(await asked(await r.connect(), r), 200, 'and it is over');
  });
});

t.test('one long pause is not too much to do', async (t) => {
  const load = new Load(() => 1, 20);
  for (const pauseMs of [1000, 3_600_000]) {
    for (let looks = 0; looks < 20; looks++) {
      load.look(looks === 3 ? pauseMs : 5);
      t.notOk(load.isFull);
    }
  }
  for (let looks = 0; looks < 20; looks++) load.look(50);
  t.ok(load.isFull, 'being late all the time is');
});

t.test('how busy the event loop is is measured', async (t) => {
  const share = eventLoopUtilization();
  await delay(200);
  t.ok(share() < 0.5, 'it has waited');
  const endMs = performance.now() + 200;
  while (performance.now() < endMs);
  t.ok(share() > 0.9, 'it has worked');
});
