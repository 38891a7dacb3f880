import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { ffmpegHashes } from '@forebay/rig';
import t, { type Test } from 'tap';
import { assertContinuous, reached } from './interop-linear.js';
import { goAbroad, open, Stage } from './interop-support.js';

t.jobs = 4;
t.setTimeout(300_000);

const TITLES = ['h264_g1.mp4', 'h264_b2.mkv', 'h264_g5.mp4', 'h265_g1.mkv', 'mjpeg.mkv'] as const;
const SCALES = [4, -2] as const;

const abroad = await goAbroad(t, TITLES);
const { timeoutMs } = abroad;

/** A way to the proxy that puts headers into each PLAY: FFmpeg has no option for them. @returns its URL for a title's */
async function withHeaders(t: Test, url: string, headers: string): Promise<string> {
  const { port, pathname } = new URL(url);
  const server = createServer((viewer) => {
    const proxy = connect(Number(port), '127.0.0.1');
    viewer.on('error', () => proxy.destroy()).on('close', () => proxy.destroy());
    proxy.on('error', () => viewer.destroy()).on('close', () => viewer.destroy());
    proxy.pipe(viewer);
    // Each request of FFmpeg is one write.
    viewer.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      proxy.write(text.replace(/^(PLAY [^\r]*\r\n)(?:Range:[^\r]*\r\n)?/, `$1${headers}`), 'latin1');
    });
  });
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`;
}

for (const title of TITLES) {
  t.test(`${title}: FFmpeg decodes every picture of a fast forward and of a rewind`, async (t) => {
    const stage = await Stage.set(t, abroad);
    await stage.start();
    const whole = await ffmpegHashes({ url: stage.url(title), decode: true, timeoutMs });
    t.equal(whole.exitCode, 0);
    await stage.stored(timeoutMs);
    await stage.start({ scales: false });
    for (const scale of SCALES) {
      const range = scale > 0 ? 'npt=0-' : `npt=${abroad.media.seconds - 0.1}-`;
      const url = await withHeaders(t, stage.url(title), `Range: ${range}\r\nScale: ${scale}.0\r\n`);
      const { exitCode, pictures, packets, diagnostics } = await ffmpegHashes({
        url,
        decode: true,
        timeoutMs,
      });
      const name = `Scale ${scale}`;
      t.equal(exitCode, 0, `${name}: to the end by itself`);
      t.equal(diagnostics, '', `${name}: without a complaint`);
      const places = pictures.map((hash) => whole.pictures.indexOf(hash));
      t.ok(places.length >= (title === 'h264_g5.mp4' ? 3 : 8), `${name}: ${places.length} pictures`);
      t.equal(places.length, packets[0]?.length, `${name}: as many as were sent`);
      t.ok(
        places.every((at, i) => at >= 0 && (i === 0 || (at - places[i - 1]!) * scale > 0)),
        `${name}: pictures of the title, in this direction: ${places.join(' ')}`,
      );
    }
    t.equal((await stage.spent()).sessions, 0, 'from what is held');
  });
}

for (const [scale, range, least] of [
  [4, 'npt=0-', 300],
  [2, 'npt=2-', 249],
] as const) {
  t.test(`GStreamer as the origin scales by itself: Scale ${scale} of ${range}`, async (t) => {
    const stage = await Stage.set(t, abroad);
    await stage.start();
    const viewer = await open(stage.url('h264_g1.mp4'), 'tcp');
    t.teardown(() => viewer.close());
    const reply = await viewer.play({ range, headers: [['Scale', String(scale)]] });
    t.equal(reply.response.headers.get('Scale'), String(scale));
    await viewer.ended({ timeoutMs });
    t.equal(await stage.metric('scaled_plays_total', { way: 'pass' }), 1);
    const pictures = viewer.accessUnits(0);
    t.ok(pictures[0]?.randomAccess, 'a key frame first');
    t.ok(pictures.length >= least, `${pictures.length} pictures`);
    const steps = pictures.slice(1).map((unit, i) => unit.timestampTicks - pictures[i]!.timestampTicks);
    const usual = 90_000 / abroad.media.fps / scale;
    t.ok(
      steps.every((ticks, i) => i === 0 || Math.abs(ticks - usual) <= 90),
      `timestamps ${scale} times as close as they are`,
    );
    const took = (pictures.at(-1)!.arrivalMs - pictures[0]!.arrivalMs) / 1000;
    t.ok(took > ((least / abroad.media.fps) * 0.9) / scale, `in ${took} s`);
    assertContinuous(t, viewer, 'passed through');
    t.equal((await stage.segments()).length, 0, 'nothing of it is kept');
  });
}

t.test('GStreamer backward is no rewind that others could show: key frames', async (t) => {
  const stage = await Stage.set(t, abroad);
  await stage.start();
  const viewer = await open(stage.url('h264_g1.mp4'), 'tcp');
  t.teardown(() => viewer.close());
  const cold = await viewer.play({ range: 'npt=6-0', headers: [['Scale', '-1']] });
  t.equal(cold.response.headers.get('Scale'), '1', 'where nothing is held: normal play');
  const forward = await viewer.play({ range: 'npt=0-' });
  await reached(viewer, forward, 7);
  const reply = await viewer.play({ range: 'npt=6-0', headers: [['Scale', '-2']] });
  t.equal(reply.response.headers.get('Scale'), '-2');
  const from = viewer.recording(0).firstPacket;
  await viewer.ended({ timeoutMs });
  const pictures = viewer.accessUnits(0, { from });
  t.equal(pictures.length, 7);
  t.ok(pictures.every(({ randomAccess }) => randomAccess));
  assertContinuous(t, viewer, 'over three ranges');
});
