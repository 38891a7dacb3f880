import type { SegmentStore } from '@forebay/cache';
import { RtspError } from '@forebay/rtsp';
import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { described, sdp, settle } from './flight-bench.js';
import { makePackets } from './packets.js';

import { House } from './reader-house.js';

t.test('a viewer plays what a flight brings, pauses, and goes on', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  t.equal((await house.play(reader, 0)).startSeconds, 0);
  await house.pass(6000);
  t.ok(screen.newest > 5);
  reader.pause();
  await house.pass(10_000);
  t.ok(house.origin.last().isClosed);
  await house.play(reader);
  await house.pass(8000);
  t.ok(screen.newest > 12, `${screen.newest}`);
  const { most, least } = screen.steps();
  t.ok(most < 0.041 && least >= 0, 'no gap, no repeat');
});

t.test('what is only skimmed is no demand', async (t) => {
  const calls: string[] = [];
  const house = new House({ onPolicy: (call) => calls.push(call) });
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(16_000);
  t.match(calls, ['sessionEnded', 'sessionStarted', 'sessionReached']);
  const back = await reader.play(undefined, new AbortController().signal, { scale: -4, speed: 1 });
  t.match(back, { endSeconds: 0, pace: { scale: -4 } });
  calls.length = 0;
  reader.start();
  const from = screen.pictures.length;
  await house.pass(2000);
  t.ok(screen.pictures.length - from > 7);
  t.same(calls, []);
  await reader.play({ unit: 'npt', start: 5 }, new AbortController().signal);
  t.same(calls, ['sessionEnded', 'sessionStarted'], 'until it plays again');
});

t.test('a pause of ten minutes in the segment that grew', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(5500);
  reader.pause();
  const before = screen.pictures.length;
  await house.pass(100_000);
  for (let i = 0; i < 50; i++) {
    house.clock.advance(10_000);
    house.catalogue.tick(house.clock.nowMs());
  }
  await house.play(reader);
  await house.pass(6000);
  t.ok(screen.newest > 9.5, `${screen.newest}`);
  t.ok(screen.pictures[before]! <= screen.pictures[before - 1]! + 0.041, 'nothing is missing');
  t.ok(screen.steps(before).most < 0.041);
});

t.test('a PLAY that fails leaves the pause point and the range as they were', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0, 6);
  await house.pass(3000);
  const { positionSeconds } = reader.pause();
  house.origin.answer.refuse = new OriginError('busy', 'test');
  await t.rejects(house.play(reader, 40), { code: 'busy' });
  await t.rejects(house.play(reader, 70), RtspError);
  delete house.origin.answer.refuse;
  await house.pass(10_000);
  const result = await house.play(reader);
  t.ok(Math.abs((result.startSeconds as number) - positionSeconds) < 0.1, `${result.startSeconds}`);
  t.equal(result.endSeconds, 6);
  await house.pass(8000);
  t.equal(screen.over, 'end');
  t.ok(screen.newest < 6);
});

t.test('a seek into a long group of pictures is served by the flight that it started', async (t) => {
  const longGroups = makePackets({ seconds: 60, gopSeconds: 10 });
  const house = new House();
  house.origin.answer.startSeconds = 20;
  const { reader, screen } = await house.viewer();
  t.equal((await house.play(reader, 27, undefined, longGroups)).startSeconds, 20);
  await house.pass(9000, longGroups);
  t.equal(house.origin.sessions.length, 1);
  t.ok(screen.newest > 28.5, `${screen.newest}`);
  t.ok(screen.steps().most < 0.041, 'it never stood still');
});

t.test('a seek back behind a hole: the hole is seen, whatever was seen ahead of it before', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(6500);
  await house.play(reader, 30);
  await house.pass(6500);
  const played = screen.pictures.length;
  await house.play(reader, 1);
  await house.pass(9000);
  t.ok(screen.newest > 9.5, `${screen.newest}`);
  t.ok(screen.steps(played).most < 0.041, 'the flight into the hole was in time');
});

t.test('a range ends with the pictures before its end, and those that they refer to', async (t) => {
  const withB = makePackets({ seconds: 60, bFrames: 2 });
  const end = 5.53;
  for (const how of ['growing', 'sealed'] as const) {
    const house = new House();
    const { reader, screen } = await house.viewer();
    if (how === 'sealed') {
      await house.play(reader, 0, undefined, withB);
      await house.pass(12_000, withB);
    }
    const played = screen.pictures.length;
    await house.play(reader, 2, end, withB);
    await house.pass(6000, withB);
    t.equal(screen.over, 'end');
    const got = [...new Set(screen.pictures.slice(played))];
    t.equal(got.filter((at) => at < end).length, 89, `${how}: every picture before the end`);
    // In decoding order: 5.60 5.52 5.56, 5.72 5.64 5.68. While they come nobody knows that 5.56 is not needed.
    const behind = got.filter((at) => at >= end);
    t.same(behind, how === 'sealed' ? [5.6] : [5.6, 5.56], `${how}: behind it what they refer to`);
  }
});

