import t from 'tap';
import type { Timeline } from '../src/read/timeline.js';
import { fakeRun } from './viewer-fakes.js';
import { play, setUpBoth, TCP } from './viewer-player.js';
import { until, withRig } from './viewer-rig.js';

t.test('a seek that comes to nothing leaves the viewer where it was', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=10-' });
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=99-' })).status, 457);
    t.equal(library.reader.state, 'playing');
    t.same(
      library.reader.calls.slice(-2),
      ['play -', 'start'],
      'an impossible range: it goes on without a gap',
    );
    library.playError = Object.assign(new Error('origin down'), { status: 504 });
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=40-' })).status, 504);
    t.equal(library.reader.state, 'playing');
    t.equal(
      library.reader.calls.at(-2),
      'play {"unit":"npt","start":12}',
      'an origin that fails: from where it was',
    );
  });
});

t.test('a defect of ours costs the viewer its connection, and the proxy nothing', async (t) => {
  await withRig({}, async ({ connect, url, lines }) => {
    const viewer = await connect();
    t.equal((await viewer.request('DESCRIBE', url('/bug'))).status, 500);
    await viewer.closed();
    t.ok(lines.some((line) => line.level === 'error' && line.message === 'request could not be answered'));
    t.equal((await (await connect()).request('DESCRIBE', url('/vod/a'))).status, 200);
  });
});

t.test('pipelined requests are answered in their order, whatever each waits for', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const slow = viewer.send('DESCRIBE', url('/slow'));
    const others = Array.from({ length: 99 }, (_, i) =>
      viewer.send('OPTIONS', i % 2 === 0 ? '*' : url('/vod/a')),
    );
    await until(() => library.asked.length > 0);
    t.equal(viewer.responses.length, 0, 'nothing overtakes the first');
    library.release();
    await viewer.answer(others.at(-1)!);
    t.same(
      viewer.responses.slice(0, 100).map((response) => response.cseq),
      [slow, ...others],
    );
  });
});

t.test('a request that waits for the origin is given up with its viewer', async (t) => {
  await withRig({}, async ({ connect, url, library, server }) => {
    const viewer = await connect();
    viewer.send('SETUP', url('/slow/trackID=0'), { Transport: TCP });
    await until(() => library.asked.length > 0);
    viewer.socket.resetAndDestroy();
    await until(() => library.aborted.length > 0);
    library.release();
    t.equal(server.sessions, 0);
  });
});

t.test('what a viewer asked before its FIN is answered', async (t) => {
  await withRig({}, async ({ connect, url }) => {
    const viewer = await connect();
    const cseqs = [viewer.send('OPTIONS', '*'), viewer.send('DESCRIBE', url('/vod/a'))];
    viewer.socket.end();
    await viewer.closed();
    t.same(
      viewer.responses.map((response) => response.cseq),
      cseqs,
    );
  });
});

t.test(
  'a session is found again from another connection of the same address, and from no other',
  async (t) => {
    await withRig({}, async ({ connect, url, library, server, metric }) => {
      const first = await connect();
      const at = url('/vod/a');
      const Session = await setUpBoth(first, at);
      await first.request('PLAY', at, { Session });

      const thief = await connect('127.0.0.2');
      for (const method of ['PLAY', 'PAUSE', 'TEARDOWN', 'SET_PARAMETER', 'GET_PARAMETER', 'OPTIONS']) {
        t.equal((await thief.request(method, at, { Session })).status, 454, `${method} by another address`);
      }
      const setup = await thief.request('SETUP', `${at}/trackID=0`, { Session, Transport: TCP });
      t.equal(setup.status, 454);
      t.equal(library.reader.state, 'playing', 'the session is not disturbed');
      t.equal(await metric('rejects_total', { reason: 'foreign-session' }), 7);

      const second = await connect();
      t.equal((await second.request('PAUSE', at, { Session })).status, 200);
      t.equal(library.reader.state, 'paused');
      t.equal((await second.request('PLAY', at, { Session })).status, 200);
      library.reader.emit([{ stream: 0 }]);
      await first.until(() => first.frames(0).length === 1);
      t.equal(second.frames(0).length, 0, 'media stays where it was set up');
      t.equal((await second.request('TEARDOWN', at, { Session })).status, 200);
      t.equal(server.sessions, 0);
    });
  },
);

