import t from 'tap';
import {
  Framer,
  nextState,
  parseAuthorization,
  parseChallenges,
  parseDescription,
  parseRange,
  parseRtpInfo,
  parseRtspUrl,
  parseSession,
  parseTransport,
  redactUrl,
  resolveControl,
  rewriteDescription,
  RtspError,
  splitStreamUrl,
} from '../src/index.js';
import type { RtspMessage, RtspParty } from '../src/index.js';
import { samples, skipWithoutCorpora } from './corpora.js';
import type { Sample } from './corpora.js';
import { cutAt, read, singly } from './support.js';

const MOST_MS = 50;

/**
 * Runs `run` and adds it to `slow` when it takes more than 50 ms of processor time. The shortest of three runs counts: the
 * rule is about the code, not about what else the machine does.
 */
function quickly(slow: string[], name: string, run: () => void): void {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3 && shortest > MOST_MS; i++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    shortest = Math.min(shortest, (user + system) / 1000);
  }
  if (shortest > MOST_MS) slow.push(`${name}: ${shortest.toFixed(1)} ms`);
}

/** Runs `parse`; anything but an RtspError passes through and fails the test. */
function attempt(parse: () => unknown): string {
  try {
    parse();
    return 'ok';
  } catch (error) {
    if (!(error instanceof RtspError)) throw error;
    return String(error.status);
  }
}

/** What the first message or fault in the bytes of a viewer gets, as far as this package decides it. */
function verdictOn(bytes: Buffer): string {
  const verdicts: string[] = [];
  const framer = new Framer(
    {
      frame: () => undefined,
      message: (message) => verdicts.push(message.kind === 'request' ? requestVerdict(message) : 'ok'),
      refuse: (error) => verdicts.push(`keep ${error.status}`),
    },
    { from: 'viewer' },
  );
  try {
    framer.push(bytes);
  } catch (error) {
    if (!(error instanceof RtspError)) throw error;
    verdicts.push(`close ${error.status}`);
  }
  return verdicts.find((verdict) => verdict !== 'ok') ?? (verdicts.length > 0 ? 'ok' : 'nothing');
}

function requestVerdict({ method, url, headers }: RtspMessage & { kind: 'request' }): string {
  const header = (name: string, parse: (value: string) => unknown): string =>
    headers.has(name) ? attempt(() => parse(headers.get(name) ?? '')) : 'ok';
  const verdicts = [
    attempt(() => nextState('ready', method)),
    url === '*' && method === 'OPTIONS' ? 'ok' : attempt(() => splitStreamUrl(parseRtspUrl(url))),
    method === 'SETUP' ? attempt(() => parseTransport(headers.get('Transport') ?? '')) : 'ok',
    header('Session', (value) => parseSession(value)),
    header('Range', (value) => parseRange(value)),
  ];
  const bad = verdicts.find((verdict) => verdict !== 'ok');
  return bad === undefined ? 'ok' : `keep ${bad}`;
}

/** Rows of the checklist whose answer is known before any session is: id, or id and file number, and verdicts. */
const expected: Readonly<Record<string, readonly string[]>> = {
  A01: ['close 400'],
  A02: ['nothing', 'close 400'],
  A03: ['close 400'],
  A04: ['close 400'],
  A05: ['keep 501'],
  A06: ['keep 405'],
  A07: ['close 414'],
  A08: ['keep 400', 'ok'],
  A09: ['keep 400'],
  A10: ['keep 400'],
  A11: ['keep 400'],
  A12: ['keep 505', 'close 400'],
  A13: ['ok', 'close 400'],
  A14: ['close 400'],
  A15: ['close 400'],
  A16: ['close 400'],
  'A17-01': ['ok'],
  A17: ['close 400'],
  A18: ['close 400'],
  A19: ['ok'],
  A20: ['keep 400'],
  A21: ['keep 400'],
  A22: ['ok'],
  A23: ['ok'],
  A26: ['close 405'],
  B01: ['close 400'],
  B02: ['close 413'],
  B03: ['close 400'],
  B04: ['close 400'],
  B05: ['nothing'],
  B08: ['ok'],
  C05: ['close 400', 'nothing'],
  C06: ['keep 461'],
  'D11-01': ['keep 400'],
  E03: ['keep 461'],
  E04: ['keep 461'],
  E05: ['keep 400', 'keep 461', 'ok'],
  'E07-09': ['ok'],
  E07: ['keep 400', 'keep 461'],
  'E08-04': ['keep 405'],
  E08: ['keep 461', 'keep 405', 'ok'],
  G03: ['keep 400'],
  G04: ['keep 404', 'keep 400', 'ok'],
  G06: ['keep 400', 'close 400'],
  G09: ['keep 457', 'keep 400', 'keep 501'],
};

