import t from 'tap';
import type { Arrival } from '../src/fill/arrival.js';
import { StoppedClocks } from '../src/fill/stopped-clock.js';
import { between, described, flightBench, type FlightBench, sdp, settle } from './flight-bench.js';
import { CLOCK_RATES, type MadePacket, makePackets, rtpPacket, VIDEO, VIDEO_RATE } from './packets.js';

const film = makePackets({ seconds: 30, audio: false });

/** Sends a film in real time to a live title that somebody watches. */
async function live(packets: readonly MadePacket[], seconds: number): Promise<FlightBench> {
  const b = flightBench({ description: described(sdp('')), windowSeconds: 600 });
  b.flights.board(0, b.rider());
  await settle();
  for (let at = 0; at < seconds; at += 0.1) {
    b.last().send(between(packets, at, at + 0.1));
    await b.pass(100);
  }
  return b;
}

const stopped = async (b: FlightBench): Promise<number | undefined> =>
  (await b.shelves.metrics.originFaults.get()).values.find(({ labels }) => labels.reason === 'timestamps')
    ?.value;

t.test('live media whose timestamps stand still or go back is placed by when it comes', async (t) => {
  const clocks: Readonly<Record<string, (p: MadePacket) => number>> = {
    'stands still': () => 9000,
    'goes back': (p) => 9_000_000 - p.ticks,
    'goes back slowly': (p) => 9_000_000 - p.ticks / 36,
    'stands still after 10 s': (p) => Math.min(p.ticks, 10 * VIDEO_RATE),
  };
  for (const [name, ticksOf] of Object.entries(clocks)) {
    const broken = film.map((p) => ({ ...p, ticks: Math.round(ticksOf(p)) }));
    const b = await live(broken, 29.95);
    const row = [...b.title.row];
    t.ok(row.length >= 7, `${name}: ${row.length} segments`);
    for (const { startMicros, endMicros, randomAccess } of row) {
      t.ok(endMicros - startMicros < 5.2e6, `${name}: none without an end`);
      t.ok(randomAccess, `${name}: each begins with a key frame`);
    }
    const behindMicros = b.clock.unixMs() * 1000 - b.title.row.last!.endMicros;
    t.ok(Math.abs(behindMicros) < 500_000, `${name}: ${behindMicros} behind`);
    t.equal(await stopped(b), 1, `${name}: counted`);
    t.equal(b.sessions.length, 1);
  }
});

t.test('where nothing shows the end of a picture the flight ends once its segment is full', async (t) => {
  const b = await live(film, 1);
  const packet = { ...film.at(-1)!, ticks: VIDEO_RATE, marker: false };
  b.last().send(Array.from({ length: 66_000 }, () => packet));
  t.ok(b.last().isClosed);
  t.equal(await stopped(b), 1);
});

interface Sent {
  readonly atMs: number;
  readonly ticks: number;
  readonly marker?: boolean;
}

/** What `sent` is taken for. */
function placed(sent: readonly Sent[]): { ticks: number[]; stops: number } {
  let stops = 0;
  const clocks = new StoppedClocks({ clockRates: CLOCK_RATES, onStopped: () => stops++ });
  const times = sent.map(({ atMs, ticks, marker = true }) => {
    const bytes = rtpPacket(
      { stream: VIDEO, ticks, marker, payload: Buffer.alloc(1), sentSeconds: 0 },
      0,
      ticks,
    );
    const p: Arrival = {
      stream: VIDEO,
      bytes,
      start: 0,
      end: bytes.length,
      ticks,
      lost: 0,
      hash: 0,
      nowMs: atMs,
    };
    return clocks.place(p, ticks);
  });
  return { ticks: times, stops };
}

t.test('timestamps that tell the time are left alone', (t) => {
  const row = (length: number, each: (i: number) => Sent): Sent[] =>
    Array.from({ length }, (_, i) => each(i));
  const shown = [0, 3, 1, 2];
  const cases: Readonly<Record<string, readonly Sent[]>> = {
    'B pictures': makePackets({ seconds: 20, bFrames: 3, audio: false }).map(
      ({ sentSeconds, ticks, marker }) => ({ atMs: sentSeconds * 1000, ticks, marker }),
    ),
    'B pictures, one picture a minute': row(40, (i) => ({
      atMs: i * 60_000,
      ticks: (i - (i % 4) + shown[i % 4]!) * 60 * VIDEO_RATE,
    })),
    'one picture a minute': row(30, (i) => ({ atMs: i * 60_000, ticks: i * 60 * VIDEO_RATE })),
    'a picture that comes for 5 s': row(200, (i) => ({
      atMs: i * 50,
      ticks: 0,
      marker: i === 99 || i === 199,
    })).map((sent, i) => ({ ...sent, ticks: i < 100 ? 0 : 5 * VIDEO_RATE })),
    'parameter sets with a marker, a pause of 10 s, their picture': [
      { atMs: 0, ticks: 0 },
      { atMs: 10_000, ticks: 0 },
      { atMs: 10_001, ticks: 0 },
    ],
    'a clock a hundred times too slow': row(500, (i) => ({ atMs: i * 40, ticks: i * 36 })),
  };
  for (const [name, sent] of Object.entries(cases)) {
    const { ticks, stops } = placed(sent);
    t.same(
      ticks,
      sent.map((each) => each.ticks),
      name,
    );
    t.equal(stops, 0, name);
  }
  t.end();
});

t.test('timestamps that advance again are believed again', (t) => {
  const sent = Array.from({ length: 100 }, (_, i) => ({ atMs: i * 100, ticks: 500 }));
  const { ticks, stops } = placed([
    ...sent,
    { atMs: 10_000, ticks: 10 * VIDEO_RATE },
    { atMs: 10_040, ticks: 903_600 },
  ]);
  t.equal(stops, 1);
  t.same(ticks.slice(0, 20), Array(20).fill(500), 'for 2 s nobody knows');
  t.equal(ticks[99], 500 + 9.9 * VIDEO_RATE, 'then it is when it came');
  t.same(ticks.slice(-2), [900_000, 903_600]);
  t.end();
});
