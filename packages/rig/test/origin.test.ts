import t from 'tap';
import { playOnce, syntheticTitle } from '../src/index.js';
import type { RigViewer } from '../src/index.js';
import { FAST, NO_BREAKS, originFor, played, TIMEOUT, TITLE, viewerOf } from './scene.js';

t.test(
  'two plays give the same pictures and sounds, over TCP and UDP, from the start and from the middle',
  async (t) => {
    const origin = await originFor(t);
    const whole = await played(origin);
    t.same(
      whole.recordings.map((recording) => recording.packets),
      [0, 1].map((stream) => TITLE.packets.streams.filter((s) => s === stream).length),
    );
    for (const transport of ['tcp', 'udp'] as const) {
      for (const range of ['npt=0-', 'npt=3.4-']) {
        const viewer = await played(origin, range, transport);
        t.match(viewer.continuity(), NO_BREAKS, `${transport} ${range} has no breaks`);
        for (const { stream, wrongPayloads, faults, senderReports, byeTimesMs } of viewer.recordings) {
          t.same([wrongPayloads, faults, byeTimesMs.length], [0, 0, 1]);
          t.ok(senderReports.length >= 2);
          const frames = viewer.frames(stream.index);
          t.same(frames, whole.frames(stream.index).slice(-frames.length));
          t.notSame(viewer.recording(stream.index).ssrcs[0], whole.recording(stream.index).ssrcs[0]);
        }
        const { connectStartMs, playReplyMs, firstRtpMs, firstKeyFrameMs, endedMs } = viewer.times;
        t.ok(connectStartMs < playReplyMs! && playReplyMs! <= firstRtpMs! && firstRtpMs! <= firstKeyFrameMs!);
        t.ok(firstKeyFrameMs! < endedMs!);
        t.equal(viewer.roundTrips, 7, 'connect, OPTIONS, DESCRIBE, two SETUP, PLAY, TEARDOWN');
      }
    }
    t.match(origin.counters, {
      describes: 5,
      setups: 10,
      plays: 5,
      teardowns: 5,
      openSessions: 0,
      mostSessions: 1,
    });
    t.equal(origin.counters.mediaBytes, origin.mediaBytesOf('/film'));
    t.equal(origin.count('SETUP'), 10);
  },
);

t.test('Range, RTP-Info and the first packet agree, whatever is asked for', async (t) => {
  const origin = await originFor(t);
  const viewer = await viewerOf(t, origin);
  await viewer.setup();
  for (const [asked, start] of [
    ['npt=0-', 0],
    ['npt=3.7-', 3],
    ['npt=1-2', 1],
    ['npt=5.99-', 5],
  ] as const) {
    const reply = await viewer.play({ range: asked });
    t.equal(reply.startSeconds, start);
    await viewer.ended(TIMEOUT);
    for (const recording of viewer.recordings) {
      const info = reply.rtpInfo[recording.stream.index]!;
      const first = recording.firstPacket;
      t.equal(recording.sequences[first]! & 0xffff, info.seq);
      const lateSeconds = ((recording.timestamps[first]! - info.rtptime!) | 0) / recording.stream.clockRate;
      t.ok(
        lateSeconds >= 0 && lateSeconds < 0.022,
        `${asked}: ${recording.stream.media} starts with its range`,
      );
    }
  }
  t.equal(viewer.continuity().sequenceGaps, 0, 'sequence numbers go on over seeks');
  const video = viewer.recording(0);
  const lastPlay = viewer.accessUnits(0, { from: video.firstPacket });
  t.equal(lastPlay.length, 25);
  const range = await viewer.request('PLAY', viewer.url, [['Range', 'npt=6-']]);
  t.equal(range.status, 457);
  t.equal((await viewer.request('PLAY', viewer.url, [['Range', 'clock=20260101T000000Z-']])).status, 501);
});

t.test('a range ends where it says', async (t) => {
  const viewer = await played(await originFor(t), 'npt=1-2');
  t.equal(viewer.accessUnits(0).length, 25);
  t.equal(viewer.accessUnits(1).length, 47);
});

t.test('PAUSE stops, PLAY without Range goes on with the next packet', async (t) => {
  const origin = await originFor(t, { speed: 3 });
  const whole = await played(origin);
  const viewer = await viewerOf(t, origin, 'udp');
  await viewer.setup();
  await viewer.play();
  await viewer.received(100, TIMEOUT);
  await viewer.pause();
  t.equal((await viewer.request('PAUSE')).status, 200, 'pausing twice is no error');
  const reply = await viewer.play();
  t.ok(reply.startSeconds! > 0 && reply.startSeconds! < 6);
  await viewer.ended(TIMEOUT);
  t.match(viewer.continuity(), NO_BREAKS);
  for (const stream of [0, 1]) t.same(viewer.frames(stream), whole.frames(stream));
});

t.test('requests that do not fit are answered as the RFC has it', async (t) => {
  const origin = await originFor(t);
  const viewer = await viewerOf(t, origin);
  const status = async (method: string, url?: string, headers: [string, string][] = []): Promise<number> =>
    (await viewer.request(method, url, headers)).status;
  t.equal(await status('PLAY'), 400, 'no session');
  t.equal(await status('PLAY', undefined, [['Session', 'abcdef']]), 454);
  t.equal(await status('DESCRIBE', origin.url('/other')), 404);
  t.equal(await status('SETUP', origin.url('/film/stream=7'), [['Transport', 'RTP/AVP/TCP;unicast']]), 404);
  t.equal(await status('SETUP', origin.url('/film/stream=0'), [['Transport', 'RTP/AVP;multicast']]), 461);
  await viewer.setup([1]);
  t.equal(await status('RECORD'), 405);
  t.equal(await status('GET_PARAMETER'), 200);
  await viewer.play();
  t.equal(await status('SETUP', origin.url('/film/stream=0'), [['Transport', 'RTP/AVP/TCP;unicast']]), 455);
  await viewer.ended(TIMEOUT);
  t.equal(viewer.recordings.length, 1, 'one stream alone can be played');
  t.equal((await viewer.request('OPTIONS')).headers.get('Public')?.includes('GET_PARAMETER'), true);
  t.equal(origin.requests.at(-1)?.method, 'OPTIONS');
  t.equal(origin.requests.at(-1)?.header('user-agent'), 'forebay-rig');
});

