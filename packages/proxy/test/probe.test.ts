import { GstOrigin, ensureMedia, type OriginFaults, prerequisites, RigOrigin } from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { probeOrigin, type ProbeReport, suggestedRoute } from '../src/index.js';
import { film } from './scene.js';
import { never } from './origin-fakes.js';

t.jobs = 12;
t.setTimeout(180_000);

async function probed(
  t: Test,
  faults: OriginFaults,
  o: { live?: boolean; seconds?: number; signal?: AbortSignal; checks?: string[] } = {},
): Promise<ProbeReport> {
  const title = film(o.seconds ?? 40);
  const origin = await RigOrigin.start({ titles: { '/film': { title, live: o.live === true } }, faults });
  t.teardown(() => origin.close());
  try {
    return await probeOrigin({
      route: { id: 'rig', baseUrl: parseRtspUrl(`rtsp://127.0.0.1:${origin.port}/`), allowHosts: [] },
      path: '/film',
      signal: o.signal ?? never,
      onCheck: (check) => o.checks?.push(check),
    });
  } finally {
    t.equal(origin.counters.openSessions, 0, 'every session was given back');
  }
}

t.test('an origin without peculiarities', { buffered: true }, async (t) => {
  const checks: string[] = [];
  const report = await probed(t, {}, { checks });
  t.match(report, {
    server: 'forebay-rig',
    describe: { onDemand: true, durationSeconds: 40, range: 'npt=0-40', stable: true, onvifReplay: false },
    methods: ['OPTIONS', 'DESCRIBE'],
    play: {
      transport: 'tcp',
      pipelining: true,
      toldStartSeconds: 0,
      toldEndSeconds: 40,
      rtpInfo: { state: 'right' },
      senderReports: true,
    },
    repeat: 'equal',
    udp: 'works',
    keepAlive: { timeoutSeconds: 60, statuses: { OPTIONS: 200 } },
    seek: {
      works: true,
      askedSeconds: 3.2,
      toldSeconds: 3,
      foundSeconds: 3,
      startsAtKeyFrame: true,
      likeness: 'equal',
      rtpInfo: { state: 'right' },
    },
    end: { bye: true, keepsRangeEnd: true },
    sessions: { open: 4, limited: false },
    problems: [],
  });
  t.ok(report.play!.pace > 0.5 && report.play!.pace < 2, `pace ${report.play?.pace}`);
  for (const method of ['rate-control', 'speed', 'scale'] as const)
    t.match(report.fill[method], { verdict: 'no-faster', likeness: 'equal' }, method);
  t.same(suggestedRoute(report), { profile: {} });
  t.equal(checks.length, 10);
});

t.test('faster is what comes faster and is the same', { buffered: true }, async (t) => {
  const report = await probed(t, { rateControl: true, speedHeader: 'squeezed', scaleHeader: 'thinned' });
  t.match(report.fill, {
    'rate-control': { verdict: 'faster', likeness: 'equal' },
    speed: { verdict: 'unequal', likeness: 'squeezed' },
    scale: { verdict: 'unequal', likeness: 'thinned' },
  });
  t.ok(report.fill['rate-control']!.factor > 10);
  t.ok(report.fill.speed!.factor > 2, 'judged by content, whatever the timestamps say');
  t.equal(suggestedRoute(report).profile.fill, 'rate-control');
});

t.test('an echo is no speed', { buffered: true }, async (t) => {
  const report = await probed(t, {
    speedHeader: 'echoed',
    scaleHeader: 'honoured',
    statuses: { GET_PARAMETER: 501 },
  });
  t.match(report.fill, { speed: { verdict: 'no-faster' }, scale: { verdict: 'faster', likeness: 'equal' } });
  t.equal(report.keepAlive?.statuses['GET_PARAMETER'], 501);
});

t.test('an origin with every vice', { buffered: true }, async (t) => {
  const report = await probed(t, {
    transports: ['udp'],
    seek: 'pretends',
    rtpInfo: 'missing',
    bye: 'never',
    maxSessions: 2,
    pipelining: 'dropped',
    statuses: { OPTIONS: 405 },
  });
  t.match(report, {
    play: { transport: 'udp', pipelining: false, rtpInfo: { state: 'missing' } },
    udp: 'works',
    seek: { works: false },
    end: { bye: false },
    sessions: { open: 2, limited: true },
  });
  t.same(suggestedRoute(report), {
    transport: 'udp',
    maxSessions: 2,
    profile: { pipelines: false, seeks: false, keepAlive: 'GET_PARAMETER' },
  });
});

t.test('what GStreamer says of RTP-Info after a seek is found out', { buffered: true }, async (t) => {
  const { seek } = await probed(t, { rtpInfo: 'wrong', repeatParameterSets: 1, clampAudioPackets: 3 });
  t.match(seek, { works: true, likeness: 'equal', rtpInfo: { state: 'wrong' } });
  t.equal(seek?.rtpInfo.offSeconds.toFixed(1), '3.0');
});

t.test('a live stream is not asked to seek', { buffered: true }, async (t) => {
  const checks: string[] = [];
  const report = await probed(t, {}, { live: true, checks });
  t.match(report, { describe: { onDemand: false }, play: { transport: 'tcp' }, problems: [] });
  t.same([report.seek, report.end, report.fill], [undefined, undefined, {}]);
  t.same(checks, ['description', 'a play from the start', 'UDP', 'sessions at a time']);
});

t.test('what cannot be played cannot be probed', { buffered: true }, async (t) => {
  await t.rejects(probed(t, { statuses: { DESCRIBE: 404 } }), { code: 'not-found' });
  await t.rejects(probed(t, { stallAtPacket: 0 }), { code: 'origin-silent' });
});

t.test('one check that fails is named, and the others go on', { buffered: true }, async (t) => {
  const report = await probed(t, { dieAtPacket: 600 }, { seconds: 8 });
  t.ok(report.repeat !== undefined || report.problems.length > 0);
  t.ok(report.sessions);
});

t.test('whoever asked may go away', { buffered: true }, async (t) => {
  const stop = new AbortController();
  const probing = probed(t, {}, { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 1500);
  await t.rejects(probing);
});

t.test('GStreamer', { buffered: true }, async (t) => {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new Error(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const media = await ensureMedia();
  const origin = await GstOrigin.start({ media: media.folder });
  t.teardown(async () => await origin.stop());
  const report = await probeOrigin({
    route: { id: 'gst', baseUrl: parseRtspUrl(origin.url('/')), allowHosts: [] },
    path: '/h264_g1.mp4',
    signal: never,
  });
  t.match(report, {
    server: 'GStreamer RTSP server',
    describe: { onDemand: true, durationSeconds: 12, range: 'npt=now-12' },
    play: { transport: 'tcp', pipelining: true },
    repeat: 'equal',
    udp: 'works',
    seek: { works: true, foundSeconds: 3, startsAtKeyFrame: true, likeness: 'equal' },
    fill: {
      'rate-control': { verdict: 'no-faster' },
      speed: { verdict: 'unequal', likeness: 'squeezed' },
      scale: { verdict: 'unequal', likeness: 'squeezed' },
    },
    end: { bye: true, keepsRangeEnd: true },
    problems: [],
  });
});
