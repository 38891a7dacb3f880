import type { SegmentStore } from '@forebay/cache';
import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { findStart } from '../src/read/start.js';
import {
  between,
  described,
  flightBench,
  type FlightBench,
  inTime,
  playStretch,
  sdp,
  settle,
  spans,
} from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 60 });

const play = (b: FlightBench, from: number, to: number, packets = film): Promise<void> =>
  playStretch(b, packets, from, to);

t.test('a flight fills segments, and goes on in the open one after a pause', async (t) => {
  const b = flightBench();
  const rider = b.rider();
  b.flights.board(0, rider);
  await settle();
  await play(b, 0, 10);
  t.same(spans(b.title), [
    [0, 4],
    [4, 8],
    [8, 9.96],
  ]);
  b.flights.leave(rider);
  await b.pass(3000);
  t.equal(b.flights.count, 0, 'a flight that nobody needs ends');
  t.ok(b.last().isClosed);
  b.flights.board(9.96e6, rider);
  await settle();
  t.equal(b.last().askedSeconds, 9.76);
  b.last().send(between(film, 9, 14));
  t.same(spans(b.title), [
    [0, 4],
    [4, 8],
    [8, 12],
    [12, 13.96],
  ]);
});

t.test('a hole behind a running flight gets a flight of its own', async (t) => {
  const b = flightBench();
  b.flights.board(0, b.rider(11));
  await settle();
  await play(b, 0, 12);
  const [first] = [...b.title.row];
  b.title.row.remove(first!);
  const late = b.rider();
  b.flights.board(0, late);
  await settle();
  t.equal(b.sessions.length, 2);
  b.flights.board(b.title.row.last!.endMicros, late);
  t.equal(b.sessions.length, 2, 'at its open segment everybody rides the one that runs');
});

t.test('a start just ahead of a flight is its newest key frame, not its first', async (t) => {
  const b = flightBench();
  b.flights.board(0, b.rider(9));
  await settle();
  await play(b, 0, 10.5);
  const { title, flights } = b;
  const asked = { title, flights, targetMicros: 10.9e6, signal: new AbortController().signal };
  const start = await inTime(b, findStart({ ...asked, rider: b.rider(10.9) }));
  t.equal(start.startMicros, 10e6);
  t.equal(b.sessions.length, 1);
});

t.test('whoever waits for a flight takes what another one brought meanwhile', async (t) => {
  const b = flightBench();
  b.answer.startSeconds = 20;
  b.flights.board(20.2e6, b.rider(20));
  const { title, flights } = b;
  const asked = { title, flights, targetMicros: 20.1e6, signal: new AbortController().signal };
  const starting = findStart({ ...asked, rider: b.rider(20.1) });
  await b.pass(300);
  t.equal(b.sessions.length, 2);
  b.sessions[0]!.send(between(film, 20, 22));
  const start = await inTime(b, starting);
  t.equal(start.startMicros, 20e6);
  t.equal(b.clock.nowMs() < 3000, true, 'before the patience of the other flight is over');
});

t.test('two flights at one place: the later one ends, and rows do not run in circles', async (t) => {
  const b = flightBench();
  const [one, two] = [b.rider(20), b.rider(20)];
  b.answer.startSeconds = 20;
  b.flights.board(20.5e6, one);
  b.flights.board(20.1e6, two);
  await settle();
  const [first, second] = b.sessions;
  first!.send(between(film, 20, 20.05));
  second!.send(between(film, 20, 20.05));
  first!.send(between(film, 20.05, 25));
  second!.send(between(film, 20.05, 25));
  t.same(spans(b.title), [
    [20, 24],
    [24, 24.96],
  ]);
  await b.pass(1500);
  t.ok(second!.isClosed);
  t.notOk(first!.isClosed);
});

t.test('a flight that is held back is not silent', async (t) => {
  const b = flightBench({ description: described(sdp('npt=0-600')) });
  const long = makePackets({ seconds: 130 });
  const rider = b.rider();
  b.flights.board(0, rider);
  await settle();
  b.last().send(long);
  await b.pass(100);
  t.notOk(b.last().isReading, 'two minutes ahead are enough');
  await b.pass(20_000);
  t.equal(b.flights.count, 1);
  rider.positionMicros = 90e6;
  await b.pass(100);
  t.ok(b.last().isReading);
  t.equal(b.flights.count, 1, 'and is given time to go on');
});

