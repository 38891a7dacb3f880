import t from 'tap';
import { classifierFor, ROLE } from '../src/index.js';
import { hex } from './corpus.js';
import { check, roleOf, videoClassifier } from './roles.js';
import type { Case } from './roles.js';

const { other, parameter, randomAccess, picture } = ROLE;

t.test('H.264', async (t) => {
  const h264 = videoClassifier('H264', 'packetization-mode=1');
  t.same([h264.intraOnly, h264.hasParameters], [false, true]);
  for (let type = 0; type < 24; type += 1) {
    const parameters = [6, 7, 8, 9, 13, 14, 15].includes(type);
    const slice = type >= 1 && type <= 4;
    const expected = type === 5 ? randomAccess : slice ? picture : parameters ? parameter : other;
    t.equal(roleOf(h264, Buffer.from([0x60 | type, 0x88])), expected, `NAL unit type ${type}`);
    t.equal(roleOf(h264, Buffer.from([0x7c, 0x80 | type])), expected, `first fragment of type ${type}`);
  }
  check(t, h264, [
    ['empty', '', other],
    ['slice', '419a00', picture],
    ['partition A', '429a00', picture],
    ['partitions B and C', '039a', picture],
    ['IDR slice', '658884', randomAccess],
    ['IDR slice of low importance', '25b800', randomAccess],
    ['SEI', '0605ffff', parameter],
    ['SPS', '6742c01e', parameter],
    ['PPS', '68ce3c80', parameter],
    ['delimiter', '09f0', parameter],
    ['end of sequence', '0a', other],
    ['filler', '0cff80', other],
    ['prefix', '6e00', parameter],
    ['subset SPS', '6f64', parameter],
    ['auxiliary slice', '139a', other],
    ['enhancement layer', '74c0', other],
    ['reserved', '1e00', other],
    ['STAP-A of SPS and PPS', '78 0004 6742c01e 0002 68ce', parameter],
    ['STAP-A of SPS, PPS and IDR', '78 0002 6742 0002 68ce 0003 658884', randomAccess],
    ['STAP-A of delimiter and slice', '78 0002 09f0 0003 419a00', picture],
    ['STAP-A filled up with zeros', '78 0002 09f0 0003 658800 0000 00', randomAccess],
    ['STAP-A filled up with one size of zero', '78 0003 658800 0000', randomAccess],
    ['STAP-A with a unit of 258 bytes', `78 0102 06${'00'.repeat(257)} 0002 6588`, randomAccess],
    ['STAP-A of nothing', '78', other],
    ['STAP-A with half a size', '78 0002 6588 00', other],
    ['STAP-A with a size past the end', '78 0003 658884 ffff 78787878', other],
    ['STAP-B', '79 0007 0002 6742 0002 6588', randomAccess],
    ['STAP-B without a unit', '79 00', other],
    ['MTAP16 of two pictures', '7a 0000 0002 00 0000 419a 0002 01 0e10 6588', randomAccess],
    ['MTAP24', '7b 0000 0002 00 000000 419a', picture],
    ['MTAP16 cut off in its offsets', '7a 0000 0002 00', other],
    ['FU-A, first fragment of an IDR slice', '7c 85 8884', randomAccess],
    ['FU-A, middle of an IDR slice', '7c 05 8884', picture],
    ['FU-A, last fragment of an IDR slice', '7c 45 8884', picture],
    ['FU-A, a whole IDR slice in one fragment', '7c c5 8884', randomAccess],
    ['FU-A, first fragment without data', '7c 85', randomAccess],
    ['FU-A, first fragment of a slice', '5c 81 9a', picture],
    ['FU-A, first fragment of an SEI', '1c 86 05', parameter],
    ['FU-A, middle of an SEI', '1c 06 05', parameter],
    ['FU-A of an aggregate', '7c 98 0002', other],
    ['FU-A without its header', '7c', other],
    ['FU-B, first fragment of an IDR slice', '7d 85 0001 88', randomAccess],
    ['FU-B, first fragment without data', '7d 85 0001', randomAccess],
    ['FU-B cut off in its DON', '7d 85 00', other],
  ]);
});

