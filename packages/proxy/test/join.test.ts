import { packetHash, SegmentBuilder } from '@forebay/cache';
import { ROLE, wrapTimestamp } from '@forebay/rtp';
import t from 'tap';
import { TimeAnchor } from '../src/fill/anchor.js';
import type { Arrival } from '../src/fill/arrival.js';
import { Ending, type EndingVerdict } from '../src/fill/ending.js';
import { Entrance } from '../src/fill/entrance.js';
import { type JoinVerdict, StreamJoin, tailOf } from '../src/fill/join.js';
import {
  AUDIO,
  AUDIO_RATE,
  CLOCK_RATES,
  type MadePacket,
  makePackets,
  rtpPacket,
  VIDEO,
  VIDEO_RATE,
} from './packets.js';

const hashOf = (p: MadePacket): number => {
  const bytes = rtpPacket(p, 0, 0);
  return packetHash(bytes, 0, bytes.length);
};

function joinBehind(packets: readonly MadePacket[], stream: number): StreamJoin {
  const builder = new SegmentBuilder({ key: 'k', clockRates: CLOCK_RATES });
  let last = 0;
  let step = 0;
  for (const p of packets) {
    const bytes = rtpPacket(p, 0, 0);
    builder.append(bytes, 0, bytes.length, {
      stream: p.stream,
      dueMicros: 0,
      flags: 0,
      canonicalTicks: p.ticks,
      lostBefore: 0,
    });
    if (p.stream !== stream) continue;
    if (p.ticks > last) step = p.ticks - last;
    last = Math.max(last, p.ticks);
  }
  return new StreamJoin(tailOf([builder.run], stream, CLOCK_RATES[stream]!, last + step));
}

function verdicts(
  join: StreamJoin,
  packets: readonly MadePacket[],
  shift: (p: MadePacket) => number,
): JoinVerdict[] {
  return packets.map((p) => join.judge(hashOf(p), shift(p), false));
}

t.test(
  'the packet after the overlap is found by content, whatever the origin says of the time',
  async (t) => {
    for (const stream of [VIDEO, AUDIO]) {
      const all = makePackets({ seconds: 10, bFrames: 2 }).filter((p) => p.stream === stream);
      const rate = CLOCK_RATES[stream]!;
      for (const errorSeconds of [0, 0.011, -0.5, 1.7]) {
        const join = joinBehind(
          all.filter((p) => p.ticks < 8 * rate),
          stream,
        );
        const session = all.filter((p) => p.ticks >= 7 * rate);
        const got = verdicts(join, session, (p) => p.ticks + Math.round(errorSeconds * rate));
        const first = got.findIndex((v) => v !== 'before');
        t.equal(
          session[first]?.ticks,
          all.find((p) => p.ticks >= 8 * rate)?.ticks,
          `stream ${stream}, off by ${errorSeconds} s`,
        );
        t.equal(got[first], 'content');
        t.equal(join.offsetTicks, -Math.round(errorSeconds * rate), 'and the time base with it');
      }
    }
  },
);

t.test('a session that hurries is proven by what it plays before the seam, and by nothing else', (t) => {
  for (const stream of [VIDEO, AUDIO]) {
    const rate = CLOCK_RATES[stream]!;
    const all = makePackets({ seconds: 10, bFrames: 2 }).filter((p) => p.stream === stream);
    const from = (seconds: number): MadePacket[] => all.filter((p) => p.ticks >= seconds * rate);
    const isProven = (
      session: readonly MadePacket[],
      shift: (p: MadePacket) => number = (p) => p.ticks,
    ): boolean => {
      const join = joinBehind(
        all.filter((p) => p.ticks < 8 * rate),
        stream,
      );
      for (const p of session) if (join.judge(hashOf(p), shift(p), false) !== 'before') return join.isProven;
      return false;
    };
    const squeezedFrom6 = (p: MadePacket): number => 6 * rate + Math.round((p.ticks - 6 * rate) / 4);
    const clampedTo6 = (p: MadePacket): number => Math.max(p.ticks, Math.round(6.3 * rate));
    const name = `stream ${stream}`;
    t.ok(isProven(from(6)), `${name}: the same`);
    t.ok(
      isProven(from(6), (p) => p.ticks + 12_345),
      `${name}: by another clock`,
    );
    t.ok(isProven(from(6), clampedTo6), `${name}: the first timestamps are clamped, as after any seek`);
    t.notOk(isProven(from(6), squeezedFrom6), `${name}: squeezed`);
    t.notOk(isProven(from(7.5)), `${name}: too little to tell`);
    const isLeftOut = (p: MadePacket): boolean => p.ticks >= 7.5 * rate && p.ticks < 7.6 * rate;
    t.notOk(isProven(from(6).filter((p) => !isLeftOut(p))), `${name}: some are left out`);
    t.notOk(isProven(from(6).filter((_, i) => i % 25 === 0)), `${name}: thinned`);
    t.notOk(isProven(from(6).toReversed()), `${name}: reversed`);
  }
  t.end();
});

