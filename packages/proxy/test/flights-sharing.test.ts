import t from 'tap';
import type { Rider } from '../src/fill/flights.js';
import { standingAfter } from '../src/fill/standing.js';
import { between, described, flightBench, type FlightBench, sdp, settle, spans } from './flight-bench.js';
import { type MadePacket, makePackets } from './packets.js';

const film = makePackets({ seconds: 60 });
const long = { description: described(sdp('npt=0-600')) };

/** Somebody waits in line for a session of the origin. */
function crowd(b: FlightBench, waiting: number): void {
  Object.assign(b.client.sessions, { waiting });
}

t.test(
  'while others wait, a flight far ahead of its riders gives its session back and comes back in time',
  async (t) => {
    const b = flightBench(long);
    const [near, far] = [b.rider(0), b.rider(10)];
    b.flights.board(0, near);
    b.flights.board(0, far);
    await settle();
    b.client.profile.seeks = true;
    b.last().send(between(film, 0, 18));
    crowd(b, 1);
    await b.pass(500);
    t.notOk(b.last().isClosed, 'not while a rider needs it soon');
    far.positionMicros = 2e6;
    await b.pass(200);
    t.ok(b.last().isClosed);
    t.equal(b.flights.outlook(18e6), 'none');
    t.equal(
      b.flights.board(b.title.row.last!.endMicros, far).kind,
      'riding',
      'no fault: it may be asked again at once',
    );
    await settle();
    t.equal(b.sessions.length, 2);
  },
);

t.test('while others wait, a flight that nobody rides ends at once', async (t) => {
  const b = flightBench(long);
  const rider = b.rider(0);
  b.flights.board(0, rider);
  await settle();
  b.flights.leave(rider);
  await b.pass(500);
  t.notOk(b.last().isClosed, 'somebody may come back');
  crowd(b, 1);
  await b.pass(100);
  t.ok(b.last().isClosed);
});

t.test('a flight is held back when it is far ahead in bytes', async (t) => {
  const b = flightBench(long);
  const rider = b.rider(0);
  b.flights.board(0, rider);
  await settle();
  const ballast = Buffer.alloc(20_000);
  const heavy = makePackets({ seconds: 40, audio: false }).map((p) => ({
    ...p,
    payload: Buffer.concat([p.payload, ballast]),
  }));
  let at = 0;
  for (; at < 40 && b.last().isReading; at += 1) {
    b.last().send(between(heavy, at, at + 1));
    await b.pass(100);
  }
  t.notOk(b.last().isReading);
  t.ok(at < 30, `after ${at} s`);
  rider.positionMicros = (at - 2) * 1e6;
  await b.pass(100);
  t.ok(b.last().isReading, 'and goes on as its rider comes nearer');
});

t.test(
  'a lead that was too short is learned from; a wait in line and a fault teach nothing about it',
  async (t) => {
    const b = flightBench(long);
    const rider = b.rider(0);
    const lead = (): number => b.client.profile.leadSeconds();
    const before = lead();
    rider.positionMicros = 20e6 - b.title.leadSeconds() * 1e6;
    b.flights.board(20e6, rider);
    await settle();
    rider.positionMicros = 21.5e6;
    b.last().send(between(film, 20, 21));
    t.ok(lead() >= before + 1.5, `${lead()} s after ${before} s`);
    b.flights.close();

    const late = flightBench(long);
    const unlucky = late.rider(19.9);
    late.flights.board(20e6, unlucky);
    await settle();
    unlucky.positionMicros = 22e6;
    late.last().send(between(film, 20, 21));
    t.equal(late.client.profile.leadSeconds(), before, 'there was no time for the lead');
  },
);