t.test('an origin that has nothing behind a seam ends the title there', async (t) => {
  const b = flightBench({ description: described(sdp('npt=0-9')) });
  const rider = b.rider();
  b.flights.board(0, rider);
  await settle();
  b.last().send(between(film, 0, 8.5));
  b.flights.leave(rider);
  await b.pass(3000);
  const open = b.title.row.last!;
  b.title.row.remove(open);
  b.flights.board(8e6, rider);
  await settle();
  b.last().send(between(film, 7, 8));
  b.last().bye();
  await settle();
  t.ok(b.title.row.last?.last, 'what is held is all there is');
  const { values } = await b.shelves.metrics.seams.get();
  t.same(
    values.filter(({ value }) => value > 0),
    [],
    'and nobody saw a break',
  );
});

t.test('an origin that ends a title early, time and again, is believed', async (t) => {
  const b = flightBench();
  const rider = b.rider();
  for (let i = 0; i < 4; i++) {
    b.flights.board(b.title.row.last?.endMicros ?? 0, rider);
    await settle();
    const session = b.last();
    session.send(between(film, i === 0 ? 0 : 9, 10));
    session.bye();
    t.equal(b.title.row.last?.last, i === 3, `goodbye ${i + 1}`);
    await b.pass(5000);
  }
  t.equal(b.sessions.length, 4);
  t.equal(b.title.row.last?.meta?.last, false, 'in memory only');
});

t.test('a flight that ends while held media is being looked at harms nobody', async (t) => {
  let answer: (() => void) | undefined;
  const store: Partial<SegmentStore> = {
    segments: () => [
      {
        generation: '0'.repeat(32),
        index: 0,
        startMicros: 0,
        durationMicros: 4e6,
        byteLength: 1000,
        randomAccess: true,
        last: false,
        anchor: 1,
      },
    ],
    read: () => new Promise((resolve) => (answer = () => resolve(undefined))),
  };
  for (const end of ['close', 'abort', 'lost'] as const) {
    const b = flightBench({ store });
    const rider = b.rider(4);
    b.answer.startSeconds = 3;
    b.flights.board(4e6, rider);
    await b.pass(500);
    t.equal(b.sessions.length, 1);
    if (end === 'close') b.flights.close();
    if (end === 'abort') b.flights.leave(rider);
    if (end === 'lost') b.last().sink.closed(new OriginError('origin-closed', 'test'));
    await b.pass(3000);
    t.equal(b.flights.count, 0, end);
    answer?.();
    await settle();
    answer?.();
    await b.pass(1000);
    t.ok(b.last().isClosed);
  }
});

t.test('seeks that come fast end the flights that they leave behind', async (t) => {
  const b = flightBench({ description: described(sdp('npt=0-600')) });
  const rider = b.rider();
  for (let i = 0; i < 40; i++) {
    const boarding = b.flights.board((600 - 10 * i) * 1e6, rider);
    t.equal(boarding.kind, 'riding');
    await settle();
  }
  t.equal(b.flights.count, 2, 'the one that it rides, and the one that it came from');
  t.equal(b.sessions.filter((s) => !s.isClosed).length, 2);
});

t.test('seeks of many end in no more flights than a title may have', async (t) => {
  const b = flightBench({ description: described(sdp('npt=0-600')) });
  for (let i = 0; i < 40; i++) {
    const rider = b.rider();
    t.equal(b.flights.board((600 - 10 * i) * 1e6, rider).kind, 'riding');
    b.flights.leave(rider);
    await settle();
  }
  t.ok(b.flights.count <= 16);
  t.ok(b.sessions.filter((s) => !s.isClosed).length <= 16);
});

t.test('an origin that cannot seek passes through held media and fills the next hole', async (t) => {
  const b = flightBench();
  const rider = b.rider();
  b.title.findings.sought(true);
  b.flights.board(8e6, rider);
  await settle();
  b.last().send(between(film, 8, 13));
  b.flights.leave(rider);
  await b.pass(3000);
  b.title.row.remove(b.title.row.last!);
  t.same(spans(b.title), [[8, 12]]);
  b.title.findings.sought(false);
  b.answer.startSeconds = 0;
  b.flights.board(0, rider);
  await settle();
  await play(b, 0, 15);
  t.same(spans(b.title), [
    [0, 4],
    [4, 8],
    [8, 12],
    [12, 14.96],
  ]);
});

