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
