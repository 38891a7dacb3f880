import t from 'tap';
import { corpus, skipCorpora, withCseq } from './origin-corpora.js';
import { bench, codeOf, frames, header, isSecond, packet, setUp, until, vod } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

t.test('media goes to the channels that the origin says, whatever was asked for', async (t) => {
  const { open, sink } = await bench(
    t,
    vod({
      SETUP: (request) =>
        setUp(
          isSecond(request) ? 'RTP/AVP/TCP;interleaved=5' : 'RTP/AVP/TCP;unicast;interleaved=8-9;ssrc= 4a',
        ),
      PLAY: () => ({
        behind: Buffer.concat([frames(8, packet(1)), frames(5, packet(7, { pt: 97 })), frames(0, packet(2))]),
      }),
    }),
  );
  const session = await open();
  await until(() => session.bytesReceived > 300, 'read');
  session.start();
  t.strictSame(sink.sequences(0), [1]);
  t.strictSame(sink.sequences(1), [7]);
  t.equal(session.ssrcs[1], undefined);
  await session.close();
});

t.test('media behind the answer of a stream set up in one go is not lost', async (t) => {
  const { open, sink } = await bench(
    t,
    vod({
      PLAY: () => ({ behind: Buffer.concat([frames(2, packet(9, { pt: 97 })), frames(0, packet(1))]) }),
    }),
  );
  const session = await open();
  session.start();
  await until(() => sink.packets.length === 2, 'both streams');
  t.strictSame(sink.sequences(1), [9]);
  await session.close();
});

t.test('media before the answer to PLAY: 64 packets are kept, and delivered by start()', async (t) => {
  const many = Array.from({ length: 100 }, (_, i) => packet(i));
  const { open, sink, metric } = await bench(
    t,
    vod({ PLAY: () => ({ before: frames(0, ...many), behind: frames(0, packet(100)) }) }),
  );
  const session = await open();
  t.equal(sink.packets.length, 0, 'nothing before start()');
  session.start();
  await until(() => sink.packets.length === 65, 'the first 64 and the one behind');
  t.strictSame(sink.sequences().slice(-2), [63, 100]);
  t.equal(await metric('forebay_rejects_total', { reason: 'origin-early' }), 36);
  await session.close();
});

t.test('between the answer and start() more is kept, and then the origin has to wait', async (t) => {
  const count = 3000;
  const big = frames(0, ...Array.from({ length: count }, (_, i) => packet(i, { bytes: 1300 })));
  const { open, sink } = await bench(t, vod({ PLAY: () => ({ behind: big }) }));
  const session = await open();
  await new Promise((resolve) => setImmediate(resolve));
  await until(() => session.bytesReceived > 300_000, 'some is read');
  t.ok(session.bytesReceived < 2_000_000, `${session.bytesReceived} bytes, and no more`);
  session.start();
  await until(() => sink.packets.length === count, 'everything');
  t.strictSame(sink.sequences(), [...Array(count).keys()], 'in order');
  await session.close();
});

t.test('the second stream names another session: the first one counts', async (t) => {
  const { open, origin } = await bench(
    t,
    vod({
      SETUP: (request) => setUp(header(request, 'transport') ?? '', isSecond(request) ? '231980' : '231970'),
    }),
  );
  await (await open()).close();
  t.equal(
    header(
      origin.asked.find((a) => a.method === 'TEARDOWN'),
      'session',
    ),
    '231970',
  );
});

t.test('session identifiers and timeouts that cannot be', { skip: skipCorpora }, async (t) => {
  const files = [...corpus('bad-inputs/origin', 'H06'), ...corpus('bad-inputs/origin', 'H07')];
  t.ok(files.length > 3);
  for (const [name, bytes] of files) {
    const { open, origin } = await bench(t, vod({ SETUP: (request) => withCseq(bytes, request.cseq) }), {
      route: { timeoutMs: 300 },
    });
    const code = await codeOf(open({ streams: [0] }));
    if (name.startsWith('H07')) t.equal(code, 'ok', name);
    else t.match(code, /^(?:session|protocol)$/, name);
    if (code !== 'ok') await until(() => origin.open === 0, 'closed');
  }
  const { open } = await bench(t, vod({ SETUP: () => ({ headers: [['Transport', 'RTP/AVP/TCP']] }) }));
  t.equal(await codeOf(open()), 'session', 'none at all');
});

t.test('lies about transports', { skip: skipCorpora }, async (t) => {
  for (const [name, bytes] of corpus('bad-inputs/origin', 'H11')) {
    const { open } = await bench(t, vod({ SETUP: (request) => withCseq(bytes, request.cseq) }), {
      route: { timeoutMs: 500 },
    });
    const code = await codeOf(open({ streams: [0] }));
    const harmless = name.startsWith('H11-08');
    if (harmless) t.equal(code, 'ok', name);
    else t.match(code, /^(?:ok|transport|session|timeout)$/, name);
  }
  for (const transport of ['RTP/AVP/TCP;unicast;interleaved=0-1', 'RTP/AVP;multicast;port=5000-5001;ttl=1']) {
    const { open } = await bench(t, vod({ SETUP: () => setUp(transport) }), { route: { transport: 'tcp' } });
    t.equal(await codeOf(open()), 'transport', `${transport} for both streams`);
  }
});

t.test(
  'lies about the range and about RTP-Info are hints that are left out',
  { skip: skipCorpora },
  async (t) => {
    for (const [name, bytes] of [
      ...corpus('bad-inputs/origin', 'H12'),
      ...corpus('bad-inputs/origin', 'H13'),
    ]) {
      const { open } = await bench(t, vod({ PLAY: (request) => withCseq(bytes, request.cseq) }));
      const session = await open({ streams: [0] });
      const { range, rtpInfo, speed } = session.reply;
      const info = rtpInfo[0];
      t.ok(info?.seq === undefined || (info.seq >= 0 && info.seq < 65_536), name);
      t.ok(info?.rtptime === undefined || (info.rtptime >= 0 && info.rtptime < 2 ** 32), name);
      t.ok(range === undefined || range.unit !== 'npt' || range.end !== Infinity, name);
      t.equal(rtpInfo.length, 2);
      if (name.startsWith('H13-06')) t.equal(speed, 100);
      await session.close();
    }
  },
);

t.test('media that lies', { skip: skipCorpora }, async (t) => {
  for (const [name, bytes] of corpus('bad-inputs/origin', 'H14')) {
    const clock = new TestClock();
    const script = vod({ PLAY: (request) => withCseq(bytes, request.cseq) });
    const { open, origin, sink } = await bench(t, script, { clock });
    const session = await open({ streams: [0] });
    session.start();
    const closing = session.close();
    await origin.request('TEARDOWN');
    clock.advance(2000);
    await closing;
    t.ok(
      sink.packets.every((p) => p.bytes.length >= 12),
      name,
    );
  }
});

t.test('start-up is measured from the question to the first packet', async (t) => {
  const clock = new TestClock();
  const { open, origin, client } = await bench(t, vod({ PLAY: () => ({ behind: Buffer.alloc(0) }) }), {
    clock,
  });
  const session = await open();
  session.start();
  clock.leap(700);
  origin.peer.send(frames(0, packet(1), packet(2)));
  await until(() => client.profile.startupsMs.length === 1, 'the first packet');
  t.strictSame(client.profile.startupsMs, [700]);
  t.equal(client.profile.leadSeconds(), 1);
  await session.close();
});