t.test('H.264: an SEI with a recovery point counts only on request', async (t) => {
  const plain = videoClassifier('H264');
  const h264 = videoClassifier('H264', undefined, { recoveryPoint: true });
  const recoveryPoint = '0601c4';
  const filler = 'aa'.repeat(256);
  const cases: readonly Case[] = [
    ['alone', `06 ${recoveryPoint} 80`, randomAccess],
    ['behind another message', `06 0502 0601 ${recoveryPoint} 80`, randomAccess],
    ['behind a message with an escaped zero', `06 0504 0000030001 ${recoveryPoint} 80`, randomAccess],
    ['behind a message of 256 bytes', `06 05ff01 ${filler} ${recoveryPoint} 80`, randomAccess],
    ['in an aggregate', `78 0002 09f0 0005 06 ${recoveryPoint} 80`, randomAccess],
    ['in the first fragment of an SEI', `1c 86 ${recoveryPoint} 80`, randomAccess],
    ['in a later fragment', `1c 06 ${recoveryPoint} 80`, parameter],
    ['only inside another message', '06 0503 0601c4 80', parameter],
    ['behind a message of type 261', `06 ff06 01aa ${recoveryPoint} 80`, randomAccess],
    ['behind a message with one zero before a 3', `06 0503 aa0003 ${recoveryPoint} 80`, randomAccess],
    ['behind a message that begins with a zero', `06 0503 00aa03 ${recoveryPoint} 80`, randomAccess],
    ['type 261', '06 ff06 01c4 80', parameter],
    ['no message', '06', parameter],
    ['a type without size', '06 06', parameter],
    ['sizes without end', '06 05ffff', parameter],
  ];
  check(t, h264, cases);
  for (const [name, payload, role] of cases) {
    t.equal(roleOf(plain, hex(payload)), parameter, `not asked for, ${name} (${role})`);
  }
  check(t, h264, [
    ['IDR slice', '6588', randomAccess],
    ['slice', '419a', picture],
  ]);
});

t.test('H.265', async (t) => {
  const h265 = videoClassifier('H265');
  t.same([h265.intraOnly, h265.hasParameters], [false, true]);
  for (let type = 0; type < 64; type += 1) {
    if (type === 48 || type === 49) continue;
    const irap = type >= 16 && type <= 23;
    const parameters = [32, 33, 34, 35, 39].includes(type);
    const expected = irap ? randomAccess : type < 32 ? picture : parameters ? parameter : other;
    t.equal(roleOf(h265, Buffer.from([type << 1, 1, 0xaf])), expected, `NAL unit type ${type}`);
  }
  check(t, h265, [
    ['empty', '', other],
    ['half a header', '26', other],
    ['IDR slice of which only the header is there', '2601', randomAccess],
    ['IDR slice of layer 1', '2609af', other],
    ['IDR slice of layer 32', '2701af', other],
    ['aggregate of parameter sets', '6001 0002 4001 0002 4201 0002 4401', parameter],
    ['aggregate with a CRA picture', '6001 0002 4001 0003 2a01af', randomAccess],
    ['aggregate of slices', '6001 0003 0201af 0003 0201af', picture],
    ['aggregate filled up with zeros', '6001 0003 2601af 0000', randomAccess],
    ['aggregate with a unit of 258 bytes', `6001 0102 4e01${'00'.repeat(256)} 0002 2601`, randomAccess],
    ['aggregate with a unit of one byte', '6001 0001 26', other],
    ['aggregate with a size past the end', '6001 0003 2601af 00ff 0201', other],
    ['aggregate with half a size', '6001 0003 2601af 00', other],
    ['aggregate of nothing', '6001', other],
    ['first fragment of an IDR slice', '6201 93 af', randomAccess],
    ['first fragment without data', '6201 93', randomAccess],
    ['middle of an IDR slice', '6201 13 af', picture],
    ['last fragment of an IDR slice', '6201 53 af', picture],
    ['first fragment of a slice', '6201 81 d0', picture],
    ['first fragment of an IDR slice of layer 1', '6209 93 af', other],
    ['fragment without its header', '6201', other],
  ]);
});

t.test('H.265: decoding order numbers are stepped over where the description announces them', async (t) => {
  for (const fmtp of ['sprop-max-don-diff=2', 'sprop-vps=QAE=; sprop-max-don-diff = 1;profile-id=1']) {
    check(t, videoClassifier('H265', fmtp), [
      ['aggregate', '6001 0007 0002 4001 00 0003 2601af', randomAccess],
      ['aggregate cut off in a number', '6001 0007 0002 4001 00', other],
      ['first fragment', '6201 93 0007 af', randomAccess],
      ['single NAL unit', '2601 0007 af', randomAccess],
    ]);
  }
  for (const fmtp of ['sprop-max-don-diff=0', 'x-sprop-max-don-diff=2', 'sprop-vps=QAE=']) {
    check(t, videoClassifier('H265', fmtp), [['aggregate', '6001 0002 4001 0003 2601af', randomAccess]]);
  }
});

