import type { PacketRun } from '@forebay/cache';
import t from 'tap';
import { findStart } from '../src/read/start.js';
import { between, described, flightBench, inTime, playStretch, sdp, settle, spans } from './flight-bench.js';
import { AUDIO, type MadePacket, makePackets, VIDEO, VIDEO_RATE } from './packets.js';

const film = makePackets({ seconds: 60 });
const longGroups = makePackets({ seconds: 60, gopSeconds: 10 });

/** Numbers of the audio packets of a segment. */
const audioOf = ({ streams, bytes, offsets, count }: PacketRun): number[] =>
  Array.from({ length: count }, (_, i) => i)
    .filter((i) => streams[i] === AUDIO)
    .map((i) => bytes.readUInt32BE(offsets[i]! + 4 + 12 + 4));

t.test('a flight on its way from a key frame serves whoever asks for something behind that', async (t) => {
  const b = flightBench();
  b.answer.startSeconds = 20;
  b.flights.board(27e6, b.rider(27));
  await settle();
  b.flights.board(24e6, b.rider(24));
  await settle();
  t.equal(b.sessions.length, 1);
});

t.test(
  'an audio packet that held media begins with is not taken twice where a flight counts audio early',
  async (t) => {
    const b = flightBench();
    const rider = b.rider();
    b.flights.board(0, rider);
    await settle();
    await playStretch(b, film, 0, 13);
    for (const held of [...b.title.row].slice(0, 2)) b.title.row.remove(held);
    // Its first audio packet, of 5.013 s, counts as one of 5 s.
    b.flights.board(5e6, rider);
    await settle();
    await playStretch(b, film, 5, 9);
    const [filled, next] = [...b.title.row].slice(0, 2).map((held) => audioOf(b.title.resident(held)!.run));
    t.equal(filled?.at(-1), 374);
    t.equal(next?.[0], 375);
  },
);

t.test('nor where held media had only just begun when the flight first looked at it', async (t) => {
  const b = flightBench();
  b.flights.board(8e6, b.rider(8));
  await settle();
  const ahead = b.last();
  ahead.send(between(film, 8, 8.06));
  b.flights.board(5e6, b.rider(5));
  await settle();
  await playStretch(b, film, 5, 7.5);
  ahead.send(between(film, 8.06, 10));
  await playStretch(b, film, 7.5, 9);
  const [filled, next] = [...b.title.row].map((held) =>
    audioOf(held.growth?.run ?? b.title.resident(held)!.run),
  );
  t.equal(filled?.at(-1), 374);
  t.equal(next?.[0], 375);
});

t.test('a seek whose key frame another flight is bringing needs no flight of its own', async (t) => {
  const b = flightBench();
  b.answer.startSeconds = 20;
  b.flights.board(21e6, b.rider(21));
  await settle();
  b.last().send(between(longGroups, 20, 23));
  const { title, flights } = b;
  const asked = { title, flights, targetMicros: 28e6, signal: new AbortController().signal };
  const start = await inTime(b, findStart({ ...asked, rider: b.rider(28) }));
  t.equal(start.startMicros, 20e6);
  t.equal(b.sessions.length, 2, 'the origin was asked where its key frame is');
  t.ok(b.last().isClosed);
  t.equal(flights.lastError, undefined);
  b.flights.board(22.96e6, b.rider(20));
  t.equal(flights.count, 1);
});

t.test(
  'a seek whose key frame is held starts from it at once, and is joined behind what is held',
  async (t) => {
    const b = flightBench();
    const rider = b.rider(21);
    b.answer.startSeconds = 20;
    b.flights.board(21e6, rider);
    await settle();
    b.last().send(between(longGroups, 20, 23));
    b.flights.leave(rider);
    await b.pass(3000);
    const { title, flights } = b;
    const asked = { title, flights, targetMicros: 28e6, signal: new AbortController().signal };
    const start = await inTime(b, findStart({ ...asked, rider: b.rider(28) }));
    t.equal(start.startMicros, 20e6);
    b.last().send(between(longGroups, 20, 31));
    t.same(spans(b.title), [
      [20, 30],
      [30, 30.96],
    ]);
  },
);

t.test('a flight whose first key frame lies behind what was asked for is what was asked for', async (t) => {
  const b = flightBench();
  b.answer.startSeconds = 16;
  b.flights.board(17.3e6, b.rider(17.3));
  await settle();
  b.last().send(between(film, 18, 19));
  b.flights.board(17.3e6, b.rider(17.3));
  await b.pass(300);
  t.equal(b.sessions.length, 1);
});

/** A title of open groups: two pictures behind each key frame are shown before it. */
const openGroups = { description: described(sdp().replace('H264', 'H265')) };
const open = (from: number, to: number): MadePacket[] =>
  between(film, from, to).map((p) => {
    if (p.stream === AUDIO) return p;
    const type = p.payload[0]! & 0x1f;
    const isLeading = type === 1 && p.ticks % VIDEO_RATE < 0.1 * VIDEO_RATE;
    const payload = Buffer.from(p.payload);
    payload[0] = 2 * (type === 5 ? 21 : type >= 7 ? type + 25 : isLeading ? 8 : 1);
    payload[1] = 1;
    return { ...p, payload };
  });

/** As GStreamer sends them after a seek to 8 s: with the time of the key frame. */
const clamp = (p: MadePacket): number => {
  const ahead = p.ticks - 8 * VIDEO_RATE;
  return p.stream === VIDEO && ahead < 0.1 * VIDEO_RATE ? -ahead : 0;
};

t.test('a segment that lacks what is shown before its key frame is not entered from before', async (t) => {
  const b = flightBench(openGroups);
  b.answer.startSeconds = 8;
  const rider = b.rider(9);
  b.flights.board(9e6, rider);
  await settle();
  b.last().send(open(8, 11), clamp);
  const [headless] = [...b.title.row];
  t.match(headless, { startMicros: 8e6, headless: true });
  const { run } = headless!.growth!;
  const due = [...run.dueMicros.subarray(0, run.count)].filter((_, i) => run.streams[i] === VIDEO);
  t.same([...new Set(due)].slice(0, 3), [0, 120_000, 160_000], 'two pictures are missing');
  b.flights.leave(rider);
  await b.pass(3000);
  b.title.row.insert({ ...headless!, startMicros: 4e6, endMicros: 8e6, headless: false, state: 'sealed' });
  t.equal(b.title.row.following(b.title.row.startingAt(4e6)!), undefined);
  b.flights.board(8e6, rider);
  t.notOk(b.title.row.has(headless!), 'it makes way for a flight from there');
});

t.test('a segment that lacks what is shown before its key frame is not asked for again', async (t) => {
  const b = flightBench(openGroups);
  b.answer.startSeconds = 8;
  const rider = b.rider(9);
  b.flights.board(9e6, rider);
  await settle();
  b.last().send(open(8, 13), clamp);
  await b.pass(1500);
  t.same(spans(b.title), [[12, 12.96]], 'it is complete, and not kept');
  b.flights.leave(rider);
  await b.pass(10_000);
  t.equal(b.sessions.length, 1);
});
