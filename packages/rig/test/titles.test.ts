import t from 'tap';
import { classifierFor, ROLE } from '@forebay/rtp';
import {
  bundledTitle,
  checkSynthetic,
  readSyntheticStamp,
  RigError,
  syntheticTitle,
  TITLE_FLAG,
} from '../src/index.js';
import type { Title } from '../src/index.js';
import { entryAt } from '../src/title/title.js';

function payloadsOf(title: Title, lap = 0): Buffer[] {
  return Array.from({ length: title.packets.count }, (_, i) => {
    const bytes = Buffer.alloc(title.packets.payloadBytes[i]!);
    title.writePayload(i, lap, bytes, 0);
    return bytes;
  });
}

const TITLES: Readonly<Record<string, Title>> = {
  plain: syntheticTitle({ seconds: 3 }),
  'B-frames': syntheticTitle({ seconds: 3, bFrames: 2, fps: 24 }),
  'small packets': syntheticTitle({ seconds: 1, packetBytes: 64, videoKbps: 300 }),
  'large packets': syntheticTitle({ seconds: 1, packetBytes: 16_000, videoKbps: 20_000 }),
  'uneven rate': syntheticTitle({ seconds: 3, fps: 29.97, gopSeconds: 0.7, bFrames: 1 }),
  'audio alone': syntheticTitle({ seconds: 2, streams: ['audio'] }),
  'video alone': syntheticTitle({ seconds: 2, audio: false }),
  'many streams': syntheticTitle({ seconds: 1, streams: ['video', 'video', 'audio', 'audio', 'audio'] }),
  bundled: bundledTitle(),
  'bundled in small packets': bundledTitle({ packetBytes: 500 }),
};

t.test('packets of a title are in order, marked as their payloads say, and end with the title', async (t) => {
  for (const [name, title] of Object.entries(TITLES)) {
    const { packets, streams } = title;
    const payloads = payloadsOf(title);
    const video = classifierFor('H264', 'video')!;
    let lastDue = 0;
    const unit = streams.map(() => ({ role: 0, flags: 0, ticks: -1 }));
    for (let i = 0; i < packets.count; i++) {
      const stream = packets.streams[i]!;
      const flags = packets.flags[i]!;
      const isVideo = streams[stream]!.media === 'video';
      const now = unit[stream]!;
      if (packets.dueMicros[i]! < lastDue) t.fail(`${name}: packet ${i} is due before its predecessor`);
      lastDue = packets.dueMicros[i]!;
      const isStart = (flags & TITLE_FLAG.accessUnitStart) !== 0;
      if (isStart === (packets.ticks[i] === now.ticks))
        t.fail(`${name}: packet ${i}: access unit and timestamp disagree`);
      if (isStart) Object.assign(now, { role: 0, flags, ticks: packets.ticks[i]! });
      if (!isVideo) continue;
      const role = video.classify(payloads[i]!, 0, payloads[i]!.length);
      if ((role === ROLE.parameter) !== ((flags & TITLE_FLAG.parameter) !== 0))
        t.fail(`${name}: packet ${i}: role ${role}`);
      if (role === ROLE.randomAccess && (now.flags & TITLE_FLAG.randomAccess) === 0)
        t.fail(`${name}: ${i}: unmarked IDR`);
      now.role = Math.max(now.role, role === ROLE.randomAccess ? 9 : role);
      if ((flags & TITLE_FLAG.marker) === 0) continue;
      const isKey = (now.flags & TITLE_FLAG.randomAccess) !== 0;
      if (isKey !== (now.role === 9)) t.fail(`${name}: packet ${i}: marked as key frame without one`);
    }
    t.ok(
      lastDue < title.durationSeconds * 1e6 && lastDue > (title.durationSeconds - 0.1) * 1e6,
      `${name} ends at its end`,
    );
  }
});

