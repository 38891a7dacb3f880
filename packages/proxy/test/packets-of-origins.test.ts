import t from 'tap';
import { between, described, flightBench, sdp, settle, spans } from './flight-bench.js';
import { AUDIO, CLOCK_RATES, type MadePacket, makePackets, VIDEO, VIDEO_RATE } from './packets.js';

const film = makePackets({ seconds: 60 });

t.test('timestamps that jump by hours are the same media going on', async (t) => {
  for (const hours of [7, -7]) {
    for (const streams of [[VIDEO], [AUDIO], [VIDEO, AUDIO]]) {
      const b = flightBench();
      b.flights.board(0, b.rider());
      await settle();
      b.last().send(between(film, 0, 6));
      b.last().send(between(film, 6, 14), (p) =>
        streams.includes(p.stream) ? hours * 3600 * CLOCK_RATES[p.stream]! : 0,
      );
      t.same(
        spans(b.title),
        [
          [0, 4],
          [4, 8],
          [8, 12],
          [12, 13.96],
        ],
        `${hours} hours in ${streams.join(' and ')}`,
      );
      const last = b.title.row.last!;
      const { run } = last.growth!.builder;
      t.ok(
        run.dueMicros.subarray(0, run.count).every((due) => due < 3e6),
        'nothing is due in the far future',
      );
    }
  }
});

t.test('a stream that is silent for long, and one that comes fast, do not jump', async (t) => {
  const sparse = film.filter((p) => p.stream === AUDIO || (p.ticks / VIDEO_RATE) % 30 < 2);
  const b = flightBench();
  b.flights.board(0, b.rider());
  await settle();
  b.last().send(sparse);
  const ends = [...b.title.row].map((held) => held.startMicros / 1e6);
  t.ok(ends.includes(30), `pictures after half a minute keep their place: ${ends.join(' ')}`);
});

t.test('numbers of packets that begin anew lose nothing', async (t) => {
  for (const sequence of [60_000, 20_000, 0]) {
    const b = flightBench();
    b.flights.board(0, b.rider());
    await settle();
    b.last().renumber(VIDEO, 40_000);
    b.last().send(between(film, 0, 2));
    b.last().renumber(VIDEO, sequence);
    b.last().send(between(film, 2, 3.5));
    const { run } = b.title.row.last!.growth!.builder;
    const video = run.streams.subarray(0, run.count).filter((s) => s === VIDEO).length;
    t.equal(video, between(film, 0, 3.5).filter((p) => p.stream === VIDEO).length, `from ${sequence}`);
    const lost = Array.from({ length: run.count }, (_, i) => run.bytes.readUInt16BE(run.offsets[i]! + 6));
    t.ok(
      lost.every((n) => n <= 1),
      'and is no hole of thousands',
    );
  }
});

t.test('a packet that comes late or twice is dropped', async (t) => {
  const b = flightBench();
  b.flights.board(0, b.rider());
  await settle();
  b.last().send(between(film, 0, 2));
  b.last().renumber(VIDEO, 90);
  const before = b.title.row.last!.growth!.builder.run.count;
  b.last().send(
    between(film, 2, 2.1)
      .filter((p) => p.stream === VIDEO)
      .slice(0, 2),
  );
  t.equal(b.title.row.last!.growth!.builder.run.count, before);
});

t.test('a title of one picture, and streams of one packet', async (t) => {
  const picture = between(film, 0, 0.01);
  const alone = [picture.find((p) => p.payload[0] === 0x65)!, picture.find((p) => p.stream === AUDIO)!];
  for (const [range, packets] of [
    ['npt=0-1', picture],
    ['npt=0-0.04', picture],
    ['npt=0-1', alone],
  ] as const) {
    const b = flightBench({ description: described(sdp(range)) });
    b.flights.board(0, b.rider());
    await settle();
    b.last().send(packets);
    b.last().bye();
    await settle();
    t.equal(b.title.row.length, 1, range);
    const [only] = [...b.title.row];
    t.ok(only?.last);
    t.equal(only?.state, 'sealed');
    t.equal(b.flights.count, 0);
  }
});