t.test('JPEG', async (t) => {
  const jpeg = videoClassifier('JPEG');
  t.same([jpeg.intraOnly, jpeg.hasParameters], [true, false]);
  check(t, jpeg, [
    ['first fragment', '00000000 01ff281e', randomAccess],
    ['later fragments', '000004e2 01ff281e', picture],
    ['at 256', '00000100 01ff281e', picture],
    ['at 65536', '00010000 01ff281e', picture],
    ['at 1', '00000001 01ff281e', picture],
    ['cut off', '00000000 01ff28', other],
    ['empty', '', other],
  ]);
});

t.test('VP8', async (t) => {
  check(t, videoClassifier('VP8'), [
    ['key frame', '10 50e200', randomAccess],
    ['predicted frame', '10 51e200', picture],
    ['middle of a frame', '00 50e200', picture],
    ['start of partition 1', '11 50e200', picture],
    ['key frame that is no reference', '30 50', randomAccess],
    ['7-bit picture id', '90 80 11 50', randomAccess],
    ['15-bit picture id', '90 80 8111 50', randomAccess],
    ['picture id, TL0PICIDX and TID', '90 e0 8111 07 40 50', randomAccess],
    ['picture id, TL0PICIDX and TID of a predicted frame', '90 e0 8111 07 40 51', picture],
    ['KEYIDX', '90 10 01 50', randomAccess],
    ['no frame', '10', other],
    ['cut off before the extension', '90', other],
    ['cut off in the extension', '90 80', other],
    ['cut off in the picture id', '90 80 81', other],
    ['empty', '', other],
  ]);
});

t.test('VP9', async (t) => {
  check(t, videoClassifier('VP9'), [
    ['key frame', '08 82', randomAccess],
    ['end of a key frame', '04 82', picture],
    ['predicted frame', '48 86', picture],
    ['intra-only frame', '08 86', picture],
    ['existing frame shown again', '08 8a', picture],
    ['key frame of profile 3', '08 b1', randomAccess],
    ['intra-only frame of profile 3', '08 b3', picture],
    ['no frame marker', '08 42', other],
    ['7-bit picture id', '88 23 82', randomAccess],
    ['15-bit picture id', '88 8123 82', randomAccess],
    ['base layer', '28 00 07 82', randomAccess],
    ['spatial layer 1', '28 02 07 82', picture],
    ['spatial layer 1 behind a picture id', 'a8 8123 02 07 82', picture],
    ['base layer in flexible mode', '38 00 82', randomAccess],
    ['predicted frame in flexible mode', '58 03 03 02 86', picture],
    ['references in flexible mode cut off', '58 03 03', other],
    ['scalability structure of one layer', '8b b5af 18 07800324 01 1401 82498342', randomAccess],
    ['scalability structure of two layers', '0a 30 0140 00b4 0280 0168 82', randomAccess],
    ['scalability structure without sizes', '0a 00 82', randomAccess],
    ['scalability structure cut off', '0a 18 0780', other],
    ['picture descriptions cut off', '0a 08 ff 0c', other],
    ['no frame', '08', other],
    ['empty', '', other],
  ]);
});

t.test('AV1', async (t) => {
  const av1 = videoClassifier('AV1');
  t.same([av1.intraOnly, av1.hasParameters], [false, true]);
  check(t, av1, [
    ['new sequence', '18 0a0b', randomAccess],
    ['new sequence in a continuation', '98 3010', picture],
    ['sequence header', '10 0800', parameter],
    ['temporal delimiter', '10 10', parameter],
    ['metadata', '10 2800', parameter],
    ['key frame', '10 3010', randomAccess],
    ['key frame with a size', '10 320110', randomAccess],
    ['key frame header', '10 1810', randomAccess],
    ['hidden key frame', '10 3000', picture],
    ['inter frame', '10 3030', picture],
    ['intra-only frame', '10 3050', picture],
    ['frame shown again', '10 3090', picture],
    ['tile group', '10 2000', picture],
    ['padding', '10 7800', other],
    ['frame without its header', '10 30', other],
    ['sequence header and key frame, two elements', '20 02 0800 3010', randomAccess],
    ['sequence header and key frame, each with a length', '00 02 0800 02 3010', randomAccess],
    ['sequence header and inter frame', '20 02 0800 3030', picture],
    ['rest of a frame, then a sequence header', '80 02 3010 02 0800', picture],
    ['base spatial layer', '10 3400 10', randomAccess],
    ['spatial layer 1', '10 3408 10', other],
    ['length in two bytes', `00 8201 3010${'00'.repeat(128)}`, randomAccess],
    ['length of 128', `00 8001 3010${'00'.repeat(126)}`, randomAccess],
    ['length past the end', '00 05 3010', other],
    ['length without end', '00 808080', other],
    ['length of nine bytes', `00 ${'80'.repeat(8)}00 3010`, other],
    ['nothing but the aggregation header', '18', other],
    ['empty', '', other],
  ]);
});