t.test('an origin that cannot seek begins at 0, and says so or not', async (t) => {
  for (const [seek, start] of [
    ['never', 0],
    ['pretends', 4.2],
  ] as const) {
    const viewer = await viewerOf(t, await originFor(t, { seek }));
    await viewer.setup();
    t.equal((await viewer.play({ range: 'npt=4.2-' })).startSeconds, start);
    await viewer.ended(TIMEOUT);
    t.equal(viewer.accessUnits(0).length, 150);
  }
});

t.test('transports, access and sessions are refused as scripted', async (t) => {
  const udpOnly = await originFor(t, { transports: ['udp'] });
  const refused = await viewerOf(t, udpOnly);
  await t.rejects(refused.setup(), { code: 'status', status: 461 });
  t.equal((await played(udpOnly, 'npt=0-', 'udp')).accessUnits(0).length, 150);

  const single = await originFor(t, { maxSessions: 1, speed: 1 });
  const first = await viewerOf(t, single);
  await first.setup();
  const second = await viewerOf(t, single);
  await t.rejects(second.setup(), { code: 'status', status: 453 });
  await first.teardown();
  await second.setup();
  t.equal(single.counters.mostSessions, 1);

  const user = { username: 'anna', password: 'secret' };
  for (const access of [
    { scheme: 'basic', ...user },
    { scheme: 'digest', ...user },
    { scheme: 'digest', ...user, algorithm: 'SHA-256', qop: true, nonceUses: 2 },
  ] as const) {
    const guarded = await originFor(t, { access });
    const options = { url: guarded.url('/film'), transport: 'tcp', endTimeoutMs: 20_000 } as const;
    await t.rejects(playOnce(options), { code: 'status', status: 401 });
    await t.rejects(playOnce({ ...options, credentials: { ...user, password: 'wrong' } }), {
      code: 'status',
      status: 401,
    });
    t.equal((await playOnce({ ...options, credentials: user })).accessUnits(0).length, 150);
    const inUrl = options.url.replace('rtsp://', 'rtsp://anna:secret@');
    t.equal((await playOnce({ ...options, url: inUrl })).accessUnits(0).length, 150);
  }
  const broken = await originFor(t, { statuses: { PLAY: 503 } });
  await t.rejects(played(broken), { code: 'status', status: 503 });
});

t.test('after a seek packets can be repeated, clamped and re-phased', async (t) => {
  const origin = await originFor(t);
  const whole = await played(origin);

  origin.setFaults({ speed: FAST, repeatParameterSets: 2 });
  const repeated = await played(origin, 'npt=3-');
  t.equal(repeated.recording(0).packets, (await tail(whole, 3)) + 4);
  const bare = { parameterSets: false };
  t.same(repeated.frames(0, bare), whole.frames(0, bare).slice(75));

  origin.setFaults({ speed: FAST, clampAudioPackets: 3, rtpInfo: 'wrong' });
  const clamped = await viewerOf(t, origin);
  await clamped.setup();
  const reply = await clamped.play({ range: 'npt=3-' });
  await clamped.ended(TIMEOUT);
  const audio = clamped.recording(1);
  t.equal(new Set(audio.timestamps.subarray(0, 3)).size, 1);
  t.equal(clamped.continuity().timestampRepeats, 2);
  t.same(clamped.frames(1), whole.frames(1).slice(-clamped.frames(1).length));
  const video = clamped.recording(0);
  t.equal(
    ((video.timestamps[0]! - reply.rtpInfo[0]!.rtptime!) | 0) / 90_000,
    3,
    'rtptime is off by the start',
  );

  origin.setFaults({ speed: FAST, clampPreviousGroup: true });
  const burst = await played(origin, 'npt=3-');
  t.same(burst.frames(0), whole.frames(0).slice(50), 'the group before comes too');
  t.equal(
    burst.continuity().timestampRepeats,
    25 +
      burst.accessUnits(1).filter((unit, i, all) => unit.timestampTicks === all[i + 1]?.timestampTicks)
        .length,
  );

  origin.setFaults({ speed: FAST, afterSeek: syntheticTitle({ seconds: 6, bFrames: 2, seed: 9 }) });
  const other = await playOnce({
    url: origin.url('/film'),
    transport: 'tcp',
    range: 'npt=3-',
    endTimeoutMs: 20_000,
  });
  const known = new Set(whole.recording(0).hashes);
  t.equal(other.recording(0).hashes.filter((hash) => known.has(hash)).length, 0, 'nothing matches');
  t.equal(other.accessUnits(0).length, 75);
});

/** Video packets from a moment on. */
async function tail(viewer: RigViewer, seconds: number): Promise<number> {
  const recording = viewer.recording(0);
  const from = recording.timestamps[0]! + seconds * 90_000;
  return recording.timestamps.findLastIndex((ticks) => ((ticks - from) | 0) < 0) < 0
    ? 0
    : recording.count - recording.timestamps.findIndex((ticks) => ((ticks - from) | 0) >= 0);
}