t.test('repeated parameter sets at the start of a session do not disturb', async (t) => {
  const all = makePackets({ seconds: 10 }).filter((p) => p.stream === VIDEO);
  const join = joinBehind(
    all.filter((p) => p.ticks < 8 * VIDEO_RATE),
    VIDEO,
  );
  const session = all.filter((p) => p.ticks >= 7 * VIDEO_RATE);
  const doubled = [session[0]!, session[1]!, ...session];
  const got = verdicts(join, doubled, (p) => p.ticks);
  t.equal(doubled[got.indexOf('content')]?.ticks, 8 * VIDEO_RATE);
});

t.test('clamped timestamps are matched, but teach nothing about time', async (t) => {
  const all = makePackets({ seconds: 10 }).filter((p) => p.stream === AUDIO);
  const join = joinBehind(
    all.filter((p) => p.ticks < 8 * AUDIO_RATE),
    AUDIO,
  );
  const session = all.filter((p) => p.ticks >= 7.8 * AUDIO_RATE);
  const clamp = session[4]!.ticks;
  verdicts(join, session, (p) => Math.max(p.ticks, clamp));
  t.equal(join.offsetTicks, 0);
});

t.test('silence joins where the time says, not at the first packet that looks alike', async (t) => {
  const silence: MadePacket[] = Array.from({ length: 400 }, (_, i) => ({
    stream: AUDIO,
    ticks: i * 1024,
    marker: true,
    payload: Buffer.alloc(8),
    sentSeconds: (i * 1024) / AUDIO_RATE,
  }));
  const join = joinBehind(silence.slice(0, 300), AUDIO);
  const session = silence.slice(280);
  const got = verdicts(join, session, (p) => p.ticks + 100);
  t.equal(session[got.findIndex((v) => v !== 'before')]?.ticks, 300 * 1024);
});

t.test('packets that match nothing join by time, at a random access point', async (t) => {
  const all = makePackets({ seconds: 10 }).filter((p) => p.stream === VIDEO);
  const join = joinBehind(
    all.filter((p) => p.ticks < 8 * VIDEO_RATE),
    VIDEO,
  );
  t.equal(join.judge(1, 7.5 * VIDEO_RATE, false), 'before');
  t.equal(join.judge(2, 8.2 * VIDEO_RATE, true), 'before');
  t.equal(join.judge(3, 9 * VIDEO_RATE, false), 'time');
});

t.test('tails unwrap timestamps over 2^32', async (t) => {
  const rate = CLOCK_RATES[VIDEO]!;
  const base = 2 ** 32 - 3 * rate;
  const packets = makePackets({ seconds: 6, audio: false }).map((p) => ({ ...p, ticks: p.ticks + base }));
  const builder = new SegmentBuilder({ key: 'k', clockRates: CLOCK_RATES });
  for (const p of packets) {
    const bytes = rtpPacket(p, 0, wrapTimestamp(p.ticks));
    builder.append(bytes, 0, bytes.length, {
      stream: 0,
      dueMicros: 0,
      flags: 0,
      canonicalTicks: p.ticks,
      lostBefore: 0,
    });
  }
  const tail = tailOf([builder.run], VIDEO, rate, packets.at(-1)!.ticks + 3600);
  t.same(
    tail.ticks,
    packets.map((p) => p.ticks),
  );
});

t.test('media time: RTP-Info is believed only when the first packet bears it out', async (t) => {
  const hints = { startSeconds: 12, clockRates: CLOCK_RATES };
  const right = new TimeAnchor({ ...hints, rtpInfo: [{ url: 'v', seq: 10, rtptime: 1000 }, undefined] });
  t.ok(right.confirms(VIDEO, 1000 + 7200, 11));
  t.equal(
    right.place(VIDEO, 1000 + 7200, 11),
    12 * VIDEO_RATE + 7200,
    'a B picture stream starts after its rtptime',
  );
  t.equal(right.place(VIDEO, 1000, 12), 12 * VIDEO_RATE);
  const wrong = new TimeAnchor({ ...hints, rtpInfo: [{ url: 'v', seq: 10, rtptime: 1000 }] });
  t.notOk(
    wrong.confirms(VIDEO, 1000 + 12 * VIDEO_RATE, 10),
    'off by the whole range start, as GStreamer 1.22 says it',
  );
  t.equal(wrong.place(VIDEO, 1000 + 12 * VIDEO_RATE, 10), 12 * VIDEO_RATE);
  const wrapped = new TimeAnchor({ ...hints, rtpInfo: [] });
  wrapped.place(VIDEO, 2 ** 32 - 1800, 0);
  t.equal(wrapped.place(VIDEO, 1800, 1), 12 * VIDEO_RATE + 3600);
});

const arrival = (p: MadePacket): Arrival => {
  const bytes = rtpPacket(p, 0, p.ticks);
  return {
    stream: p.stream,
    bytes,
    start: 0,
    end: bytes.length,
    ticks: 0,
    lost: 0,
    hash: hashOf(p),
    nowMs: 0,
  };
};

