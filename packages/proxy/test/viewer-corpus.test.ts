import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { sessionOf, setUpBoth, type TestViewer } from './viewer-player.js';
import { rig, until, type Rig } from './viewer-rig.js';

/** What must come of a file: `keep` the connection answers on, `close` it is closed, `fin` closed once the viewer has closed its side. */
type Then = 'keep' | 'close' | 'fin';

/**
 * Expected answers by the beginning of the file's name; the longest that fits counts. A list holds the statuses of the
 * answers in order, an inner list the alternatives that the checklist leaves. `...` means any number of the last one.
 */
const EXPECTED: Readonly<Record<string, readonly [Then, ...(number | number[] | '...')[]]>> = {
  A01: ['close', 400],
  A02: ['fin'],
  'A02-04': ['close'],
  A03: ['close', 400],
  'A03-01': ['close'],
  A04: ['close', 400],
  A05: ['keep', 501],
  A06: ['keep', 405],
  A07: ['close', 414],
  A08: ['keep', [400, 404]],
  A09: ['keep', 400],
  A10: ['keep', 400],
  A11: ['keep', 400],
  A12: ['close', 400],
  'A12-01': ['keep', 505],
  'A12-02': ['keep', 505],
  A13: ['close', 400],
  'A13-01': ['keep', 200],
  A14: ['close', 400],
  A15: ['close', 400],
  A16: ['close', 400],
  A17: ['close', 400],
  'A17-01': ['keep', 200],
  A18: ['close', 400],
  A19: ['keep', 200],
  A20: ['keep', 400],
  A21: ['keep', 400],
  A22: ['keep', 200, '...'],
  A23: ['keep', 200, '...'],
  A25: ['keep', 551],
  A26: ['close', 405],
  B01: ['close', 400],
  B02: ['close', 413],
  B03: ['close', 400],
  B04: ['close', 400],
  B05: ['fin'],
  B06: ['keep', [200, 415], '...'],
  'B06-02': ['close', 415],
  B07: ['keep', 200],
  B08: ['keep', [415, 451]],
  C01: ['close'],
  'C01-01': ['keep'],
  C02: ['keep'],
  C03: ['fin'],
  'C04-01': ['close'],
  C04: ['fin'],
  'C05-01': ['close', 400],
  C05: ['keep'],
  C06: ['keep', 461],
  C07: ['keep', 200, 461],
  C08: ['keep', 200, [200, 455]],
  D01: ['keep', 454],
  D02: ['keep', 200, '...'],
  D04: ['keep', 404],
  'D04-04': ['keep', 459],
  D05: ['keep', 459],
  D06: ['keep', 460],
  D07: ['keep', 200, 454],
  D09: ['close', 454, '...'],
  D10: ['keep', 454],
  D11: ['keep', [400, 454]],
  E01: ['keep', 462],
  'E01-03': ['keep', [461, 462]],
  E02: ['keep', 462],
  E03: ['keep', 461],
  E04: ['keep', 461],
  E05: ['keep', [400, 461]],
  E07: ['keep', [400, 461]],
  'E07-09': ['keep', 200],
  E08: ['keep', 461],
  'E08-04': ['keep', 405],
  // Nobody is asked for credentials here: they are ignored.
  F01: ['keep', 200],
  F02: ['keep', 200],
  'F02-01': ['keep', 454],
  F03: ['keep', 200],
  F08: ['keep', [200, 400]],
  G01: ['keep', [400, 403, 404]],
  G03: ['keep', 400],
  G04: ['keep', [400, 403, 404]],
  G05: ['keep', [200, 404]],
  G06: ['keep', 400],
  G07: ['keep', 502],
  G08: ['keep', 200],
  // A speed of zero is invalid (RFC 2326 section 12.35).
  'G08-02': ['keep', 400],
  G09: ['keep', [400, 457, 501]],
};

const FOLDER = join(
  process.env['FOREBAY_CORPORA'] ?? join(projectRoot(), '..', 'shared', 'corpora'),
  'bad-inputs',
  'client',
);

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'pnpm-workspace.yaml'))) folder = dirname(folder);
  return folder;
}

