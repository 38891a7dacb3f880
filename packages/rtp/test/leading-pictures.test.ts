import t from 'tap';
import { hex } from './corpus.js';
import { videoClassifier } from './roles.js';

t.test('pictures that may be shown before the key frame in front of them', async (t) => {
  const cases: Readonly<Record<string, readonly (readonly [string, string, boolean])[]>> = {
    H264: [
      ['P slice, all of the picture', '419a22', false],
      ['P slice', '41e2', false],
      ['I slice', '4188', false],
      ['B slice, all of the picture', '019e42', true],
      ['B slice', '41a2', true],
      ['B slice behind 40 macroblocks', '01 0528', true],
      ['P slice behind 40 macroblocks', '01 0530', false],
      ['IDR slice', '658884', false],
      ['first fragment of a B slice', '1c 81 9e42', true],
      ['first fragment of a P slice', '5c 81 9a22', false],
      ['later fragment', '5c 01 9a22', true],
      ['PPS', '68ce3c80', true],
      ['a slice without a header', '41', false],
      ['a slice header that makes no sense', '41 000000000000', false],
      ['nothing', '', true],
    ],
    H265: [
      ['RASL', '1001 80', true],
      ['RADL', '0c01 80', true],
      ['trailing picture', '0201 80', false],
      ['CRA', '2a01 80', false],
      ['fragment of a RASL', '6201 08 80', true],
      ['fragment of a trailing picture', '6201 01 80', false],
      ['PPS', '4401 80', true],
      ['nothing', '', true],
    ],
    MPV: [
      ['B-picture', '00001300 00000102', true],
      ['P-picture', '00001200 00000102', false],
      ['I-picture', '00001900 00000102', false],
      ['empty header: B-picture', '00000000 00000100 005ffffb', true],
      ['empty header: P-picture', '00000000 00000100 00d7fffb', false],
      ['empty header: in the middle of a slice', '00000000 1298050a', true],
      ['nothing', '', true],
    ],
  };
  for (const [encoding, rows] of Object.entries(cases)) {
    const { mayLead } = videoClassifier(encoding);
    for (const [name, payload, expected] of rows) {
      const bytes = hex(payload);
      t.equal(mayLead?.(bytes, 0, bytes.length), expected, `${encoding}: ${name}`);
    }
  }
});