t.test('what RAM drops while it is on its way to the disk stays held', async (t) => {
  let admit!: () => void;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  const store: Partial<SegmentStore> = {
    segments: () => [],
    read: () => Promise.resolve(undefined),
    offer: async () => {
      await admitted;
      return { admitted: true, reason: 'free-space', victims: [] };
    },
  };
  const b = flightBench({ store, ramBytes: 60_000 });
  b.flights.board(0, b.rider());
  await settle();
  b.last().send(between(film, 0, 30));
  await b.pass(2000);
  t.equal(b.title.row.length, 8, 'all of it');
  const [first] = [...b.title.row];
  t.ok(await b.title.load(first!), 'and can be read');
  admit();
  await settle();
  t.equal(b.title.row.length, 8);
  t.ok(first?.onDisk);
});

t.test('without any shelf nothing is held but what grows', async (t) => {
  const b = flightBench({ ramBytes: 0, description: described(sdp('')) });
  b.flights.board(0, b.rider());
  await settle();
  b.last().send(between(film, 0, 30));
  await b.pass(2000);
  t.equal(b.title.row.length, 1);
});

t.test('a store that fails harms nobody', async (t) => {
  for (const store of [
    { offer: () => Promise.reject(new RangeError('test')) },
    { offer: () => Promise.resolve({ admitted: true, reason: 'free-space', victims: [] } as const) },
  ]) {
    const b = flightBench({
      store: { ...store, segments: () => [], read: () => Promise.reject(new RangeError('test')) },
    });
    if (!('read' in store)) b.title.onStoring = () => Promise.reject(new RangeError('test'));
    b.flights.board(0, b.rider());
    await settle();
    b.last().send(between(film, 0, 13));
    await b.pass(2000);
    await b.title.settled();
    t.equal(b.title.row.length, 4);
  }
});

t.test('a defect ends the flight in which it shows, and nothing else', async (t) => {
  for (const method of ['begun', 'complete'] as const) {
    const b = flightBench();
    b.flights.board(0, b.rider());
    await settle();
    b.title[method] = () => {
      throw new TypeError('test');
    };
    b.last().send(between(film, 0, 13));
    await b.pass(2000);
    t.ok(b.sessions[0]?.isClosed, method);
  }
});

/** Sends all of a stretch at once but for one packet in the middle, whose number is spent. */
function sendWithHole(b: FlightBench, from: number, to: number): void {
  const packets = between(film, from, to);
  const session = b.last();
  const at = packets.findIndex(({ stream }, i) => stream === 0 && i > packets.length / 2);
  session.send(packets.slice(0, at));
  session.skip(0);
  session.send(packets.slice(at + 1));
}

t.test('a segment that lost packets is asked for again, behind everybody’s need', async (t) => {
  const b = flightBench();
  const rider = b.rider(0);
  b.flights.board(0, rider);
  await settle();
  await play(b, 0, 4);
  sendWithHole(b, 4, 8);
  await play(b, 8, 14);
  t.same(spans(b.title).slice(0, 2), [
    [0, 4],
    [8, 12],
  ]);
  t.equal(b.sessions.length, 2, 'another session for what is missing');
  t.ok(b.last().askedSeconds! <= 4 && b.last().askedSeconds! > 2.5, `${b.last().askedSeconds}`);
  b.last().send(between(film, 3, 8.5));
  await b.pass(3000);
  t.same(spans(b.title).slice(0, 3), [
    [0, 4],
    [4, 8],
    [8, 12],
  ]);
  t.ok(b.last().isClosed, 'and that is all it was for');
});

t.test('what is lost every time stays lost, and the origin is left alone', async (t) => {
  const b = flightBench();
  b.flights.board(0, b.rider(0));
  await settle();
  await play(b, 0, 4);
  sendWithHole(b, 4, 8);
  await play(b, 8, 9);
  for (let sessions = b.sessions.length, tries = 0; tries < 10; tries++) {
    sendWithHole(b, 3, 8.5);
    await b.pass(3000);
    if (b.sessions.length === sessions) break;
    sessions = b.sessions.length;
  }
  t.ok(b.sessions.length <= 3, `${b.sessions.length} sessions`);
});