function expectedOf(file: string): readonly [Then, ...(number | number[] | '...')[]] | undefined {
  for (const length of [6, 3]) {
    const row = EXPECTED[file.slice(0, length)];
    if (row !== undefined) return row;
  }
  return undefined;
}

function matches(statuses: readonly number[], wanted: readonly (number | number[] | '...')[]): boolean {
  const isOpen = wanted.at(-1) === '...';
  const list = isOpen ? wanted.slice(0, -1) : wanted;
  if (isOpen ? statuses.length < list.length : statuses.length !== list.length) return false;
  return statuses.every((status, i) => {
    const want = list[Math.min(i, list.length - 1)];
    return Array.isArray(want) ? want.includes(status) : want === status;
  });
}

const PROBE = 'OPTIONS * RTSP/1.0\r\nCSeq: 424242\r\n\r\n';
const isProbe = (cseq: number | undefined): boolean => cseq === 424_242;

/** Bytes to send: a session that the file names is made first, by the file's own SETUP where it has one. */
async function prepare(r: Rig, viewer: TestViewer, file: string, bytes: Buffer): Promise<Buffer> {
  const mark = bytes.indexOf('{SESSION}');
  if (mark < 0) return bytes;
  const headEnd = bytes.indexOf('\r\n\r\n') + 4;
  let session: string;
  let rest = bytes;
  if (headEnd < mark) {
    viewer.socket.write(bytes.subarray(0, headEnd));
    await viewer.until(() => viewer.responses.length === 1);
    session = sessionOf(viewer.responses[0]!);
    rest = bytes.subarray(headEnd);
  } else {
    const owner = file.startsWith('D10') ? await r.connect('127.0.0.2') : viewer;
    session = await setUpBoth(owner, r.url('/vod/a'));
    viewer.received.length = 0;
  }
  return Buffer.from(rest.toString('latin1').replaceAll('{SESSION}', session), 'latin1');
}

const files = existsSync(FOLDER) ? readdirSync(FOLDER).sort() : [];

t.test(
  'hostile requests get the answers of the checklist',
  { skip: files.length === 0 && `no corpus at ${FOLDER}` },
  async (t) => {
    const r = await rig({ limits: { requestBurst: 2000, reportsPerSecond: 1e6 } });
    t.teardown(() => r.close());
    for (const file of files) {
      const row = expectedOf(file);
      if (row === undefined) {
        t.fail(`${file}: the table does not know it`);
        continue;
      }
      const [then, ...wanted] = row;
      // A minute for each: what one file guessed is not held against the next.
      r.clock.advance(61_000);
      const viewer = await r.connect();
      const bytes = await prepare(r, viewer, file, readFileSync(join(FOLDER, file)));
      viewer.socket.write(bytes);
      if (then === 'keep') viewer.socket.write(PROBE);
      if (then === 'fin') viewer.socket.end();
      const answered = (): boolean => viewer.responses.some((response) => isProbe(response.cseq));
      await viewer.until(() => viewer.isClosed || (then === 'keep' && answered()));
      const statuses = viewer.responses
        .filter((response) => !isProbe(response.cseq))
        .map((response) => response.status);
      t.equal(viewer.isClosed, then !== 'keep', `${file}: ${then}`);
      t.ok(matches(statuses, wanted), `${file}: ${JSON.stringify(statuses)} is ${JSON.stringify(wanted)}`);
      for (const response of viewer.responses) {
        const wantsAllow = response.status === 405 || response.status === 455;
        if (wantsAllow && then === 'keep') t.ok(response.headers.has('Allow'), `${file}: Allow`);
        if (response.status === 551) t.ok(response.headers.has('Unsupported'), `${file}: Unsupported`);
      }
      viewer.socket.destroy();
      await viewer.closed();
    }
    await until(() => r.server.connections <= 1);
    t.equal(
      (await (await r.connect()).request('DESCRIBE', r.url('/vod/a'))).status,
      200,
      'everybody else is served',
    );
  },
);
