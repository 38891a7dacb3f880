import { parseTransport } from '@forebay/rtsp';
import { type Body, Ear, everyPath, freeRange, setUpUdp } from './viewer-ears.js';
import { report, sessionOf } from './viewer-player.js';
import { until } from './viewer-rig.js';

everyPath('UDP ports are limited, given back, and never our own', async (t, run) => {
  const first = await freeRange(2);
  await run({ udpPorts: { first, last: first + 3 } }, async ({ connect, url, metric, server }) => {
    const viewer = await connect();
    const ear = await Ear.open(t);
    const sessions: string[] = [];
    const ports: number[] = [];
    for (;;) {
      const setup = await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: ear.transport });
      if (setup.status === 453) break;
      t.equal(setup.status, 200);
      sessions.push(sessionOf(setup));
      ports.push(parseTransport(setup.headers.get('Transport')!, 'origin')[0]!.serverPort![0]);
    }
    t.ok(sessions.length <= 2, 'no more than the range holds');
    t.ok(ports.every((port) => port >= first && port < first + 3 && port % 2 === 0));
    t.equal(await metric('rejects_total', { reason: 'udp-ports' }), 1);
    t.equal(server.sessions, sessions.length, 'the refused one left nothing');
    if (sessions.length > 0) {
      const loop = `RTP/AVP;unicast;client_port=${ports[0]}-${ports[0]! + 1}`;
      t.equal((await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: loop })).status, 461);
      t.equal(await metric('rejects_total', { reason: 'port' }), 1);
      await viewer.request('TEARDOWN', url('/vod/one'), { Session: sessions[0]! });
      const setup = await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: ear.transport });
      t.equal(setup.status, 200);
    }
  });
});

everyPath('what comes from another address than the viewer’s is nothing', async (t, run) => {
  await run({}, async ({ connect, url, library, metric, clock }) => {
    const ear = await Ear.open(t);
    const stranger = await Ear.open(t, '127.0.0.2');
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    stranger.rtp.send(Buffer.alloc(20), ports[0], '127.0.0.1');
    stranger.rtcp.send(
      report(library.reader.timeline.ssrc(0), { lost: 9, jitterTicks: 0 }),
      ports[1],
      '127.0.0.1',
    );
    await until(async () => (await metric('rejects_total', { reason: 'foreign-address' })) === 2);
    t.equal(await metric('viewer_packets_lost_total', {}), 0);
    library.reader.emit([{ stream: 0 }]);
    await until(() => ear.media.length === 1);
    t.equal(stranger.media.length, 0, 'nobody takes a stream over');
    for (let i = 0; i < 16; i++) clock.advance(1000);
    t.equal(library.reader.state, 'paused', 'nor keeps it alive');
  });
});

everyPath(
  'the real ports of a viewer behind a translator are learned once, before its first report',
  async (t, run) => {
    await run({}, async ({ connect, url, library, metric }) => {
      const announced = await Ear.open(t);
      const real = await Ear.open(t);
      const late = await Ear.open(t);
      const viewer = await connect();
      const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), announced);
      const punch = async (ear: Ear, count: number): Promise<void> => {
        ear.rtp.send(Buffer.from('80000000', 'hex'), ports[0], '127.0.0.1');
        ear.rtcp.send(Buffer.from('no report'), ports[1], '127.0.0.1');
        await until(async () => (await metric('rejects_total', { reason: 'bad-report' })) === count);
      };
      await punch(real, 1);
      await punch(late, 2);
      await viewer.request('PLAY', url('/vod/one'), { Session });
      library.reader.emit([{ stream: 0 }]);
      await until(() => real.media.length === 1 && real.reports.length === 1);
      t.equal(announced.media.length + late.media.length, 0);
    });
  },
);

const lastWords =
  (isReporting: boolean): Body =>
  async (t, run) => {
    await run({}, async ({ connect, url, library, metric }) => {
      const [ear, stray, stranger] = [await Ear.open(t), await Ear.open(t), await Ear.open(t, '127.0.0.2')];
      const viewer = await connect();
      const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
      await viewer.request('PLAY', url('/vod/one'), { Session });
      const { timeline } = library.reader;
      const [ours, elsewhere] = [timeline.ssrc(0), (timeline.ssrc(0) ^ 1) >>> 0];
      const tell = (by: Ear, ssrc: number, lost: number): void =>
        by.rtcp.send(report(ssrc, { lost, jitterTicks: 0 }), ports[1], '127.0.0.1');
      const lost = async (count: number): Promise<void> =>
        await until(async () => (await metric('viewer_packets_lost_total', {})) === count);
      const punch = (by: Ear): void => by.rtp.send(Buffer.from('80000000', 'hex'), ports[0], '127.0.0.1');
      if (isReporting) {
        punch(stray);
        stray.rtcp.send(Buffer.from('no report'), ports[1], '127.0.0.1');
        punch(ear);
        tell(ear, ours, 3);
        await lost(3);
      }
      tell(stray, elsewhere, 7);
      if (isReporting) tell(stray, ours, 4);
      stranger.rtcp.send(Buffer.alloc(8), ports[1], '127.0.0.1');
      await until(async () => (await metric('rejects_total', { reason: 'foreign-address' })) === 1);
      library.reader.emit([{ stream: 0 }]);
      library.reader.options.sink.ended('end');
      await until(() => ear.media.length === 1 && ear.reports.length >= 2);
      t.equal(stray.media.length, 0, 'media goes where the viewer is');
      t.equal(stray.reports.length, 0, 'and so does its end');
    });
  };
everyPath('reports on streams of an earlier session teach no ports', lastWords(false));
everyPath(
  'the port that was announced, and reports on our streams, correct what strays taught',
  lastWords(true),
);
