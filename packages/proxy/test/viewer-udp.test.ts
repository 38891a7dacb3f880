import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { constants } from 'node:os';
import { NativeSender } from '../src/viewer/native-sender.js';
import { Ear, everyIpv6Path, everyPath, setUpUdp } from './viewer-ears.js';
import { FIRST_TIMESTAMP } from './viewer-fakes.js';
import { compound, report, senderReport, TestViewer } from './viewer-player.js';
import { until } from './viewer-rig.js';

everyPath(
  'media and reports go to the viewer’s UDP ports, from the ports that were announced',
  async (t, run) => {
    await run({}, async ({ connect, url, library, server, lines }) => {
      const ear = await Ear.open(t);
      const viewer = await connect();
      const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
      t.equal(ports[0] % 2, 0);
      t.equal(ports[1], ports[0] + 1);
      await viewer.request('PLAY', url('/vod/one'), { Session });
      await until(() => ear.reports.length === 1);
      t.equal(library.reader.options.transport, 'udp');
      t.equal(
        library.reader.emit([{ stream: 0, bytes: 500, ticks: 10 }, { stream: 0 }, { stream: 0 }]),
        512 + 112 + 112,
      );
      await until(() => ear.media.length === 3);
      const [first] = ear.media;
      t.match(first?.from, { address: '127.0.0.1', port: ports[0] });
      t.equal(first?.bytes.length, 512);
      t.equal(first?.bytes.readUInt32BE(4), (FIRST_TIMESTAMP + 10) >>> 0);
      t.equal(first?.bytes.readUInt32BE(8), library.reader.timeline.ssrc(0));
      t.same(
        ear.media.map(({ bytes }) => bytes.readUInt16BE(2)),
        [65530, 65531, 65532],
      );
      t.equal(ear.reports[0]?.from.port, ports[1]);
      library.reader.options.sink.ended('end');
      await until(() => ear.reports.length === 2);
      t.same(
        compound(ear.reports[1]!.bytes).map((packet) => packet.type),
        ['sr', 'sdes', 'bye'],
      );
      t.equal(senderReport(ear.reports[1]?.bytes).packetCount, 3);
      await viewer.request('TEARDOWN', url('/vod/one'), { Session });
      t.equal(server.sessions, 0);
      t.match(lines.find((line) => line.message === 'viewer session ended')?.fields, { transport: 'udp' });
      const again = createSocket('udp4');
      again.bind(ports[0], '127.0.0.1');
      await once(again, 'listening');
      again.close();
      t.pass('the ports are free again');
    });
  },
);

everyPath('the end is told three times, until the viewer plays again', async (t, run) => {
  await run({}, async ({ connect, url, library, clock }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    const byes = (): number =>
      ear.reports.filter(({ bytes }) => compound(bytes).some(({ type }) => type === 'bye')).length;
    const play = async (): Promise<void> => {
      await viewer.request('PLAY', url('/vod/one'), { Session, Range: 'npt=0-' });
    };
    await play();
    library.reader.options.sink.ended('end');
    for (let i = 0; i < 8; i++) clock.advance(500);
    await until(() => byes() === 3);
    await play();
    library.reader.options.sink.ended('end');
    await until(() => byes() === 4);
    await play();
    for (let i = 0; i < 8; i++) clock.advance(500);
    t.equal(byes(), 4);
  });
});

everyPath(
  'a UDP session outlives its connection, falls silent with its viewer and speaks when it is back',
  async (t, run) => {
    await run({}, async ({ connect, url, library, clock, server, metric }) => {
      const ear = await Ear.open(t);
      const viewer = await connect();
      const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
      await viewer.request('PLAY', url('/vod/one'), { Session });
      viewer.socket.end();
      await viewer.closed();
      await until(() => server.connections === 0);
      t.equal(server.sessions, 1);
      for (let i = 0; i < 16; i++) clock.advance(1000);
      t.equal(library.reader.state, 'paused', 'after 15 s of silence nothing is sent');
      t.equal(await metric('rejects_total', { reason: 'silent' }), 1);
      ear.rtcp.send(
        report(library.reader.timeline.ssrc(0), { lost: 0, jitterTicks: 0 }),
        ports[1],
        '127.0.0.1',
      );
      await until(() => library.reader.state === 'playing');
      t.equal(await metric('viewer_sessions', { state: 'playing' }), 1);
      for (let i = 0; i < 34; i++) clock.advance(1000);
      t.equal(library.reader.state, 'playing', 'a player that has reported has until its keep-alive');
      for (let i = 0; i < 2; i++) clock.advance(1000);
      t.equal(library.reader.state, 'paused');

      const second = await connect();
      t.equal((await second.request('PAUSE', url('/vod/one'), { Session })).status, 200);
      for (let i = 0; i < 60; i++) clock.advance(1000);
      t.equal(server.sessions, 1, 'the timeout announced is kept');
      for (let i = 0; i < 6; i++) clock.advance(1000);
      await until(() => server.sessions === 0);
      t.equal(await metric('rejects_total', { reason: 'session-timeout' }), 1);
      t.equal(library.reader.state, 'closed');
    });
  },
);