t.test('what is in line is told from what flies, what is retried, and what nobody asked for', async (t) => {
  const b = flightBench(long);
  const rider = b.rider(20);
  t.equal(b.flights.outlook(20e6), 'none');
  b.flights.board(20e6, rider);
  t.equal(b.flights.outlook(20e6), 'waiting');
  t.ok(b.flights.isWaiting(rider));
  await settle();
  t.equal(b.flights.outlook(20e6), 'flying');
  t.notOk(b.flights.isWaiting(rider));
  b.last().bye();
  t.equal(b.flights.outlook(20e6), 'retrying');
  b.title.standing = 'superseded';
  t.equal(b.flights.outlook(20e6), 'never');
});

t.test('a title that is described anew: another one where it is shorter or has other streams', (t) => {
  const of = (text: string) => described(text).description;
  t.equal(standingAfter(of(sdp('npt=0-60')), of(sdp('npt=0-90'))), 'former', 'a recording that grows');
  t.equal(standingAfter(of(sdp('npt=0-60')), of(sdp('npt=0-30'))), 'superseded');
  t.equal(standingAfter(of(sdp('npt=0-60')), of(sdp('npt=0-60', 'audio'))), 'superseded');
  t.end();
});

/** Nine seconds of the film are held, and nobody rides any more. */
async function heldBeginning(): Promise<{ b: FlightBench; rider: Rider }> {
  const b = flightBench(long);
  const rider = b.rider(0);
  b.flights.board(0, rider);
  await settle();
  b.last().send(between(film, 0, 9));
  b.flights.leave(rider);
  await b.pass(3000);
  return { b, rider };
}

t.test('a title that was described anew goes on only where its packets are the held ones', async (t) => {
  for (const isSame of [true, false]) {
    const { b, rider } = await heldBeginning();
    b.title.standing = 'former';
    b.flights.board(b.title.row.last!.endMicros, rider);
    await settle();
    const other = film.map((p) => ({ ...p, payload: Buffer.concat([p.payload, Buffer.from('other')]) }));
    b.last().send(between(isSame ? film : other, 8, 15));
    await settle();
    t.equal(b.title.standing, isSame ? 'former' : 'superseded');
    t.equal(spans(b.title).at(-1)?.[1], isSame ? 14.96 : 8.96);
    const again = b.flights.board(b.title.row.last!.endMicros, b.rider(9));
    t.equal(again.kind, isSame ? 'riding' : 'later');
  }
});

t.test('a flight that has brought all that its riders want ends', async (t) => {
  const b = flightBench(long);
  const brief = { ...b.rider(0), untilMicros: 5e6 };
  const other = b.rider(0);
  b.flights.board(0, brief);
  await settle();
  b.last().send(between(film, 0, 5.5));
  await b.pass(200);
  t.notOk(b.last().isClosed, 'streams differ in how far they are');
  b.flights.board(b.title.row.last!.endMicros, other);
  b.last().send(between(film, 5.5, 8));
  await b.pass(200);
  t.notOk(b.last().isClosed, 'another one wants more');
  b.flights.leave(other);
  await b.pass(100);
  t.ok(b.last().isClosed);
});

t.test('a title whose flights join by content is another one once nothing matches', async (t) => {
  const other = film.map((p) => ({ ...p, payload: Buffer.concat([p.payload, Buffer.from('other')]) }));
  const rejoined = async (b: FlightBench, packets: readonly MadePacket[], to: number): Promise<void> => {
    const end = b.title.row.last!.endMicros;
    const rider = b.rider(end / 1e6);
    b.flights.board(end, rider);
    await settle();
    b.last().send(between(packets, Math.floor(end / 1e6), to));
    b.flights.leave(rider);
    await b.pass(3000);
  };
  for (const isKnown of [true, false]) {
    const { b } = await heldBeginning();
    if (isKnown) await rejoined(b, film, 11);
    t.equal(b.title.findings.joinsByContent, isKnown);
    const [, end] = spans(b.title).at(-1)!;
    await rejoined(b, other, 15);
    t.equal(b.title.standing, isKnown ? 'superseded' : 'current');
    // An origin that never sends the same twice is joined by time: nobody can tell.
    if (isKnown) t.equal(spans(b.title).at(-1)?.[1], end, 'nothing of it is kept');
  }
});