const ending = (expectsBye = false): Ending => {
  const e = new Ending(1000, expectsBye);
  e.packet(VIDEO);
  e.packet(AUDIO);
  return e;
};

/** What is told at last of who is asked ten times a second. */
const verdictAt = (e: Ending, fromMs: number, toMs: number, seconds: number): EndingVerdict => {
  for (let ms = fromMs; ms < toMs; ms += 100) e.verdict(ms, seconds, 60);
  return e.verdict(toMs, seconds, 60);
};

/** By type of NAL unit. */
const ROLES: Readonly<Record<number, number>> = {
  5: ROLE.randomAccess,
  7: ROLE.parameter,
  8: ROLE.parameter,
};

const admitted = (
  packets: readonly MadePacket[],
  seek: boolean,
  o: { confirms?: boolean; mayLead?: boolean } = {},
): MadePacket[] => {
  const kept: Arrival[] = [];
  const entrance = new Entrance({
    seek,
    clockRates: CLOCK_RATES,
    pictures: VIDEO,
    confirms: () => o.confirms === true,
    role: (p) => (p.stream === VIDEO ? (ROLES[p.bytes[12]! & 0x1f] ?? ROLE.picture) : ROLE.picture),
    mayLead: () => o.mayLead === true,
    begins: () => undefined,
  });
  packets.forEach((p, i) => {
    entrance.admit({ ...arrival(p), nowMs: i }, p.ticks, (passed) => kept.push(passed));
  });
  return kept.map((passed) => packets[passed.nowMs]!);
};

t.test('entrance', async (t) => {
  const all = makePackets({ seconds: 3 });
  const video = all.filter((p) => p.stream === VIDEO);
  const audio = all.filter((p) => p.stream === AUDIO);
  t.same(admitted(all, false, { confirms: true }), all, 'a play from the start passes at once');
  t.same(admitted(video, true), video, 'an honest seek passes whole');
  const clamped = video.map((p) => (p.ticks < VIDEO_RATE ? { ...p, ticks: 5 } : p));
  t.same(
    admitted(clamped, true),
    video.filter((p) => p.ticks >= VIDEO_RATE),
    'a clamped group of pictures is dropped',
  );
  const open = video.map((p) => (p.ticks < 0.16 * VIDEO_RATE ? { ...p, ticks: 5 } : p));
  t.same(
    admitted(open, true, { mayLead: true }),
    open.filter((p, i) => i < 4 || p.ticks >= 0.16 * VIDEO_RATE),
    'a key frame stays; what is shown before it goes',
  );
  const clampedAudio = audio.map((p, i) => (i < 4 ? { ...p, ticks: 0 } : p));
  t.same(admitted(clampedAudio, true), clampedAudio, 'clamped audio is timed back');
  const before = audio.slice(20).map((p, i) => (i < 4 ? { ...p, ticks: 23 * 1024 + 900 } : p));
  t.same(admitted(before, true), before.slice(4), 'what lies before the start is dropped');
  const stale = [{ ...audio[90]!, ticks: 12 * AUDIO_RATE, payload: Buffer.from('stale-packet') }, ...audio];
  t.same(admitted(stale, false), audio, 'a stale first packet is dropped');
});

t.test('the end of a title is told from a failing origin', async (t) => {
  const byes = ending();
  byes.bye(VIDEO);
  t.equal(byes.verdict(1001, 59.9, 60), 'running');
  byes.bye(AUDIO);
  t.equal(byes.verdict(1001, 59.9, 60), 'end');
  t.equal(byes.verdict(1001, 30, 60), 'goodbye', 'BYE long before the end');
  t.equal(byes.verdict(1001, 30, undefined), 'end', 'nobody knows better');
  t.ok(byes.isGoodbye);
  const silent = ending();
  t.equal(verdictAt(silent, 1000, 1900, 59.96), 'running');
  t.equal(verdictAt(silent, 1900, 2001, 59.96), 'end');
  t.notOk(silent.isGoodbye);
  t.equal(silent.verdict(2001, 30, 60), 'running');
  t.equal(verdictAt(silent, 2001, 9001, 30), 'fault');
  const patient = ending(true);
  t.equal(verdictAt(patient, 1000, 5900, 59.96), 'running', 'where BYE is expected it is waited for');
  t.equal(verdictAt(patient, 5900, 6001, 59.96), 'end');
  const late = ending();
  t.equal(late.verdict(20_000, 59.96, 60), 'running', 'whoever comes late has not heard silence');
  t.equal(verdictAt(late, 20_000, 20_800, 59.96), 'end');
  const frozen = ending();
  for (const stream of [VIDEO, AUDIO, VIDEO, AUDIO]) frozen.senderReport(stream, 500);
  t.equal(verdictAt(frozen, 1000, 3000, 59), 'running');
  t.equal(verdictAt(frozen, 3000, 4001, 59), 'end', 'sender reports whose count stands still');
  frozen.packet(VIDEO);
  t.equal(frozen.verdict(4003, 59, 60), 'running');
});
