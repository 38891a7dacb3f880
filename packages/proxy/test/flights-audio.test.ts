import t from 'tap';
import {
  between,
  described,
  flightBench,
  type FlightBench,
  playStretch,
  sdp,
  settle,
  spans,
} from './flight-bench.js';
import { AUDIO_RATE, makePackets } from './packets.js';

const FRAME_TICKS = 1024;

/** A title without pictures: a tone, of which every fifth packet is alike. */
const tone = makePackets({ seconds: 60, video: false }).map((p, i) => ({
  ...p,
  stream: 0,
  payload: Buffer.alloc(40, i % 5),
}));
const silence = tone.map((p) => ({ ...p, payload: Buffer.alloc(40) }));

const audioBench = (): FlightBench => flightBench({ description: described(sdp('npt=0-60', 'audio')) });

/** Ticks of all packets that are held, in play order. */
function heldTicks(b: FlightBench): number[] {
  return [...b.title.row].flatMap((held) => {
    const run = held.growth?.run ?? b.title.resident(held)!.run;
    return Array.from({ length: run.count }, (_, i) => run.bytes.readUInt32BE(run.offsets[i]! + 8));
  });
}

const isUnbroken = (ticks: readonly number[]): boolean =>
  ticks.every((at, i) => i === 0 || at - ticks[i - 1]! === FRAME_TICKS);

for (const [name, title] of [
  ['a tone', tone],
  ['silence', silence],
] as const) {
  for (const startSeconds of [20, 20.0101]) {
    t.test(`${name}: what separate seeks brought meets without a hole, at ${startSeconds}`, async (t) => {
      const b = audioBench();
      const rider = b.rider(20);
      b.answer.startSeconds = startSeconds;
      b.flights.board(20e6, rider);
      await settle();
      const second = between(title, 20, 60);
      // What an origin counts from, after a seek, may lie within a frame.
      const shift = Math.round(startSeconds * AUDIO_RATE) - second[0]!.ticks;
      const shifted = second.map((p) => ({ ...p, ticks: p.ticks + shift }));
      await playStretch(b, shifted, 20, 31);
      b.flights.leave(rider);
      await b.pass(3000);
      delete b.answer.startSeconds;
      b.flights.board(10e6, rider);
      await settle();
      await playStretch(b, title, 10, 22);
      await b.pass(2000);
      const ticks = heldTicks(b);
      const sent = between(title, 10, 31).length;
      t.equal(ticks.length, sent, `${ticks.length} packets are held, of ${sent}`);
      t.same(spans(b.title)[0]?.[0], 10);
      if (shift === 0) t.ok(isUnbroken(ticks), 'no gap between any two');
      t.equal(b.title.row.stretchEnd(b.title.row.first!), b.title.row.last, 'one stretch');
    });
  }
}

t.test('clamped packets at the beginning of a title without pictures are timed back', async (t) => {
  const b = audioBench();
  const media = between(tone, 20, 30);
  // The last of them is the one that lies where the origin was asked to start.
  const start = media[4]!;
  b.answer.startSeconds = start.ticks / AUDIO_RATE;
  b.flights.board(20e6, b.rider(20));
  await settle();
  b.last().send(media, (p) => Math.max(0, start.ticks - p.ticks));
  await b.pass(100);
  const ticks = heldTicks(b);
  t.equal(ticks[0], start.ticks, 'what lies before the start is left out');
  t.equal(ticks.length, media.length - 4);
  t.ok(isUnbroken(ticks), 'no gap between any two');
});