t.test('the end is told a while after the last packet has left', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(3000);
  await house.play(reader, 0, 1.99);
  await house.pass(1900);
  t.ok(screen.newest < 1.99);
  house.clock.advance(60);
  t.equal(screen.newest, 1.96, 'the last packet leaves late');
  house.clock.advance(150);
  t.equal(screen.over, undefined, 'and the end does not follow at once');
  screen.isWritable = false;
  house.clock.advance(1000);
  t.equal(screen.over, undefined, 'nor while the packet is on its way');
  screen.isWritable = true;
  house.clock.advance(150);
  t.equal(screen.over, undefined);
  house.clock.advance(60);
  t.equal(screen.over, 'end');
});

t.test('ranges at the end of a title', async (t) => {
  const house = new House({ description: described(sdp('npt=0-8.5')) });
  const { reader, screen } = await house.viewer();
  await t.rejects(house.play(reader, 8.5), RtspError, 'there is nothing at the end');
  await t.rejects(house.play(reader, 9), RtspError);
  await house.play(reader, 0);
  await house.pass(8200);
  house.origin.last().bye();
  await house.pass(2000);
  t.equal(screen.over, 'end');
  const sessions = house.origin.sessions.length;
  const result = await house.play(reader, 8.45);
  t.equal(result.startSeconds, 8, 'behind the last picture: the last key frame');
  t.equal(house.origin.sessions.length, sessions, 'and nobody is asked');
});

t.test('seeks and pauses in quick succession end in one session', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  for (let i = 0; i < 40; i++) {
    await house.play(reader, (i * 17) % 50);
    await house.pass(i % 3 === 0 ? 0 : 100);
    if (i % 2 === 0) reader.pause();
  }
  await house.play(reader, 3);
  await house.pass(5000);
  t.ok(screen.newest > 7);
  const open = house.origin.sessions.filter((s) => !s.isClosed).length;
  t.ok(open <= 1, `${open} sessions`);
  reader.close();
  await house.pass(5000);
  t.equal(house.origin.sessions.filter((s) => !s.isClosed).length, 0);
});

t.test('a viewer that leaves while its range is being sought', async (t) => {
  const house = new House();
  const { reader } = await house.viewer();
  house.origin.answer.refuse = undefined as never;
  const leaving = new AbortController();
  const asked = reader.play({ unit: 'npt', start: 20 }, leaving.signal);
  asked.catch(() => undefined);
  leaving.abort();
  reader.close();
  for (let i = 0; i < 20; i++) {
    house.clock.advance(100);
    await settle();
  }
  await t.rejects(asked, { code: 'aborted' });
  await house.pass(5000);
  t.ok(house.origin.sessions.every((s) => s.isClosed));
});

t.test('a title that is described anew: who plays it plays on, and its flights end', async (t) => {
  const long = makePackets({ seconds: 100 });
  for (const text of [sdp('npt=0-90'), sdp('npt=0-100', 'audio')]) {
    const house = new House({ description: described(sdp('npt=0-100')) });
    const { reader, screen } = await house.viewer();
    await house.play(reader, 0);
    await house.pass(2000, long);
    const [first] = house.origin.sessions;
    house.origin.description = described(text);
    await house.pass(60_000, long);
    await house.viewer();
    await settle();
    await house.viewer();
    await house.pass(10_000, long);
    t.ok(screen.newest > 70, `${screen.newest}`);
    t.equal(house.origin.sessions.length, 1);
    reader.close();
    await house.pass(4000, long);
    t.ok(first?.isClosed, 'nobody needs it any more');
  }
});

t.test('other streams at the same URL are not mixed into what was described before', async (t) => {
  const house = new House();
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(5000);
  reader.pause();
  await house.pass(60_000);
  house.origin.description = described(sdp('npt=0-60', 'audio'));
  await house.viewer();
  await settle();
  const sessions = house.origin.sessions.length;
  reader.play(undefined, new AbortController().signal).catch(() => undefined);
  reader.start();
  await house.pass(40_000);
  t.equal(house.origin.sessions.length, sessions, 'the origin is not asked for it');
  t.equal(screen.over, 'failed');
});

t.test('a title whose description the store does not take', async (t) => {
  const store: Partial<SegmentStore> = {
    title: () => undefined,
    segments: () => [],
    read: () => Promise.resolve(undefined),
    saveTitle: () => Promise.reject(new RangeError('too long')),
    offer: () => Promise.resolve({ admitted: true, reason: 'free-space', victims: [] }),
  };
  const house = new House({ store, description: described(sdp('npt=0-60')) });
  const { reader, screen } = await house.viewer();
  await house.play(reader, 0);
  await house.pass(10_000);
  t.ok(screen.newest > 8);
  await house.catalogue.close();
});

