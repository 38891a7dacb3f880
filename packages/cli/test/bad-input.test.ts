import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { RigOrigin, syntheticTitle } from '@forebay/rig';
import { Framer, parseSession, type RtspMessage, type RtspResponse } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { BAD_DIALOGUES } from './bad-dialogues.js';
import type { BadInput } from './bad-inputs.js';
import { BAD_REQUESTS } from './bad-requests.js';
import { running, type Running } from './spawned.js';

const PROBE_CSEQ = 424_242;
const PROBE = `OPTIONS * RTSP/1.0\r\nCSeq: ${PROBE_CSEQ}\r\n\r\n`;
/** Each viewer has an address of its own: what one guessed is not held against the next. */
const FIRST_ADDRESS = 16;

t.jobs = 8;
t.setTimeout(120_000);

/** A socket that writes what it is told, and reads answers. */
class RawViewer {
  readonly socket: Socket;
  readonly responses: RtspResponse[] = [];
  isClosed = false;
  #wake: () => void = () => undefined;

  constructor(port: number, localAddress: string) {
    this.socket = connect({ port, host: '127.0.0.1', localAddress });
    const framer = new Framer(
      {
        message: (message: RtspMessage) => {
          if (message.kind === 'response') this.responses.push(message);
        },
        frame: () => undefined,
      },
      { from: 'origin' },
    );
    this.socket.on('data', (chunk) => {
      framer.push(chunk);
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.isClosed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
}

const origin = await RigOrigin.start({
  titles: {
    '/film': syntheticTitle({ seconds: 600, videoKbps: 100 }),
    '/other': syntheticTitle({ seconds: 600, videoKbps: 100 }),
  },
});
t.teardown(() => origin.close());
/** The command in front of the origin, with a cache of its own. */
function serve(test: Test): Running {
  const places = ['--origin', origin.url('/'), '--cache-dir', join(test.testdir(), 'cache')];
  return running(test, ['serve', ...places, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
}

const serving = serve(t);
const { rtsp, admin } = await serving.logged('forebay serves');
const host = String(rtsp);
const port = Number(host.split(':')[1]);
let viewers = 0;

async function open(): Promise<RawViewer> {
  const address = FIRST_ADDRESS + viewers++;
  const viewer = new RawViewer(port, `127.0.${address >> 8}.${address & 0xff}`);
  await once(viewer.socket, 'connect');
  return viewer;
}

/** Of `forebay_rejects_total`. */
async function rejected(reason: string): Promise<number> {
  const text = await (await fetch(`http://${String(admin)}/metrics`)).text();
  return Number(
    new RegExp(`^forebay_rejects_total\\{reason="${reason}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
  );
}

/** Sets up the first stream where `bytes` names a session. */
async function prepared(viewer: RawViewer, { bytes }: BadInput): Promise<Buffer> {
  let text = bytes.replaceAll('{U}', `rtsp://${host}/film`).replaceAll('{H}', host);
  if (/\{[SP]\}/.test(text)) {
    viewer.socket.write(
      `SETUP rtsp://${host}/film/trackID=0 RTSP/1.0\r\nCSeq: 77\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`,
    );
    await viewer.until(() => viewer.responses.length === 1);
    const session = parseSession(viewer.responses.shift()?.headers.get('Session') ?? '').id;
    text = text.replaceAll('{S}', session).replaceAll('{P}', '');
  }
  return Buffer.from(text, 'latin1');
}

async function check(t: Test, input: BadInput): Promise<void> {
  const { name, outcome, statuses, counted, has = [] } = input;
  const viewer = await open();
  const bytes = await prepared(viewer, input);
  const before = counted === undefined ? 0 : await rejected(counted);
  viewer.socket.write(bytes);
  if (outcome === 'keep') viewer.socket.write(PROBE);
  if (outcome === 'fin') viewer.socket.end();
  await viewer.until(() => outcome === 'keep' && viewer.responses.at(-1)?.cseq === PROBE_CSEQ);
  const answers = viewer.responses.filter(({ cseq }) => cseq !== PROBE_CSEQ);
  const got = answers.map(({ status }) => status);
  const fits =
    got.length === statuses.length &&
    statuses.every((want, i) => (typeof want === 'number' ? want === got[i] : want.includes(got[i]!)));
  t.ok(fits, `${name}: ${JSON.stringify(got)} is ${JSON.stringify(statuses)}`);
  t.equal(viewer.isClosed, outcome !== 'keep', `${name}: ${outcome}`);
  for (const header of has) t.ok(answers.at(-1)?.headers.has(header), `${name}: ${header}`);
  viewer.socket.destroy();
  if (counted !== undefined) t.ok((await rejected(counted)) > before, `${name}: counted as ${counted}`);
}

for (const [section, inputs] of Object.entries({ ...BAD_REQUESTS, ...BAD_DIALOGUES })) {
  t.test(`${section}: ${inputs.length} bad inputs`, async (t) => {
    for (const input of inputs) await check(t, input);
  });
}

t.test('a dialogue that comes byte by byte is the same dialogue', async (t) => {
  const viewer = await open();
  viewer.socket.setNoDelay(true);
  const bytes = await prepared(viewer, {
    name: '',
    bytes:
      'DESCRIBE {U} RTSP/1.0\r\nCSeq: 1\r\n\r\nSET_PARAMETER {U} RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 0\r\n\r\n$\0\0\x02xxOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n',
    outcome: 'keep',
    statuses: [],
  });
  for (const byte of bytes) {
    viewer.socket.write(Buffer.of(byte));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await viewer.until(() => viewer.responses.length === 3);
  t.same(
    viewer.responses.map(({ cseq, status }) => [cseq, status]),
    [
      [1, 200],
      [2, 200],
      [3, 200],
    ],
  );
  viewer.socket.destroy();
});

t.test('a session is of use to nobody at another address', async (t) => {
  const owner = await open();
  const named: BadInput = {
    name: '',
    bytes: 'PLAY {U} RTSP/1.0\r\nCSeq: 1\r\nSession: {S}\r\n\r\n',
    outcome: 'keep',
    statuses: [],
  };
  const bytes = (await prepared(owner, named)).toString('latin1');
  for (const method of ['PLAY', 'PAUSE', 'TEARDOWN', 'SET_PARAMETER']) {
    const thief = await open();
    thief.socket.write(bytes.replace('PLAY', method));
    await thief.until(() => thief.responses.length === 1);
    t.equal(thief.responses[0]?.status, 454, method);
    thief.socket.destroy();
  }
  owner.socket.write(bytes);
  await owner.until(() => owner.responses.length === 1);
  t.equal(owner.responses[0]?.status, 200, 'the owner plays undisturbed');
  owner.socket.destroy();
});

t.test('a viewer that resets its connection in mid-stream leaves nothing behind', async (t) => {
  const own = serve(t);
  const where = await own.logged('forebay serves');
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://${String(where['admin'])}/metrics`)).text();
    const values = [...text.matchAll(new RegExp(`^forebay_${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  };
  const viewer = new RawViewer(Number(String(where['rtsp']).split(':')[1]), '127.0.0.1');
  const url = `rtsp://${String(where['rtsp'])}/film`;
  viewer.socket.write(
    `SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`,
  );
  await viewer.until(() => viewer.responses.length === 1);
  const session = parseSession(viewer.responses[0]?.headers.get('Session') ?? '').id;
  viewer.socket.write(`PLAY ${url} RTSP/1.0\r\nCSeq: 2\r\nSession: ${session}\r\n\r\n`);
  await viewer.until(() => viewer.responses.length === 2);
  t.equal(await metric('viewer_sessions'), 1);
  t.ok((await metric('origin_sessions')) > 0);
  viewer.socket.resetAndDestroy();
  t.match(await own.logged('viewer session ended'), { title: '/film' });
  t.equal(await metric('viewer_sessions'), 0);
  while ((await metric('origin_sessions')) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  t.pass('the origin has its session back');
});
