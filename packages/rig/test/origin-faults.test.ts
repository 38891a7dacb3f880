import t from 'tap';
import { parseDescription } from '@forebay/rtsp';
import { playOnce, RigViewer, syntheticTitle } from '../src/index.js';
import { FAST, NO_BREAKS, originFor, played, TIMEOUT, TITLE, viewerOf } from './scene.js';

const ask = async (viewer: RigViewer): Promise<PromiseSettledResult<unknown>[]> =>
  await Promise.allSettled([viewer.request('OPTIONS'), viewer.request('OPTIONS'), viewer.request('OPTIONS')]);

t.test('answers to PLAY can lack what they should have', async (t) => {
  const origin = await originFor(t, { rtpInfo: 'missing', range: 'missing' });
  const viewer = await viewerOf(t, origin);
  await viewer.setup();
  const bare = await viewer.play({ range: 'npt=2.5-' });
  t.same([bare.range, bare.rtpInfo], [undefined, [undefined, undefined]]);
  origin.setFaults({ speed: FAST, rtpInfo: 'no-rtptime', range: 'asked' });
  const half = await viewer.play({ range: 'npt=2.5-' });
  t.equal(half.startSeconds, 2.5);
  t.match(half.rtpInfo[0], { seq: Number });
  t.equal(half.rtpInfo[0]?.rtptime, undefined);
});

t.test('a stream can end without BYE, early, or with the connection', async (t) => {
  const origin = await originFor(t, { bye: 'never' });
  const silent = await viewerOf(t, origin);
  await silent.setup();
  await silent.play();
  await silent.received(TITLE.packets.count, TIMEOUT);
  await t.rejects(silent.ended({ timeoutMs: 100 }), { code: 'timeout' });

  origin.setFaults({ speed: FAST, bye: 2 });
  t.equal((await played(origin)).accessUnits(0).length, 50);

  origin.setFaults({ speed: FAST, dieAtPacket: 100 });
  const dead = await viewerOf(t, origin);
  await dead.setup();
  await dead.play();
  await t.rejects(dead.ended(TIMEOUT), { code: 'closed' });
  t.equal(dead.recordings[0]!.packets + dead.recordings[1]!.packets, 100, 'what was sent arrives');

  origin.setFaults({ speed: FAST, stallAtPacket: 50 });
  const stalled = await viewerOf(t, origin);
  await stalled.setup();
  await stalled.play();
  await stalled.received(50, TIMEOUT);
  await t.rejects(stalled.received(51, { timeoutMs: 100 }), { code: 'timeout' });

  origin.setFaults({ speed: FAST, loseEvery: 10 });
  const lossy = await played(origin);
  t.equal(lossy.continuity().sequenceGaps, Math.floor((TITLE.packets.count - 1) / 10));
});

t.test('an origin can go down and come back on its port', async (t) => {
  const origin = await originFor(t, { speed: 1 });
  const viewer = await viewerOf(t, origin);
  await viewer.setup();
  await viewer.play();
  await viewer.received(5, TIMEOUT);
  await origin.down();
  await t.rejects(viewer.ended(TIMEOUT), { code: 'closed' });
  await t.rejects(viewerOf(t, origin), { code: 'closed' });
  t.match(origin.counters, { openSessions: 0, openConnections: 0 });
  await origin.up();
  t.ok((await viewerOf(t, origin)).description.onDemand);
});

t.test('pipelined requests are answered in order, dropped or punished', async (t) => {
  const origin = await originFor(t);
  const quick = await playOnce({
    url: origin.url('/film'),
    transport: 'tcp',
    likePlayer: false,
    endTimeoutMs: 20_000,
  });
  t.equal(quick.roundTrips, 6, 'connect, DESCRIBE, SETUP, SETUP, PLAY, TEARDOWN');
  const slow = { delaysMs: { OPTIONS: 50 } };
  for (const [pipelining, outcome] of [
    [undefined, ['fulfilled', 'fulfilled', 'fulfilled']],
    ['dropped', ['fulfilled', 'rejected', 'rejected']],
    ['closed', ['rejected', 'rejected', 'rejected']],
  ] as const) {
    origin.setFaults(pipelining === undefined ? slow : { ...slow, pipelining });
    const viewer = await RigViewer.connect({ url: origin.url('/film'), transport: 'tcp', timeoutMs: 400 });
    t.teardown(async () => await viewer.close());
    t.same(
      (await ask(viewer)).map((result) => result.status),
      outcome,
      pipelining ?? 'accepted',
    );
  }
});