t.test('TEARDOWN from another connection ends a PLAY that waits', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const first = await connect();
    const Session = await setUpBoth(first, url('/vod/a'));
    let open: (() => void) | undefined;
    library.playGate = new Promise((resolve) => {
      open = resolve;
    });
    const waiting = first.send('PLAY', url('/vod/a'), { Session });
    await until(() => library.readers.length > 0);
    const second = await connect();
    t.equal((await second.request('TEARDOWN', url('/vod/a'), { Session })).status, 200);
    open?.();
    t.equal((await first.answer(waiting)).status, 454);
    t.same(library.reader.calls, ['play -', 'close']);
  });
});

t.test('draining takes nobody new and waits for those who play', async (t) => {
  await withRig({ realTime: true }, async ({ connect, url, server, library }) => {
    const idle = await connect();
    await idle.request('OPTIONS', '*');
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session });
    const drained = server.drain(60_000);
    await idle.closed();
    t.equal((await viewer.request('SETUP', url('/vod/one'), { Transport: 'RTP/AVP/TCP' })).status, 503);
    t.equal(library.reader.state, 'playing');
    await viewer.request('TEARDOWN', url('/vod/a'), { Session });
    await drained;
    await viewer.closed();
    t.equal(server.sessions, 0);
  });
});

t.test('draining ends after its time, with a BYE for those who still play', async (t) => {
  await withRig({ realTime: true }, async ({ connect, url, server, library }) => {
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session });
    const before = viewer.frames(1).length;
    await server.drain(10);
    await viewer.closed();
    t.equal(viewer.frames(1).length, before + 1);
    t.equal(library.reader.state, 'closed');
  });
});

t.test('sessions come and go without a trace', async (t) => {
  await withRig(
    { limits: { requestsPerSecond: 1e6, requestBurst: 1e6 } },
    async ({ connect, url, server, library, metric, clock }) => {
      const timers = clock.timers;
      for (let round = 0; round < 20; round++) {
        const viewers = await Promise.all(Array.from({ length: 10 }, () => connect()));
        await Promise.all(
          viewers.map(async (viewer, i) => {
            const Session = await setUpBoth(viewer, url('/vod/a'));
            await viewer.request('PLAY', url('/vod/a'), { Session });
            if (i % 3 === 0) await viewer.request('TEARDOWN', url('/vod/a'), { Session });
            if (i % 3 === 1) viewer.socket.resetAndDestroy();
            else viewer.socket.end();
          }),
        );
        await until(() => server.connections === 0);
      }
      t.equal(server.sessions, 0);
      t.equal(library.readers.length, 200);
      t.ok(library.readers.every((reader) => reader.state === 'closed'));
      t.equal(clock.timers, timers, 'no timer is left');
      t.equal(await metric('viewer_connections', {}), 0);
      t.equal(await metric('viewer_sessions', { state: 'ready' }), 0);
      t.equal(await metric('viewer_sessions', { state: 'playing' }), 0);
    },
  );
});
t.test('a TCP session lives as long as its connection, however silent the viewer', async (t) => {
  await withRig({}, async ({ connect, url, library, clock, server }) => {
    const viewer = await connect();
    const Session = await play(viewer, url('/vod/a'));
    for (let i = 0; i < 600; i++) clock.advance(1000);
    t.equal(library.reader.state, 'playing');
    await viewer.request('PAUSE', url('/vod/a'), { Session });
    for (let i = 0; i < 600; i++) clock.advance(1000);
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session })).status, 200);
    viewer.socket.resetAndDestroy();
    await until(() => server.sessions === 0);
    t.equal(library.reader.state, 'closed', 'and ends with it at once');
  });
});

t.test('a session that is never played is freed', async (t) => {
  await withRig({}, async ({ connect, url, clock, server, metric }) => {
    const viewer = await connect();
    await setUpBoth(viewer, url('/vod/a'));
    for (let i = 0; i < 29; i++) clock.advance(1000);
    t.equal(server.sessions, 1);
    for (let i = 0; i < 3; i++) clock.advance(1000);
    t.equal(server.sessions, 0);
    t.equal(await metric('rejects_total', { reason: 'unplayed' }), 1);
    t.equal((await viewer.request('OPTIONS', '*')).status, 200);
  });
});

