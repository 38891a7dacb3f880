import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { flightBench, type FlightBench, playStretch, settle, spans } from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 60 });

const play = (b: FlightBench, from: number, to: number, packets = film): Promise<void> =>
  playStretch(b, packets, from, to);

t.test('an origin that ends every flight at once is asked ever more seldom', async (t) => {
  const b = flightBench();
  const rider = b.rider();
  for (let i = 0; i < 300; i++) {
    b.flights.board(20e6, rider);
    await b.pass(100);
    if (!b.last().isClosed) b.last().bye();
  }
  t.ok(b.sessions.length <= 8, `${b.sessions.length} sessions in 30 s`);
});

t.test('where one place cannot be had, others are asked for at once', async (t) => {
  for (const code of ['range', 'refused', 'not-found'] as const) {
    const b = flightBench();
    const [seeker, other] = [b.rider(), b.rider()];
    b.answer.refuse = new OriginError(code, 'test');
    for (let i = 0; i < 30; i++) {
      b.flights.board(40e6, seeker);
      await b.pass(100);
    }
    t.same(b.flights.board(41e6, seeker), { kind: 'later', error: b.answer.refuse }, `${code}: near it`);
    t.equal(b.flights.outlook(40e6), 'retrying');
    t.equal(b.flights.outlook(20e6), 'none');
    delete b.answer.refuse;
    t.equal(b.flights.board(20e6, other).kind, 'riding', `${code}: elsewhere`);
    await settle();
    await play(b, 20, 26);
    t.equal(spans(b.title)[0]?.[0], 20);
    t.same(b.flights.prospects.setbacks, [40e6], 'what came elsewhere says nothing about the place');
  }
});

t.test('a title that refuses place after place is asked ever more seldom, wherever', async (t) => {
  const b = flightBench();
  let asked = 0;
  Object.defineProperty(b.answer, 'refuse', {
    get: () => {
      asked++;
      return new OriginError('refused', 'test');
    },
  });
  for (let i = 0; i < 300; i++) {
    b.flights.board((i % 5) * 10e6, b.rider());
    await b.pass(100);
  }
  t.ok(asked <= 10, `${asked} times in 30 s`);
});

t.test('an origin that refuses every session is asked ever more seldom', async (t) => {
  const b = flightBench();
  let asked = 0;
  Object.defineProperty(b.answer, 'refuse', {
    get: () => {
      asked++;
      return new OriginError('busy', 'test');
    },
  });
  for (let i = 0; i < 300; i++) {
    b.flights.board(20e6, b.rider());
    await b.pass(100);
  }
  t.ok(asked <= 8, `${asked} tries in 30 s`);
});