t.test('answers and media come as late as scripted', async (t) => {
  const origin = await originFor(t, { delaysMs: { DESCRIBE: 60, PLAY: 80, media: 100 } });
  const viewer = await played(origin);
  const { connectedMs, playSentMs, playReplyMs, firstRtpMs } = viewer.times;
  t.ok(playSentMs! - connectedMs >= 59);
  t.ok(playReplyMs! - playSentMs! >= 79);
  t.ok(firstRtpMs! - playReplyMs! >= 98);
});

t.test('descriptions differ as scripted, redirect, and change with the title', async (t) => {
  const origin = await originFor(
    t,
    {},
    { titles: { '/film': TITLE, '/news': { title: TITLE, live: true } } },
  );
  const describe = async (path = '/film'): Promise<string> => {
    const viewer = await RigViewer.connect({ url: origin.url(path), transport: 'tcp' });
    t.teardown(async () => await viewer.close());
    return (await viewer.request('DESCRIBE')).body.toString();
  };
  const plain = parseDescription(await describe());
  t.match(plain, { onDemand: true, durationSeconds: 6 });
  t.equal(parseDescription(await describe()).fingerprint, plain.fingerprint);
  t.match(parseDescription(await describe('/news')), { onDemand: false });
  origin.setFaults({ sdpRange: 'now-end' });
  t.match(await describe(), /a=range:npt=now-6\r\n/);
  origin.setFaults({ sdpRange: 'missing' });
  t.notMatch(await describe(), /a=range/);
  origin.setFaults({ sdpRange: 'npt=0-' }, '/film');
  t.match(await describe(), /a=range:npt=0-\r\n/);
  origin.mount('/film', syntheticTitle({ seconds: 6, seed: 2 }));
  const changed = parseDescription(await describe());
  t.not(changed.fingerprint, plain.fingerprint);
  origin.setFaults({ redirect: 'rtsp://127.0.0.1:1/film' });
  const viewer = await RigViewer.connect({ url: origin.url('/film'), transport: 'tcp' });
  t.teardown(async () => await viewer.close());
  const moved = await viewer.request('DESCRIBE');
  t.same([moved.status, moved.headers.get('Location')], [302, 'rtsp://127.0.0.1:1/film']);
});

t.test('a live title is where it is for everybody, and does not end', async (t) => {
  const title = syntheticTitle({ seconds: 0.64, fps: 25, gopSeconds: 0.2 });
  const origin = await originFor(t, {}, { titles: { '/live': { title, live: true } } });
  const viewers = [await viewerOf(t, origin, 'tcp', '/live'), await viewerOf(t, origin, 'udp', '/live')];
  for (const viewer of viewers) {
    await viewer.setup();
    t.same((await viewer.play({ range: 'npt=now-' })).range, { unit: 'npt', start: 'now' });
  }
  await Promise.all(viewers.map(async (viewer) => await viewer.received(3 * title.packets.count, TIMEOUT)));
  for (const viewer of viewers) t.match(viewer.continuity(), NO_BREAKS, 'over several laps');
  t.equal(
    new Set(viewers.map((viewer) => viewer.recordings.reduce((sum, r) => sum + r.wrongPayloads, 0))).size,
    1,
  );
  const [early, late] = viewers.map((viewer) => viewer.frames(0));
  const known = new Set(early);
  t.ok(
    late!.slice(1, 20).every((frame) => known.has(frame)),
    'both see the same pictures',
  );
  origin.setFaults({ liveKeyFrame: true });
  const clean = await viewerOf(t, origin, 'tcp', '/live');
  await clean.setup([0]);
  await clean.play();
  await clean.received(5, TIMEOUT);
  t.equal(clean.accessUnits(0)[0]?.randomAccess, true);
});