void t.test('bad inputs of viewers get the answer of the checklist', { skip: skipWithoutCorpora }, (t) => {
  const slow: string[] = [];
  const files = samples('bad-inputs/client');
  t.ok(files.length > 100, `${files.length} files`);
  for (const { name, bytes } of files) {
    const [, id = '', number = ''] = /([A-S]\d\d)-(\d\d)-[^/]*$/.exec(name) ?? [];
    const wanted = expected[`${id}-${number}`] ?? expected[id];
    let verdict = '';
    quickly(slow, name, () => (verdict = verdictOn(bytes)));
    if (wanted !== undefined) t.ok(wanted.includes(verdict), `${name}: ${verdict}`);
  }
  t.strictSame(slow, [], 'nothing is slow');
  t.end();
});

const wireFolders: readonly string[] = [
  'bad-inputs/client',
  'bad-inputs/origin',
  'rtsp/body',
  'rtsp/crash-pocs',
  'rtsp/headers',
  'rtsp/interleaved',
  'rtsp/request-sequences',
  'rtsp/requests',
  'rtsp/responses',
];

void t.test('no bytes on a connection do more than end it', { skip: skipWithoutCorpora }, (t) => {
  const slow: string[] = [];
  for (const { name, bytes } of wireFolders.flatMap(samples)) {
    for (const from of ['viewer', 'origin'] as const) {
      let whole: unknown;
      quickly(slow, `${name} from ${from}`, () => (whole = read(from, [bytes])));
      if (bytes.length < 10_000)
        t.strictSame(read(from, singly(bytes)), whole, `${name} from ${from}, byte by byte`);
      else
        t.strictSame(read(from, cutAt(bytes, [1, 7, 4099, 9001])), whole, `${name} from ${from}, in pieces`);
    }
  }
  t.strictSame(slow, [], 'nothing is slow');
  t.end();
});

type Parse = (text: string, party: RtspParty) => unknown;

const parsers: Readonly<Record<string, readonly Parse[]>> = {
  'rtsp/headers/range': [parseRange],
  'rtsp/headers/session': [parseSession],
  'rtsp/headers/transport': [parseTransport],
  'rtsp/headers/rtp-info': [parseRtpInfo],
  'rtsp/headers/authorization': [parseAuthorization],
  'rtsp/headers/www-authenticate': [(text) => parseChallenges([text])],
  'rtsp/urls': [parseRtspUrl, (text) => resolveControl('rtsp://h/a/', text)],
};

void t.test('every parser on every text', { skip: skipWithoutCorpora }, (t) => {
  const slow: string[] = [];
  const texts: Sample[] = [...Object.keys(parsers), 'rtsp/headers', 'dict', 'sdp-format-args'].flatMap(
    samples,
  );
  t.ok(texts.length > 100, `${texts.length} texts`);
  for (const { name, bytes } of texts) {
    const text = bytes.toString('utf8');
    for (const parse of [...Object.values(parsers).flat(), redactUrl]) {
      for (const party of ['viewer', 'origin'] as const)
        quickly(slow, name, () => void attempt(() => parse(text, party)));
    }
  }
  t.strictSame(slow, [], 'nothing is slow');
  t.end();
});

void t.test('session descriptions', { skip: skipWithoutCorpora }, (t) => {
  const slow: string[] = [];
  const files = [...samples('bad-inputs/sdp'), ...samples('sdp'), ...samples('rtsp')];
  t.ok(files.length > 200, `${files.length} files`);
  for (const { name, bytes } of files) {
    const text = bytes.toString('utf8');
    quickly(slow, name, () => {
      const status = attempt(() => {
        const description = parseDescription(text);
        for (const { clockRate, control } of description.streams) {
          if (!(clockRate > 0)) throw new Error(`clock rate ${clockRate} in ${name}`);
          attempt(() => resolveControl('rtsp://127.0.0.1:8554/vod/a/', control));
        }
        const viewers = rewriteDescription(description);
        const again = parseDescription(viewers);
        const kept = again.streams.every(
          ({ encoding, fmtp }, i) =>
            encoding === description.streams[i]?.encoding && fmtp === description.streams[i]?.fmtp,
        );
        if (!kept || again.onDemand !== description.onDemand) throw new Error(`rewriting changed ${name}`);
        if (rewriteDescription(again) !== viewers) throw new Error(`rewriting twice changed ${name}`);
      });
      if (status !== 'ok' && status !== '502') throw new Error(`${name}: ${status}`);
    });
  }
  t.strictSame(slow, [], 'nothing is slow');
  t.end();
});

void t.test('nothing of all this reached Object.prototype', (t) => {
  t.strictSame(
    Object.getOwnPropertyNames(Object.prototype).sort((a, b) => (a < b ? -1 : 1)),
    [
      '__defineGetter__',
      '__defineSetter__',
      '__lookupGetter__',
      '__lookupSetter__',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'isPrototypeOf',
      'propertyIsEnumerable',
      'toLocaleString',
      'toString',
      'valueOf',
    ],
  );
  t.end();
});
