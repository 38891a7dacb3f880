import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import {
  bundledTitle,
  ensureMedia,
  ffmpegHashes,
  GstOrigin,
  gstPlay,
  playOnce,
  prerequisites,
  RigOrigin,
} from '../src/index.js';

const TIMEOUT_MS = 60_000;
const TITLE_FILE = fileURLToPath(new URL('../../../../fixtures/title/title.h264', import.meta.url));
t.setTimeout(4 * TIMEOUT_MS);
t.jobs = 4;
const { missing, install } = await prerequisites();

/** Interoperability is not skipped silently: without the programs this file fails and says what to install. */
t.same(missing, [], install ?? 'players and origins are installed');

async function origin(t: Test): Promise<RigOrigin> {
  const started = await RigOrigin.start({ titles: { '/title': bundledTitle() } });
  t.teardown(async () => await started.close());
  return started;
}

t.test(
  'FFmpeg plays the bundled title as it is in the file, over TCP and UDP, and from a seek',
  { buffered: true },
  async (t) => {
    const url = (await origin(t)).url('/title');
    const [file, tcp, udp, middle] = await Promise.all([
      ffmpegHashes({ url: TITLE_FILE, decode: true, timeoutMs: TIMEOUT_MS }),
      ffmpegHashes({ url, transport: 'tcp', decode: true, seconds: 4, timeoutMs: TIMEOUT_MS }),
      ffmpegHashes({ url, transport: 'udp', decode: true, seconds: 4, timeoutMs: TIMEOUT_MS }),
      ffmpegHashes({ url, transport: 'tcp', decode: true, seekSeconds: 9.5, timeoutMs: TIMEOUT_MS }),
    ]);
    t.equal(file.pictures.length, 300);
    for (const played of [tcp, udp]) {
      t.equal(played.exitCode, 0, played.diagnostics);
      t.same(played.pictures, file.pictures.slice(0, 100));
      t.same(played.packets, tcp.packets);
    }
    t.equal(middle.exitCode, 0, 'FFmpeg ends at BYE');
    t.same(middle.pictures.slice(-50), file.pictures.slice(-50));
  },
);

t.test(
  'GStreamer plays the bundled title to its end, over TCP and UDP, and from a seek',
  { buffered: true },
  async (t) => {
    const url = (await origin(t)).url('/title');
    const [tcp, udp, middle] = await Promise.all([
      gstPlay({ url, timeoutMs: TIMEOUT_MS }),
      gstPlay({ url, protocols: 'udp', timeoutMs: TIMEOUT_MS }),
      gstPlay({ url, seekSeconds: 8.3, timeoutMs: TIMEOUT_MS }),
    ]);
    const video = (played: typeof tcp): readonly string[] =>
      played.streams.find((stream) => stream.media === 'video')?.hashes ?? [];
    t.same([tcp.ended, tcp.error], ['eos', null]);
    t.same([udp.ended, udp.error], ['eos', null]);
    t.same([middle.ended, middle.error], ['eos', null]);
    t.equal(video(tcp).length, 300);
    t.same(video(udp), video(tcp));
    t.equal(video(middle).length, 100);
    t.same(video(middle).slice(1), video(tcp).slice(201), 'the first one gets parameter sets of its own');
  },
);

t.test(
  'the viewer records what GStreamer sends: the same at every play, and after a seek',
  { buffered: true },
  async (t) => {
    const media = await ensureMedia();
    const gst = await GstOrigin.start({ media: media.folder });
    t.teardown(async () => await gst.stop());
    const play = async (file: string, range: string, transport: 'tcp' | 'udp' = 'tcp') =>
      await playOnce({ url: gst.url(`/${file}`), transport, range, endTimeoutMs: TIMEOUT_MS });
    await Promise.all(
      ['h264_b2.mp4', 'h264_g5.mkv', 'h265_g1.mkv', 'mjpeg.mkv', 'h264_opus.mkv'].map(async (file) => {
        const [first, second, seek] = await Promise.all([
          play(file, 'npt=0-'),
          play(file, 'npt=0-', 'udp'),
          play(file, 'npt=10.5-'),
        ]);
        t.match(
          first.continuity(),
          { sequenceGaps: 0, timestampBackSteps: 0, timestampGaps: 0 },
          `${file}: no breaks`,
        );
        for (const stream of [0, 1]) {
          const frames = first.frames(stream);
          t.same(second.frames(stream), frames, `${file}: stream ${stream} is the same over UDP`);
          const late = seek.frames(stream, { parameterSets: false });
          const all = first.frames(stream, { parameterSets: false });
          t.same(late.slice(-20), all.slice(-20), `${file}: stream ${stream} is the same after a seek`);
          t.ok(late.length < all.length);
        }
        t.equal(first.accessUnits(0).length, media.seconds * media.fps, file);
        t.ok(first.times.firstKeyFrameMs! >= first.times.firstRtpMs!);
      }),
    );
  },
);

t.test(
  'GStreamer asks for credentials, stops when told to, and tells why it cannot start',
  { buffered: true },
  async (t) => {
    const { folder } = await ensureMedia();
    const access = { scheme: 'digest', username: 'anna', password: 'secret' } as const;
    const gst = await GstOrigin.start({ media: folder, access });
    const options = {
      url: gst.url('/h264_g1.mp4'),
      transport: 'tcp',
      range: 'npt=11.4-',
      endTimeoutMs: TIMEOUT_MS,
    } as const;
    await t.rejects(playOnce(options), { code: 'status', status: 401 });
    t.equal((await playOnce({ ...options, credentials: access })).accessUnits(0).length, 25);
    t.equal(await gst.stop(), 0);
    await t.rejects(GstOrigin.start({ media: '/nowhere' }), { code: 'tool' });
  },
);