t.test('every payload of a synthetic title is known by its bytes, and no other byte passes', async (t) => {
  for (const [name, title] of Object.entries(TITLES)) {
    if (name.startsWith('bundled')) continue;
    const check = checkSynthetic();
    const hashes = new Set<string>();
    payloadsOf(title).forEach((payload, i) => {
      const stream = title.packets.streams[i]!;
      if (!check(stream, payload, 0, payload.length)) t.fail(`${name}: packet ${i} is refused`);
      if (check(stream + 1, payload, 0, payload.length) && readSyntheticStamp(payload, 0, payload.length)) {
        t.fail(`${name}: packet ${i} passes for another stream`);
      }
      if ((title.packets.flags[i]! & TITLE_FLAG.parameter) === 0) hashes.add(payload.toString('base64'));
    });
    const parameters = title.packets.flags.filter((flags) => (flags & TITLE_FLAG.parameter) !== 0).length;
    t.equal(hashes.size, title.packets.count - parameters, `${name}: all payloads differ`);
  }
  const [, , payload] = payloadsOf(syntheticTitle({ seconds: 1 }));
  const bytes = payload!;
  for (let i = 2; i < bytes.length; i++) {
    bytes[i] = bytes[i]! ^ 0x10;
    if (checkSynthetic()(0, bytes, 0, bytes.length)) t.fail(`a flipped bit in byte ${i} passes`);
    bytes[i] = bytes[i]! ^ 0x10;
  }
  t.ok(checkSynthetic()(0, bytes, 0, bytes.length));
  t.notOk(checkSynthetic()(0, bytes, 0, bytes.length - 1), 'a payload cut short does not pass');
  t.notOk(checkSynthetic(2)(0, bytes, 0, bytes.length), 'nor one of another seed');
});

t.test(
  'a synthetic title is the same whenever it is made, and goes on over the laps of a live one',
  async (t) => {
    const options = { seconds: 2, bFrames: 2 };
    t.same(payloadsOf(syntheticTitle(options)), payloadsOf(syntheticTitle(options)));
    const title = syntheticTitle(options);
    const frame = (lap: number): number | undefined => {
      const last = payloadsOf(title, lap).findLast((_, i) => title.packets.streams[i] === 0)!;
      return readSyntheticStamp(last, 0, last.length)?.frame;
    };
    t.equal(frame(0), 49);
    t.equal(frame(3), 199);
    t.not(title.streams[0]!.fmtp, syntheticTitle({ ...options, seed: 2 }).streams[0]!.fmtp);
  },
);

t.test('pictures are sent before those that need them, and groups of pictures stay closed', async (t) => {
  const title = syntheticTitle({ seconds: 2, fps: 9, bFrames: 2, audio: false });
  const shown: number[] = [];
  for (let i = 0; i < title.packets.count; i++) {
    if ((title.packets.flags[i]! & TITLE_FLAG.accessUnitStart) !== 0)
      shown.push(title.packets.ticks[i]! / 10_000);
  }
  const group = [0, 3, 1, 2, 6, 4, 5, 8, 7];
  t.same(shown, [...group, ...group.map((position) => position + 9)]);
});

t.test('a play enters at the key frame at or before the moment asked for', async (t) => {
  const title = TITLES['plain']!;
  for (const [asked, start] of [
    [0, 0],
    [0.99, 0],
    [1, 1],
    [1.5, 1],
    [2.999, 2],
    [50, 2],
  ] as const) {
    const entry = entryAt(title, asked);
    t.equal(entry.startSeconds, start);
    t.ok(title.packets.flags[entry.packet]! & TITLE_FLAG.randomAccess);
    t.equal(title.packets.streams[entry.packet], 0);
  }
});

t.test('options out of bounds are refused', async (t) => {
  for (const options of [
    { seconds: 0 },
    { seconds: 1, fps: 0 },
    { seconds: 1, bFrames: 4 },
    { seconds: 1, packetBytes: 20 },
    { seconds: 1, packetBytes: 60_000 },
    { seconds: 1, streams: [] },
    { seconds: 1, seed: -1 },
  ]) {
    t.throws(() => syntheticTitle(options), RigError, JSON.stringify(options));
  }
});