t.test('a stream whose timestamps stand still passes in the end', async (t) => {
  const b = flightBench({ description: described(sdp('')) });
  b.answer.startSeconds = 0;
  b.flights.board(0, b.rider());
  await settle();
  const still = makePackets({ seconds: 5, gopSeconds: 1 }).map((p) => ({ ...p, ticks: 0 }));
  b.last().send(still);
  t.equal(b.title.row.length, 1);
});

t.test('what the origin says of its start is not believed when it is nonsense', async (t) => {
  for (const startSeconds of [1e12, -5, Number.MAX_VALUE]) {
    const b = flightBench();
    b.answer.startSeconds = startSeconds;
    b.flights.board(20e6, b.rider(20));
    await settle();
    b.last().send(between(film, 20, 29));
    t.same(spans(b.title)[0]?.[0], 20, String(startSeconds));
  }
});

t.test('media time beyond 2^32 ticks', async (t) => {
  const startSeconds = 47_714;
  const b = flightBench({ description: described(sdp('npt=0-90000')) });
  b.flights.board(startSeconds * 1e6, b.rider(startSeconds));
  await settle();
  b.last().send(
    between(film, 0, 20).map((p) => ({ ...p, ticks: p.ticks + startSeconds * CLOCK_RATES[p.stream]! })),
  );
  t.same(spans(b.title), [
    [47_714, 47_716],
    [47_716, 47_720],
    [47_720, 47_724],
    [47_724, 47_728],
    [47_728, 47_732],
    [47_732, 47_733.96],
  ]);
  const first = await b.title.load([...b.title.row][2]!);
  t.equal(first?.segment.extents[VIDEO]?.firstTicks, 47_720 * VIDEO_RATE);
  t.ok((first?.segment.run.dueMicros.at(-1) ?? 0) < 4e6);
});

/** A description of streams that nobody expects, and packets of each of them, ten a second. */
function odd(media: readonly string[]): { text: string; packets: MadePacket[] } {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=x', 't=0 0', 'a=range:npt=0-60'];
  const rates = media.map((line) => Number(/[/](\d+)/.exec(line)?.[1]));
  media.forEach((line, i) => {
    const [kind, map] = line.split(' ');
    lines.push(`m=${kind} 0 RTP/AVP ${96 + i}`, `a=rtpmap:${96 + i} ${map}`, `a=control:${i}`);
  });
  const packets: MadePacket[] = [];
  for (let n = 0; n < 100; n++) {
    rates.forEach((rate, stream) =>
      packets.push({
        stream,
        ticks: Math.floor((n * rate) / 10),
        marker: true,
        payload: Buffer.alloc(30).fill(n, 20),
        sentSeconds: n / 10,
      }),
    );
  }
  return { text: [...lines, ''].join('\r\n'), packets };
}

t.test('titles of odd streams', async (t) => {
  for (const media of [
    ['audio L16/8000'],
    ['application vnd.onvif.metadata/90000'],
    ['audio X/1'],
    ['video UNKNOWN/90000', 'audio X/1'],
    Array.from({ length: 16 }, (_, i) => `application data${i}/1000`),
    ['video JPEG/90000', ...Array.from({ length: 15 }, () => 'audio L16/8000')],
  ]) {
    const { text, packets } = odd(media);
    const b = flightBench({ description: described(text) });
    b.flights.board(0, b.rider());
    await settle();
    for (let at = 0; at < packets.length; at += media.length) {
      b.last().send(packets.slice(at, at + media.length));
      await b.pass(100);
    }
    const starts = spans(b.title).map(([start]) => start);
    t.same(starts, [0, 4, 8], media.slice(0, 2).join(', '));
    const [first] = [...b.title.row];
    const loaded = await b.title.load(first!);
    t.ok((loaded?.segment.run.count ?? 0) >= 39 * media.length, 'nothing is missing');
  }
});

t.test('streams of which some never come', async (t) => {
  const b = flightBench();
  b.flights.board(0, b.rider());
  await settle();
  b.last().send(between(film, 0, 13).filter((p) => p.stream === VIDEO));
  await b.pass(1500);
  t.same(
    spans(b.title).map(([start]) => start),
    [0, 4, 8, 12],
  );
});
