import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ffmpegHashes, GstOrigin, gstPlay, prerequisites, RigViewer } from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { startedProxy } from './started-proxy.js';

t.jobs = 2;
t.setTimeout(240_000);

const TIMEOUT_MS = 120_000;
const TRANSPORTS = ['tcp', 'udp'] as const;

/** GStreamer's shared live factory behind a proxy with a window of a minute. */
async function setUp(t: Test) {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new Error(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const media = t.testdir();
  let origin = await GstOrigin.start({ media });
  const { port } = origin;
  const directory = await mkdtemp(join(tmpdir(), 'forebay-live-'));
  const proxy = await startedProxy({
    routes: [
      {
        id: 'gst',
        pathPrefix: '/',
        baseUrl: parseRtspUrl(`rtsp://127.0.0.1:${port}/`),
        allowHosts: [],
        timeshiftSeconds: 60,
      },
    ],
    cacheDirectory: directory,
    cacheBytes: 1e9,
    ramBytes: 64e6,
    udpPorts: { first: 0, last: 0 },
    sessionTimeoutSeconds: 60,
  });
  t.teardown(async () => {
    await proxy.close();
    await origin.stop();
    await rm(directory, { recursive: true, force: true });
  });
  const url = `rtsp://127.0.0.1:${(await proxy.listen('127.0.0.1', 0)).port}/live`;
  const watch = async (): Promise<{ viewer: RigViewer; startSeconds: number }> => {
    const viewer = await RigViewer.open({ url, transport: 'tcp', timeoutMs: TIMEOUT_MS });
    t.teardown(() => viewer.close());
    const { startSeconds } = await viewer.play();
    await viewer.received(60, { timeoutMs: TIMEOUT_MS });
    return { viewer, startSeconds: startSeconds ?? NaN };
  };
  const restart = async (): Promise<void> => {
    await origin.stop();
    origin = await GstOrigin.start({ media, port });
  };
  return { proxy, url, directUrl: origin.url('/live'), watch, restart };
}

/** How far a player that pauses may be from what was sent to it. */
interface Slack {
  /** GStreamer's parser puts parameter sets in front of the first picture behind a pause. */
  readonly differs?: number;
  /** Over UDP what is on its way when it pauses is lost to it. */
  readonly misses?: number;
}

/** Asserts that what a player got is a run of what the origin sent. @returns where it begins */
function assertRun(
  t: Test,
  whole: readonly string[],
  part: readonly string[],
  { name, differs = 0, misses = 0 }: Slack & { readonly name: string },
): number {
  // A tone repeats itself: the run is looked for as a whole.
  const fits = (at: number): boolean => {
    let [different, missing] = [0, 0];
    part.forEach((hash, i) => {
      const ahead = whole.slice(at + i + missing, at + i + missing + 1 + misses).indexOf(hash);
      if (ahead < 0) different++;
      else missing += ahead;
    });
    return different <= differs && missing <= misses;
  };
  const at = whole.findIndex((hash, i) => hash === part[0] && fits(i));
  t.ok(at >= 0, `${name}: ${part.length} in a run`);
  return at;
}

/** The first may come with parameter sets of the description, the last may be cut short. */
const inner = (hashes: readonly string[] | undefined): readonly string[] => (hashes ?? []).slice(1, -1);

t.test('FFmpeg: what is on, and back in the window by NPT', { buffered: true }, async (t) => {
  const { url, directUrl, watch } = await setUp(t);
  const { startSeconds } = await watch();
  const direct = ffmpegHashes({ url: directUrl, seconds: 16, timeoutMs: TIMEOUT_MS });
  await delay(3500);
  const now = await Promise.all(
    TRANSPORTS.map((transport) => ffmpegHashes({ url, transport, seconds: 3, timeoutMs: TIMEOUT_MS })),
  );
  const back = await ffmpegHashes({
    url,
    seekSeconds: startSeconds + 3.5,
    seekByNpt: true,
    seconds: 3,
    timeoutMs: TIMEOUT_MS,
  });
  const { packets: whole } = await direct;
  const places = now.map(({ packets, exitCode, diagnostics }, i) => {
    t.equal(exitCode, 0, diagnostics);
    t.ok((packets[0]?.length ?? 0) >= 60, 'three seconds of it');
    return [0, 1].map((stream) =>
      assertRun(t, whole[stream] ?? [], inner(packets[stream]), {
        name: `${TRANSPORTS[i]} stream ${stream}`,
      }),
    );
  });
  const [video] = [0, 1].map((stream) =>
    assertRun(t, whole[stream] ?? [], inner(back.packets[stream]), { name: `back, stream ${stream}` }),
  );
  t.ok(
    video! < places[0]![0]! + 76,
    `from ${video}, on before ${places[0]![0]! + 76}, when others had been watching`,
  );
});

t.test('GStreamer: what is on, a pause, and on from there', { buffered: true }, async (t) => {
  const { url, directUrl, watch, proxy } = await setUp(t);
  await watch();
  const direct = gstPlay({ url: directUrl, stopAfterSeconds: 16, timeoutMs: TIMEOUT_MS });
  await delay(3500);
  const plays = await Promise.all(
    TRANSPORTS.map((protocols) =>
      gstPlay({
        url,
        protocols,
        pauseAtSeconds: 3,
        pauseForSeconds: 3,
        stopAfterSeconds: 9,
        timeoutMs: TIMEOUT_MS,
      }),
    ),
  );
  const { streams: whole } = await direct;
  for (const [i, { streams, ended, error }] of plays.entries()) {
    t.equal(ended, 'stopped', error ?? '');
    for (const { media, hashes } of streams) {
      const all = whole.find((stream) => stream.media === media)?.hashes ?? [];
      assertRun(t, all, inner(hashes), {
        name: `${TRANSPORTS[i]} ${media}`,
        differs: media === 'video' ? 1 : 0,
        misses: TRANSPORTS[i] === 'udp' ? 10 : 0,
      });
      if (media === 'video')
        t.ok(hashes.length > 100, `${hashes.length} pictures, before and behind the pause`);
    }
  }
  const requests = await proxy.metrics.registry.getSingleMetric('forebay_origin_requests_total')?.get();
  const pulls = requests?.values.filter(({ labels }) => labels['method' as keyof typeof labels] === 'PLAY');
  t.equal(
    pulls?.reduce((sum, { value }) => sum + value, 0),
    1,
    'one pull for all',
  );
});

t.test('GStreamer as origin, started anew: its viewers are back', { buffered: true }, async (t) => {
  const { watch, restart, directUrl } = await setUp(t);
  const { viewer } = await watch();
  const before = viewer.recording(0).packets;
  await restart();
  const upMs = performance.now();
  // What a machine that does other things, too, lets a viewer of the origin itself have.
  const direct = await RigViewer.open({ url: directUrl, transport: 'tcp', timeoutMs: TIMEOUT_MS });
  t.teardown(() => direct.close());
  await direct.play();
  await direct.until(() => direct.recording(0).packets > 5, { timeoutMs: TIMEOUT_MS, what: 'the picture' });
  const directMs = performance.now() - upMs;
  await viewer.until(() => viewer.recording(0).packets > before + 5, {
    timeoutMs: TIMEOUT_MS,
    what: 'the picture',
  });
  const backMs = performance.now() - upMs;
  t.ok(
    backMs < Math.max(2000, directMs + 1000),
    `after ${Math.round(backMs)} ms, a new viewer of the origin after ${Math.round(directMs)}`,
  );
  const { sequenceGaps, sequenceRepeats, timestampBackSteps } = viewer.continuity();
  t.same(
    { sequenceGaps, sequenceRepeats, timestampBackSteps },
    { sequenceGaps: 0, sequenceRepeats: 0, timestampBackSteps: 0 },
  );
  t.notOk(viewer.isClosed);
});