t.test(
  'connections that say nothing, or never finish saying it, are closed within ten seconds',
  async (t) => {
    await withRig({}, async ({ connect, url, clock, server, metric }) => {
      const mute = await connect();
      const slow = await connect();
      const short = await connect();
      const frame = await connect();
      const idle = await connect();
      await until(() => server.connections === 5);
      slow.socket.write('OPTIONS * RTSP/1.0\r\n');
      short.socket.write('SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 100\r\n\r\nabc');
      frame.socket.write(Buffer.from([0x24, 0, 0xff, 0xff, 1, 2, 3]));
      await idle.request('OPTIONS', url('/'));
      for (let i = 0; i < 10; i++) {
        slow.socket.write('X');
        await idle.request('OPTIONS', '*');
        clock.advance(1000);
      }
      for (const viewer of [mute, slow, short, frame]) await viewer.closed();
      await idle.request('OPTIONS', '*');
      t.same(
        [mute, slow, short, frame].map((viewer) => viewer.responses.map((response) => response.status)),
        [[], [408], [408], [408]],
      );
      t.equal(await metric('rejects_total', { reason: 'unfinished-request' }), 3);
      t.equal(server.connections, 1);
      for (let i = 0; i < 61; i++) clock.advance(1000);
      await idle.closed();
      t.equal(await metric('rejects_total', { reason: 'idle' }), 2);
    });
  },
);

t.test('a defect on the media path ends that session and no other', async (t) => {
  await withRig({}, async ({ connect, url, library, lines, server }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    const neighbour = await connect();
    await play(neighbour, url('/vod/a'));
    const { sink } = library.readers[0]!.options;
    const timeline = Object.assign(Object.create(null), {
      stamp: () => {
        throw new Error('a defect');
      },
    }) as Timeline;
    t.equal(sink.send(fakeRun([{ stream: 0 }]), 0, 1, timeline), 0);
    t.equal(server.sessions, 1);
    t.match(lines.find((line) => line.message === 'viewer session ended')?.fields, { reason: 'defect' });
    library.reader.emit([{ stream: 0 }]);
    await neighbour.until(() => neighbour.frames(0).length === 1);
  });
});

t.test('answers wait for a viewer that does not read them, and nobody else does', async (t) => {
  const limits = { requestsPerSecond: 1e6, requestBurst: 1e6, pendingBytes: 1000 };
  await withRig({ limits }, async ({ connect, url, server, library, metric, clock }) => {
    const viewer = await connect();
    viewer.socket.pause();
    // The kernel takes some megabytes of answers before the first one waits.
    for (let sent = 0; (await metric('rejects_total', { reason: 'unread' })) === 0; sent++) {
      viewer.send('DESCRIBE', url('/vod/big'));
      if (sent % 5 === 0) await new Promise((resolve) => void setImmediate(resolve));
    }
    t.ok(library.asked.length > 0);
    const neighbour = await connect();
    t.equal((await neighbour.request('OPTIONS', '*')).status, 200);
    for (let i = 0; i < 12; i++) clock.advance(1000);
    await until(() => server.connections === 1);
    t.equal(await metric('rejects_total', { reason: 'stalled' }), 1);
  });
});

t.test('a viewer that leaves while it waits its turn leaves nothing behind', async (t) => {
  await withRig(
    { limits: { requestsPerSecond: 1, requestBurst: 1 } },
    async ({ connect, clock, lines, server }) => {
      const viewer = await connect();
      const first = viewer.send('OPTIONS', '*');
      viewer.send('OPTIONS', '*');
      await viewer.answer(first);
      viewer.socket.resetAndDestroy();
      await until(() => server.connections === 0);
      clock.advance(2000);
      await new Promise((resolve) => void setImmediate(resolve));
      t.same(
        lines.filter((line) => line.level === 'error'),
        [],
      );
    },
  );
});