t.test('MPEG-1 and MPEG-2 video', async (t) => {
  check(t, videoClassifier('MPV'), [
    ['sequence header and I-picture', '00003900 000001b3', randomAccess],
    ['nothing but the header', '00003900', randomAccess],
    ['I-picture without sequence header', '00001900 00000100', picture],
    ['rest of an I-picture', '00000900 00000102', picture],
    ['P-picture', '00001200 00000100', picture],
    ['B-picture with extension', '04001300 00000000 00000100', picture],
    ['sequence header alone', '00002000 000001b3', parameter],
    ['no picture type', '00001000 00000100', other],
    ['cut off', '000039', other],
  ]);
  const empty = '00000000';
  const sequence = '000001b31400b433ffffe050 000001b5148a00010000 000001b800080040';
  check(t, videoClassifier('MPV'), [
    ['empty header: sequence header and I-picture', `${empty} ${sequence} 00000100 000ffff8`, randomAccess],
    ['empty header: I-picture without sequence header', `${empty} 00000100 000ffff8`, picture],
    ['empty header: group and I-picture', `${empty} 000001b800080040 00000100 000ffff8`, picture],
    ['empty header: P-picture', `${empty} 00000100 00d7fffb`, picture],
    ['empty header: sequence header and P-picture', `${empty} ${sequence} 00000100 00d7fffb`, picture],
    ['empty header: slice', `${empty} 00000102 1298050a 00000100 000ffff8`, picture],
    ['empty header: in the middle of a slice', `${empty} 1298050a 000001b3 00000100 000ffff8`, picture],
    ['empty header: sequence header alone', `${empty} ${sequence}`, parameter],
    ['empty header: picture header cut off', `${empty} ${sequence} 00000100 00`, picture],
    ['empty header: nothing else', empty, other],
  ]);
});

t.test('MPEG-4 part 2', async (t) => {
  const gap = 'aa'.repeat(600);
  check(t, videoClassifier('MP4V-ES'), [
    ['I-picture', '000001b6 10', randomAccess],
    ['P-picture', '000001b6 50', picture],
    ['B-picture', '000001b6 90', picture],
    [
      'headers and I-picture',
      '000001b0 01 000001b5 09 00000100 00000120 00c4 000001b3 00 000001b6 10',
      randomAccess,
    ],
    ['headers', '000001b0 01 000001b5 09', parameter],
    ['group header and P-picture', '000001b3 000780 000001b6 50', picture],
    ['a picture far behind user data', `000001b2 ${gap} 000001b6 10`, parameter],
    ['rest of a picture', '7f000001b6 10', picture],
    ['no start code', 'aa0001b610', picture],
    ['no start code', '00aa01b610', picture],
    ['no start code', '0000aab610', picture],
    ['start code without its last byte', '000001', picture],
    ['picture without its type', '000001b6', other],
    ['empty', '', other],
  ]);
});

/** A cell that carries `payload`, with an adaptation field that fills it up; `flags` of that field, 0x40 is random access. */
function cell(pid: number, payload: string, flags = 0, starts = true): string {
  const bytes = hex(payload);
  const fieldBytes = 188 - 4 - 2 - bytes.length;
  const header = Buffer.from([
    0x47,
    (starts ? 0x40 : 0) | (pid >> 8),
    pid & 0xff,
    0x30,
    fieldBytes + 1,
    flags,
  ]);
  return Buffer.concat([header, Buffer.alloc(fieldBytes, 0xff), bytes]).toString('hex');
}

