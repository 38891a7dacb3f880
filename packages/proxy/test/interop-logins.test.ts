import { RigViewer } from '@forebay/rig';
import t from 'tap';
import {
  goAbroad,
  open,
  PATIENCE_MS,
  play,
  Stage,
  type PlayerName,
  type Transport,
} from './interop-support.js';

t.jobs = 4;
t.setTimeout(300_000);

const TITLE = 'h264_g1.mp4';
const LOGIN = { username: 'alice', password: 'pass word' };
const abroad = await goAbroad(t, [TITLE]);
const { timeoutMs } = abroad;

const stage = await Stage.set(t, abroad);
await stage.start({ logins: [LOGIN] });
const withLogin = (password: string): string =>
  stage.url(TITLE).replace('rtsp://', `rtsp://alice:${encodeURIComponent(password)}@`);

for (const player of ['ffmpeg', 'gstreamer'] as PlayerName[]) {
  for (const transport of ['tcp', 'udp'] as Transport[]) {
    t.test(`${player} over ${transport} logs in, and plays to the end`, async (t) => {
      const reference = await play(player, abroad.origin.url(`/${TITLE}`), { transport: 'tcp', timeoutMs });
      const got = await play(player, withLogin(LOGIN.password), { transport, timeoutMs });
      t.ok(got.ended, got.complaint);
      t.ok((got.streams[0]?.length ?? 0) > 0, 'there are pictures');
      t.same(got.streams, reference.streams, 'frames as from the origin');
    });
    t.test(`${player} over ${transport} with a wrong password sees nothing`, async (t) => {
      const got = await play(player, withLogin('guess'), { transport, timeoutMs });
      t.notOk(got.ended);
      t.same(got.streams.flat(), []);
    });
  }
}

t.test('a viewer with SHA-256 gets in, one without a login does not', async (t) => {
  const viewer = await RigViewer.open({
    url: stage.url(TITLE),
    transport: 'tcp',
    credentials: LOGIN,
    timeoutMs: PATIENCE_MS,
  });
  await viewer.play();
  await viewer.received(20, { timeoutMs });
  await viewer.teardown();
  await viewer.close();
  await t.rejects(open(stage.url(TITLE), 'tcp'), { code: 'status', status: 401 });
});
