import type { SegmentStore } from '@forebay/cache';
import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { between, described, flightBench, sdp, settle } from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 60 });

t.test('live pulls are placed by the wall clock, and never joined', async (t) => {
  const b = flightBench({ description: described(sdp('')) });
  const rider = b.rider();
  b.flights.board(0, rider);
  await settle();
  const startMicros = Math.round(b.clock.unixMs() * 1000);
  b.last().send(between(film, 20, 25));
  const first = b.title.row.first!;
  t.equal(first.startMicros, startMicros, 'where it begins');
  t.equal(b.last().askedSeconds, undefined, 'no range');
  b.last().sink.closed(new OriginError('origin-closed', 'test'));
  await b.pass(1000);
  const end = b.title.row.last!;
  t.equal(Math.round((end.endMicros - startMicros) / 1e4), 500);
  b.flights.board(0, rider);
  await settle();
  b.last().send(between(film, 40, 45));
  const next = b.title.row.firstFrom(end.endMicros, end)!;
  t.ok(
    next.startMicros >= end.endMicros + 8000,
    'behind what it brought, though the clock has not got there',
  );
  t.equal(b.title.row.following(end), undefined, 'nobody takes the two for one');
  b.last().sink.closed(new OriginError('origin-closed', 'test'));
  await b.pass(20_000);
  b.flights.board(0, rider);
  await settle();
  b.last().send(between(film, 50, 52));
  const third = b.title.row.last!;
  t.equal(third.startMicros, Math.round(b.clock.unixMs() * 1000), 'what was missed is a hole of its length');
  t.equal(b.title.row.first, first);
  await b.pass(15_000);
  t.not(b.title.row.first, first, 'what has passed leaves');
  await b.pass(30_000);
  t.equal(b.title.row.length, 0);
});

t.test('a live pull ends some time after its last viewer left', async (t) => {
  const b = flightBench({ description: described(sdp('')) });
  const rider = b.rider();
  b.flights.board(0, rider);
  await settle();
  let sent = 0;
  const pass = async (seconds: number): Promise<void> => {
    for (const until = sent + seconds; sent < until; sent++) {
      b.last().send(between(film, sent, sent + 1));
      await b.pass(1000);
    }
  };
  b.flights.leave(rider);
  await pass(9);
  t.notOk(b.last().isClosed);
  const other = b.rider();
  b.flights.board(0, other);
  await pass(5);
  t.notOk(b.last().isClosed, 'another one came');
  b.flights.leave(other);
  await pass(11);
  t.ok(b.last().isClosed);
  t.equal(b.sessions.length, 1);
});

t.test('an origin of live media is tried again twice a second', async (t) => {
  const b = flightBench({ description: described(sdp('')) });
  const rider = b.rider();
  let tries = 0;
  b.client.open = () => {
    tries++;
    return Promise.reject(new OriginError('unreachable', 'test'));
  };
  for (let ms = 0; ms < 30_000; ms += 100) {
    b.flights.board(0, rider);
    await b.pass(100);
  }
  t.ok(tries >= 50, `${tries} in 30 s`);
  t.ok(tries <= 65, `${tries} in 30 s`);
});

t.test('a window is given up when the wall clock was set back', async (t) => {
  const kept: [number, number][] = [];
  const store: Partial<SegmentStore> = {
    segments: () => [],
    offer: () => Promise.resolve({ admitted: true, reason: 'window', victims: [] }),
    keepWindow: (_generation, fromMicros, toMicros) => void kept.push([fromMicros, toMicros]),
  };
  const b = flightBench({ description: described(sdp('')), store, windowSeconds: 600 });
  const pull = async (from: number): Promise<void> => {
    b.flights.board(0, b.rider());
    await settle();
    b.last().send(between(film, from, from + 6));
    b.last().sink.closed(new OriginError('origin-closed', 'test'));
    await b.pass(10_000);
  };
  await pull(0);
  const zeroMicros = b.title.liveTime?.zeroMicros;
  await pull(20);
  t.equal(b.title.liveTime?.zeroMicros, zeroMicros);
  t.ok(b.title.row.length >= 4, 'two pulls in one window');
  t.ok([...b.title.row].every(({ onDisk }) => onDisk));
  const before = [...b.title.row];
  const now = b.clock.unixMs.bind(b.clock);
  b.clock.unixMs = () => now() - 30_000;
  await pull(30);
  t.equal(b.title.row.first, before[0], 'by less than a minute: the next pull begins behind the last');
  t.ok(b.title.row.last!.startMicros > before.at(-1)!.endMicros);
  b.clock.unixMs = () => now() - 3_600_000;
  await pull(40);
  t.ok(b.title.row.last!.endMicros < before[0]!.startMicros, 'nothing of the old time is left');
  t.same(kept, [[Infinity, Infinity]], 'on disk neither');
  t.equal(b.title.liveTime?.zeroMicros, b.title.row.first!.startMicros, 'NPT begins anew');
});