t.test('Speed, Scale and Rate-Control are obeyed, echoed, squeezed or thinned', async (t) => {
  const origin = await originFor(t, { speed: 1 });
  const run = async (
    headers: [string, string][],
  ): Promise<{ seconds: number; ticks: number; pictures: number; speed: string | undefined }> => {
    const viewer = await viewerOf(t, origin);
    await viewer.setup();
    const { response } = await viewer.play({ range: 'npt=5-', headers });
    await viewer.ended(TIMEOUT);
    const { firstRtpMs, endedMs } = viewer.times;
    const units = viewer.accessUnits(1);
    const ticks = units.at(-1)!.timestampTicks - units[0]!.timestampTicks;
    const pictures = viewer.accessUnits(0).length;
    const seconds = (endedMs! - firstRtpMs!) / 1000;
    return { seconds, ticks, pictures, speed: response.headers.get('Speed') };
  };
  const plain = await run([['Speed', '10']]);
  t.ok(plain.seconds > 0.9);
  t.equal(plain.speed, undefined);
  origin.setFaults({ speedHeader: 'echoed' });
  const echoed = await run([['Speed', '10']]);
  t.ok(echoed.seconds > 0.9);
  t.equal(echoed.speed, '10');
  origin.setFaults({ speedHeader: 'honoured' });
  const fast = await run([['Speed', '10']]);
  t.ok(fast.seconds < 0.8);
  t.equal(fast.ticks, plain.ticks);
  origin.setFaults({ speedHeader: 'squeezed' });
  const squeezed = await run([['Speed', '10']]);
  t.ok(Math.abs(squeezed.ticks * 10 - plain.ticks) <= 10);
  origin.setFaults({ scaleHeader: 'thinned' });
  const thinned = await run([['Scale', '10']]);
  t.ok(thinned.seconds < 0.8);
  t.equal(thinned.ticks, plain.ticks);
  t.equal(thinned.pictures, 1, 'of video only the key frame');
  t.equal((await run([['Speed', '10']])).pictures, 25, 'and Speed does nothing here');
  origin.setFaults({ rateControl: true });
  t.ok((await run([['Rate-Control', 'no']])).seconds < 0.8);
});

t.test('sessions of viewers that fall silent are forgotten; reports keep them', async (t) => {
  const origin = await originFor(t, { speed: 1, sessionTimeoutSeconds: 0.2 });
  const viewer = await viewerOf(t, origin, 'udp');
  await viewer.setup();
  await viewer.play();
  await t.rejects(viewer.ended({ timeoutMs: 600 }), { code: 'timeout' });
  t.equal(origin.counters.expiredSessions, 1);
  t.equal((await viewer.request('PAUSE')).status, 454);
});

t.test('a viewer that does not read holds back its own stream and nobody else', async (t) => {
  const long = syntheticTitle({ seconds: 60, videoKbps: 8000 });
  const origin = await originFor(t, { speed: 1e6 }, { titles: { '/film': long } });
  const slow = await viewerOf(t, origin);
  await slow.setup();
  slow.stopReading();
  // The answer to PLAY waits unread with the media.
  const answered = slow.play();
  const other = await played(origin, 'npt=50-');
  t.equal(other.accessUnits(0).length, 250);
  const sentBytes = origin.counters.mediaBytes;
  t.ok(sentBytes < 60e6, `${sentBytes} bytes sent, of 60 MB`);
  slow.resumeReading();
  await answered;
  await slow.ended(TIMEOUT);
  t.match(slow.continuity(), NO_BREAKS);
  t.equal(slow.accessUnits(0).length, 1500);
});

t.test('a recorder speaks of wall clock times alone', async (t) => {
  const clockStartMs = Date.UTC(2026, 0, 31, 23, 59, 58);
  const origin = await originFor(t, { clockStartMs });
  const viewer = await viewerOf(t, origin);
  t.match(viewer.description, {
    onDemand: true,
    durationSeconds: 6,
    range: { unit: 'clock', startMs: clockStartMs },
  });
  await viewer.setup();
  t.equal((await viewer.request('PLAY', viewer.url, [['Range', 'npt=0-']])).status, 501);
  const reply = await viewer.play({ range: 'clock=20260201T000001.5Z-20260201T000003Z' });
  t.same(reply.range, { unit: 'clock', startMs: clockStartMs + 3000, endMs: clockStartMs + 5000 });
  await viewer.ended(TIMEOUT);
  t.equal(viewer.accessUnits(0).length, 50);
});

t.test('media comes at the pace of its own clock', async (t) => {
  const origin = await originFor(t, { speed: 1 });
  const viewer = await played(origin, 'npt=4-');
  for (const stream of [0, 1]) {
    const { mediaSeconds, wallSeconds, mostEarlyMs } = viewer.pace(stream);
    t.ok(wallSeconds > mediaSeconds - 0.2, 'nothing is rushed');
    // A picture that others need is sent two frames before its turn; the first one may itself have come late.
    t.ok(mostEarlyMs < 300, `${mostEarlyMs} ms early`);
  }
});
