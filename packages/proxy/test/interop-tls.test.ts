import { makeCertificate } from '@forebay/rig';
import t from 'tap';
import { goAbroad, play, Stage } from './interop-support.js';

t.jobs = 2;
t.setTimeout(300_000);

const TITLE = 'h264_g1.mp4';
const abroad = await goAbroad(t, [TITLE]);
const { timeoutMs } = abroad;
const tls = await makeCertificate('proxy.test');

for (const workers of [1, 2]) {
  t.test(`FFmpeg plays over TLS, cold and warm, with ${workers} serving`, async (t) => {
    const stage = await Stage.set(t, abroad);
    await stage.start({}, { tls, workers });
    const direct = await play('ffmpeg', abroad.origin.url(`/${TITLE}`), { transport: 'tcp', timeoutMs });
    for (const state of ['cold', 'warm']) {
      const got = await play('ffmpeg', stage.secureUrl(TITLE), { transport: 'tcp', timeoutMs });
      t.ok(got.ended, `${state}: ${got.complaint}`);
      t.ok((got.streams[0]?.length ?? 0) > 0, 'there are pictures');
      t.same(got.streams, direct.streams, `${state}: frames as from the origin`);
      await stage.stored(timeoutMs);
    }
    t.equal(await stage.metric('gap_seconds_total'), 0);
  });
}