t.test('MPEG transport streams', async (t) => {
  const pes = '000001e0 0000 8080 05 2100010001';
  const audioPes = '000001c0 0100 8080 05 2100010001';
  const nullCell = `471fff10${'ff'.repeat(184)}`;
  const scrambled = cell(256, `${pes} 000001b3`).replace(/^(.{6})3/, '$1b');
  const rest = cell(256, 'aabbcc', 0, false);
  check(t, videoClassifier('MP2T'), [
    ['program association', cell(0, '00 00b00d 0001c10000'), parameter],
    ['program map', cell(4096, '00 02b012 0001c10000'), parameter],
    ['marked video', cell(256, `${pes} 00000141`, 0x40), randomAccess],
    ['marked audio', cell(257, `${audioPes} fff1`, 0x40), picture],
    ['marked, but nothing starts', cell(256, 'aabbcc', 0x40, false), picture],
    ['H.264 delimiter and SPS', cell(256, `${pes} 00000109f0 00000001674200`), randomAccess],
    ['H.264 delimiter and IDR', cell(256, `${pes} 0000000109f0 00000165888400`), randomAccess],
    ['H.264 delimiter and slice', cell(256, `${pes} 0000000109f0 000001419a000000`), picture],
    ['H.264 SPS of which one byte is there', cell(256, `${pes} 00000109f0 0000016742`), randomAccess],
    ['H.264 SPS first', cell(256, `${pes} 00000001674200`), randomAccess],
    ['H.265 delimiter and VPS', cell(256, `${pes} 00000001460150 00000001400100`), randomAccess],
    ['H.265 VPS first', cell(256, `${pes} 00000001400100`), randomAccess],
    ['H.265 IRAP 16', cell(256, `${pes} 00000001460150 0000012001af00`), randomAccess],
    ['H.265 IRAP 23', cell(256, `${pes} 00000001460150 0000012e01af00`), randomAccess],
    ['H.265 type 24', cell(256, `${pes} 00000001460150 0000013001af00`), picture],
    ['H.265 type 15', cell(256, `${pes} 00000001460150 0000011e01af00`), picture],
    ['H.265 SPS', cell(256, `${pes} 00000001460150 0000014201af00`), randomAccess],
    ['H.265 PPS', cell(256, `${pes} 00000001460150 0000014401af00`), picture],
    ['H.265 delimiter and IRAP', cell(256, `${pes} 00000001460150 0000012601af00`), randomAccess],
    ['H.265 delimiter and slice', cell(256, `${pes} 00000001460150 0000010201d0ff`), picture],
    ['MPEG-2 sequence header', cell(256, `${pes} 000001b3140f`), randomAccess],
    ['MPEG-2 picture with slice 5', cell(256, `${pes} 00000100 0010 00000105 0000`), picture],
    ['MPEG-2 group', cell(256, `${pes} 000001b8 0008 00000105 0000`), picture],
    ['PES packet of which only the header is there', cell(256, pes), picture],
    ['marked PES packet of nine bytes', cell(256, '000001e0 0000 8080 00', 0x40), randomAccess],
    ['PES packet cut off', cell(256, '000001e0 0000'), picture],
    ['rest of a picture', rest, picture],
    ['scrambled', scrambled, picture],
    ['nothing but filling', `${nullCell}${nullCell}`, other],
    ['nothing but an adaptation field', `4701002000${'ff'.repeat(183)}`, other],
    ['adaptation field of one byte', `4741003001 40 ${pes} ${'ff'.repeat(168)}`, randomAccess],
    ['adaptation field past the end', `47410030ff${'ff'.repeat(183)}`, other],
    ['tables', `${nullCell}${cell(0, '00 00b00d')}`, parameter],
    ['tables, then the rest of a picture', `${cell(0, '00 00b00d')}${rest}`, picture],
    ['rest of a picture, then a marked one', `${rest}${cell(256, pes, 0x40)}`, randomAccess],
    ['half a cell behind', `${rest}${cell(256, pes, 0x40).slice(0, 200)}`, picture],
    ['no synchronisation', `00${rest.slice(2)}`, other],
    ['empty', '', other],
  ]);
});

t.test('roles are small integers', async (t) => {
  t.same(ROLE, { other: 0, parameter: 1, randomAccess: 2, picture: 3 });
});

t.test('which classifier serves which stream', async (t) => {
  const intraOnly: readonly [string, string][] = [
    ['MPEG4-GENERIC', 'audio'],
    ['OPUS', 'audio'],
    ['PCMU', 'audio'],
    ['AN-ENCODING-OF-TOMORROW', 'audio'],
    ['VND.ONVIF.METADATA', 'application'],
    ['RAW', 'video'],
    ['JPEG2000', 'video'],
  ];
  for (const [encoding, media] of intraOnly) {
    const classifier = classifierFor(encoding, media);
    t.same([classifier?.intraOnly, classifier?.hasParameters], [true, false], encoding);
    if (classifier !== undefined)
      check(t, classifier, [
        ['any packet', '00', randomAccess],
        ['empty', '', other],
      ]);
  }
  t.equal(classifierFor('H261', 'video'), undefined);
  t.equal(classifierFor('AN-ENCODING-OF-TOMORROW', 'video'), undefined);
  t.equal(classifierFor('', 'video'), undefined);
  t.equal(roleOf(videoClassifier('h264'), hex('6588')), randomAccess, 'names in any case');
  t.equal(classifierFor('MP2T', 'application')?.intraOnly, false, 'by encoding before media');
});
