import * as fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { payloadEnd, payloadStart, ROLE, timestamp } from '../src/index.js';
import type { AccessUnitClassifier, Role } from '../src/index.js';
import { hex, lengthPrefixed, samples, skipCorpora } from './corpus.js';
import { holds } from './holds.js';
import { roleOf, videoClassifier } from './roles.js';

const { other, parameter, randomAccess, picture } = ROLE;

/** A stream as an encoder and a payloader made it: packets cut off after 48 bytes where no more is needed. */
function recording(name: string): { encoding: string; keys: number[]; packets: Buffer[] } {
  const text = readFileSync(new URL(`../../test/recordings/${name}`, import.meta.url), 'utf8');
  const lines = text.trimEnd().split('\n');
  const field = (label: string) =>
    lines
      .find((line) => line.startsWith(`# ${label}`))
      ?.split(': ')
      .at(-1) ?? '';
  return {
    encoding: field('encoding'),
    keys: field('key access units').split(' ').map(Number),
    packets: lines.filter((line) => !line.startsWith('#')).map(hex),
  };
}

/** Indexes of the access units that the first decisive role calls random access points. */
function keyAccessUnits(classifier: AccessUnitClassifier, packets: readonly Buffer[]): number[] {
  const decisions: Role[] = [];
  let lastTicks = -1;
  for (const packet of packets) {
    const ticks = timestamp(packet, 0);
    if (ticks !== lastTicks) decisions.push(other);
    lastTicks = ticks;
    const role = classifier.classify(
      packet,
      payloadStart(packet, 0, packet.length),
      payloadEnd(packet, 0, packet.length),
    );
    const decided = decisions.at(-1) === randomAccess || decisions.at(-1) === picture;
    if (!decided) decisions[decisions.length - 1] = role;
  }
  return decisions.flatMap((role, index) => (role === randomAccess ? [index] : []));
}

t.test('recordings: key frames of real encoders and payloaders are found, and no others', async (t) => {
  const names = readdirSync(new URL('../../test/recordings/', import.meta.url)).sort();
  t.ok(names.length >= 14, `${names.length} recordings`);
  for (const name of names) {
    const { encoding, keys, packets } = recording(name);
    t.same(keyAccessUnits(videoClassifier(encoding), packets), keys, name);
  }
  const refresh = recording('h264-refresh-ffmpeg.hex');
  const withRecovery = videoClassifier('H264', undefined, { recoveryPoint: true });
  t.same(keyAccessUnits(withRecovery, refresh.packets), [0, 10], 'recovery points of a gradual refresh');
});

t.test('corpora: packets of known content', { skip: skipCorpora }, async (t) => {
  const known: readonly [path: string, encoding: string, role: Role][] = [
    ['rtp/sharprtsp/jpeg_0.rtp', 'JPEG', randomAccess],
    ['rtp/sharprtsp/jpeg_1.rtp', 'JPEG', picture],
    ['rtp/sharprtsp/jpeg_2.rtp', 'JPEG', picture],
    ['bad-inputs/rtp/R06-02-fu.bin', 'H264', randomAccess],
    ['bad-inputs/rtp/R06-04-stap.bin', 'H264', other],
    ['rtp-payload/rtpvp9/gortsplib-fuzz/FuzzDecoder-1d8cabdd60b54768#0', 'VP9', randomAccess],
    ['rtp-payload/rtpav1/gortsplib-fuzz/FuzzDecoder-d9309d0827a0c9e9#0', 'AV1', randomAccess],
  ];
  const whole = samples('rtp/sharprtsp', 'bad-inputs/rtp');
  const all = [...whole, ...samples('rtp-payload').flatMap(lengthPrefixed)];
  for (const [path, encoding, role] of known) {
    const bytes = all.find((sample) => sample.name === path)?.bytes ?? Buffer.alloc(0);
    const start = payloadStart(bytes, 0, bytes.length);
    t.ok(start > 0, path);
    t.equal(videoClassifier(encoding).classify(bytes, start, payloadEnd(bytes, 0, bytes.length)), role, path);
  }
});

const ENCODINGS = ['AV1', 'H264', 'H265', 'JPEG', 'MP2T', 'MP4V-ES', 'MPV', 'RAW', 'VP8', 'VP9'];
const CLASSIFIERS = [
  ...ENCODINGS.map((encoding) => videoClassifier(encoding)),
  videoClassifier('H264', undefined, { recoveryPoint: true }),
  videoClassifier('H265', 'sprop-max-don-diff=1'),
];

function isRole(value: unknown): boolean {
  return value === other || value === parameter || value === randomAccess || value === picture;
}

t.test(
  'corpora: every payload has a role in every encoding, whole and cut off',
  { skip: skipCorpora },
  async (t) => {
    const payloads = samples('rtp-payload').flatMap((sample) => [sample, ...lengthPrefixed(sample)]);
    const all = [...payloads, ...samples('rtp', 'rtcp', 'bad-inputs/rtp', 'bad-inputs/rtcp')];
    let roles = 0;
    for (const { name, bytes } of all) {
      const size = Math.min(bytes.length, 1500);
      for (let end = size; end >= 0; end -= end > 64 ? 97 : 1) {
        for (const classifier of CLASSIFIERS) {
          const role = classifier.classify(bytes, Math.min(12, end), end);
          if (!isRole(role)) t.fail(`${name}, ${end} bytes`);
          roles += 1;
        }
      }
    }
    t.ok(roles > 100_000, `${roles} roles`);
  },
);

t.test('arbitrary payloads have a role that their own bytes decide', async (t) => {
  const head = fc
    .constantFrom(...'06 09 18 19 41 47 60 62 65 78 79 7a 7b 7c 7d 10 90 8b 0a 00'.split(' '))
    .map(hex);
  const small = fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 5, 6, 0x80, 0x85, 0xb6, 0xff);
  const rest = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.array(small, { maxLength: 40 }));
  holds(
    t,
    fc.property(head, rest, (first, after) => {
      const payload = Buffer.concat([first, Buffer.from(after)]);
      return CLASSIFIERS.every((classifier) => isRole(roleOf(classifier, payload)));
    }),
    { numRuns: 5000 },
  );
});