everyPath('reports keep a UDP session playing as long as they come', async (t, run) => {
  await run({}, async ({ connect, url, library, clock, server, metric }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    const ssrc = library.reader.timeline.ssrc(0);
    for (let round = 0; round < 15; round++) {
      for (let i = 0; i < 10; i++) clock.advance(1000);
      ear.rtcp.send(report(ssrc, { lost: round + 1, jitterTicks: 0 }), ports[1], '127.0.0.1');
      await until(async () => (await metric('viewer_packets_lost_total', {})) === round + 1);
    }
    t.equal(library.reader.state, 'playing');
    t.equal(server.sessions, 1);
  });
});

everyPath('a process that stood still takes nobody’s time', async (t, run) => {
  await run({}, async ({ connect, url, clock, server, library }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    clock.leap(600_000);
    clock.advance(1000);
    t.equal(library.reader.state, 'playing');
    t.equal(server.sessions, 1);
  });
});

everyIpv6Path('an IPv4 viewer of a socket for both families gets IPv4', async (t, run) => {
  await run({}, async ({ url, library, server }) => {
    const { port } = await server.listen('::', 0);
    const ear = await Ear.open(t);
    const viewer = await TestViewer.connect(port);
    const { Session } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    t.equal(library.reader.options.viewerAddress, '127.0.0.1');
    library.reader.emit([{ stream: 0 }]);
    await until(() => ear.media.length === 1);
    viewer.socket.destroy();
  });
});

everyIpv6Path('an IPv6 viewer gets IPv6', async (t, run) => {
  await run({}, async ({ library, server }) => {
    const { port } = await server.listen('::1', 0);
    const ear = await Ear.open(t, '::1');
    const viewer = await TestViewer.connect(port, '::1');
    const { Session } = await setUpUdp(viewer, `rtsp://[::1]:${port}/vod/one/trackID=0`, ear);
    await viewer.request('PLAY', `rtsp://[::1]:${port}/vod/one`, { Session });
    library.reader.emit([{ stream: 0 }]);
    await until(() => ear.media.length === 1);
    viewer.socket.destroy();
  });
});

everyPath('a session whose viewer cannot be reached ends after some seconds', async (t, run, path) => {
  let code: 'EMSGSIZE' | 'ENETUNREACH' = 'EMSGSIZE';
  const failing = { addressOf: () => 0, send: () => -constants.errno[code] };
  const options =
    path === 'native' ? { sender: new NativeSender(failing, () => t.fail('left to dgram')) } : {};
  await run(options, async ({ connect, url, library, clock, server, metric }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    const original = Object.getOwnPropertyDescriptor(Socket.prototype, 'send');
    t.teardown(() => Object.defineProperty(Socket.prototype, 'send', original ?? {}));
    // As node:dgram does: an error without a callback is told to nobody.
    Socket.prototype.send = function fail(...given: unknown[]): void {
      const callback = given.at(-1);
      if (typeof callback === 'function') callback(Object.assign(new Error('not sent'), { code }));
    };
    const emit = async (): Promise<void> => {
      library.reader.emit([{ stream: 0 }]);
      // The native path says so a little later.
      await Promise.resolve();
    };
    for (let i = 0; i < 6; i++) {
      await emit();
      clock.advance(1000);
    }
    t.equal(server.sessions, 1, 'packets too long are no broken way');
    code = 'ENETUNREACH';
    for (let i = 0; i < 4; i++) {
      t.equal(server.sessions, 1);
      await emit();
      clock.advance(1000);
    }
    await emit();
    t.equal(server.sessions, 0);
    t.equal(await metric('rejects_total', { reason: 'unreachable' }), 1);
  });
});