t.test('live: a viewer that comes back after long goes on with what is on now', async (t) => {
  const house = new House({ description: described(sdp('')), ramBytes: 500_000 });
  const live = makePackets({ seconds: 120 });
  const one = await house.viewer();
  const two = await house.viewer();
  await house.play(one.reader);
  await house.play(two.reader);
  await house.pass(3000, live);
  one.reader.pause();
  await house.pass(60_000, live);
  await house.play(one.reader);
  await house.pass(4000, live);
  t.ok(two.screen.newest - one.screen.newest < 2, `${one.screen.newest} of ${two.screen.newest}`);
  t.equal(house.origin.sessions.length, 1);
});

t.test('live: a viewer that pauses before anything was sent keeps its window', async (t) => {
  const store: Partial<SegmentStore> = {
    title: () => undefined,
    segments: () => [],
    saveTitle: () => Promise.resolve(undefined),
    offer: () => Promise.resolve({ admitted: true, reason: 'window', victims: [] }),
    keepWindow: () => undefined,
  };
  const house = new House({ description: described(sdp('')), store, windowSeconds: 600 });
  const live = makePackets({ seconds: 120 });
  const { reader, screen } = await house.viewer();
  const asked = reader.play(undefined, new AbortController().signal);
  await house.pass(3000, live);
  const { startSeconds } = await asked;
  reader.pause();
  house.origin.last().sink.closed(new OriginError('origin-closed', 'test'));
  await house.pass(30_000, live);
  t.equal(house.origin.sessions.length, 2, 'it goes on being filled for the one who is paused');
  t.equal((await house.play(reader, undefined, undefined, live)).startSeconds, startSeconds);
  await house.pass(4000, live);
  t.ok(screen.pictures.length > 80, 'and is sent');
});

t.test('low latency: what comes is sent at once, a key frame that begins a segment as well', async (t) => {
  const house = new House({ description: described(sdp('')), latency: 'low' });
  const live = makePackets({ seconds: 60 });
  const viewers = [await house.viewer('tcp'), await house.viewer('udp')];
  for (const { reader } of viewers) await house.play(reader, undefined, undefined, live);
  await house.pass(20_000, live);
  for (let i = 0; i < 100; i++) {
    await house.pass(50, live);
    const [tcp, udp] = viewers.map(({ screen }) => screen.pictures.length);
    t.equal(tcp, udp, `${i}`);
    t.equal(viewers[0]!.screen.newest, viewers[1]!.screen.newest);
  }
});

t.test('a viewer that was blocked over the end of a segment goes on forward', async (t) => {
  for (const range of ['npt=0-60', '']) {
    const house = new House({ description: described(sdp(range)) });
    const { reader, screen } = await house.viewer();
    await house.play(reader, 0);
    for (const ms of [3500, 3900, 2500]) {
      await house.pass(ms);
      screen.isWritable = false;
      await house.pass(2600);
      screen.isWritable = true;
    }
    await house.pass(4000);
    t.ok(screen.newest > 8);
    t.ok(screen.steps().least >= 0, 'never back');
  }
});

t.test(
  'live: a viewer that was blocked leaves out what it missed, and does not fall back to it',
  async (t) => {
    const house = new House({ description: described(sdp('')), latency: 'low' });
    const live = makePackets({ seconds: 60 }).map((packet) =>
      packet.stream === 0
        ? { ...packet, payload: Buffer.concat([packet.payload, Buffer.alloc(40_000)]) }
        : packet,
    );
    // Whether it does depends on where in a group what is on is.
    for (let blockedMs = 5000; blockedMs < 6200; blockedMs += 50) {
      const { reader, screen } = await house.viewer('udp');
      const other = await house.viewer('udp');
      await house.play(reader, undefined, undefined, live);
      await house.play(other.reader, undefined, undefined, live);
      await house.pass(3000, live);
      screen.isWritable = false;
      await house.pass(blockedMs, live);
      screen.isWritable = true;
      await house.pass(2000, live);
      t.ok(other.screen.newest - screen.newest < 1.1, `${screen.newest} of ${other.screen.newest}`);
      reader.close();
      other.reader.close();
    }
  },
);

t.test("a defect ends the range of the viewer in which it shows, and nobody else's", async (t) => {
  const house = new House();
  const [one, two] = [await house.viewer(), await house.viewer()];
  await house.play(one.reader, 0);
  await house.play(two.reader, 0);
  await house.pass(1000);
  one.screen.isBroken = true;
  await house.pass(1000);
  t.equal(one.screen.over, 'failed');
  t.equal(two.screen.over, undefined);
  t.ok(two.screen.newest > 1.5);
});
