import t from 'tap';
import { parseDescription, rewriteDescription, RtspError } from '../src/index.js';
import type { StreamDescription } from '../src/index.js';
import { outcome } from './support.js';

const SESSION = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\n';
const VIDEO = 'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n';

function stream(media: string): StreamDescription {
  return parseDescription(SESSION + media).streams[0]!;
}

void t.test('a description with everything', (t) => {
  const fmtp = 'packetization-mode=1;profile-level-id=001400;sprop-parameter-sets=Z2QA,aO4=; x';
  const text = `${SESSION}a=control:*\r\na=range:npt=0-60.5\r\n${VIDEO}b=AS:500\r\na=fmtp:96 ${fmtp}\r\nm=audio 0 RTP/AVP 97 0\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=control:rtsp://h/a/2\r\n`;
  const { streams, fingerprint, ...rest } = parseDescription(text);
  t.strictSame(rest, {
    text,
    control: '*',
    range: { unit: 'npt', start: 0, end: 60.5 },
    onDemand: true,
    durationSeconds: 60.5,
  });
  t.match(fingerprint, /^[0-9a-f]{64}$/);
  t.strictSame(streams, [
    {
      index: 0,
      media: 'video',
      payloadType: 96,
      encoding: 'H264',
      clockRate: 90_000,
      fmtp,
      control: 'trackID=1',
      bandwidthKbps: 500,
    },
    {
      index: 1,
      media: 'audio',
      payloadType: 97,
      encoding: 'MPEG4-GENERIC',
      clockRate: 48_000,
      control: 'rtsp://h/a/2',
    },
  ]);
  t.end();
});

void t.test('payload types', (t) => {
  const rows: readonly (readonly [string, number, string, number])[] = [
    ['m=audio 0 RTP/AVP 0', 0, 'PCMU', 8000],
    ['m=audio 0 RTP/AVP 8\t ', 8, 'PCMA', 8000],
    ['m=audio 0 RTP/AVP 14', 14, 'MPA', 90_000],
    ['m=video 0 RTP/AVP 26', 26, 'JPEG', 90_000],
    ['m=video 0 RTP/AVP 33', 33, 'MP2T', 90_000],
    ['m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMU/8000/1', 8, 'PCMU', 8000],
    ['m=video 0 RTP/AVP 96 97\na=rtpmap:97 VP8/90000\na=rtpmap:96 H265/90000', 96, 'H265', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:97 H264/90000', 96, '', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0', 96, 'H264', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:96 H264/-1', 96, 'H264', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:96 H264/4294967296', 96, 'H264', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:96 H264/text', 96, 'H264', 90_000],
    ['m=video 0 RTP/AVP 96\na=rtpmap:96', 96, '', 90_000],
    ['m=audio 0 RTP/AVP 98\na=rtpmap:98 opus', 98, 'OPUS', 48_000],
    ['m=audio 0 RTP/AVP 98\na=rtpmap:98 L16', 98, 'L16', 8000],
    ['m=audio 0 RTP/AVP 98\na=rtpmap:98 123/8000', 98, '123', 8000],
    ['m=video 0 RTP/AVP 128', -1, '', 90_000],
    ['m=application/TP-LINK/90000 0 RTP/AVP smart/1/90000', -1, '', 90_000],
    ['m=5 0 RTP/AVP', -1, '', 90_000],
    ['m=', -1, '', 90_000],
  ];
  for (const [media, payloadType, encoding, clockRate] of rows)
    t.match(stream(media), { payloadType, encoding, clockRate }, media);
  t.equal(stream('m=vana 0 RTP/AVP 96').media, 'vana', 'unknown media stay');
  t.equal(stream('m=application/TP-LINK/90000 0 RTP/AVP smart/1/90000').media, 'application');
  t.end();
});

void t.test('ranges: what is a recording and what is live', (t) => {
  const rows: readonly (readonly [string, string, boolean, number?])[] = [
    ['a=range:npt=0-596.48', '', true, 596.48],
    ['a=range: npt=0-60.000', '', true, 60],
    ['a=range:npt=0- 596.48', '', true, 596.48],
    ['a=range:npt=now-60', '', true, 60],
    ['a=range:clock=20240101T000000Z-20240101T001000.5Z', '', true, 600.5],
    ['', 'a=range:npt=0-30', true, 30],
    ['a=range:npt=nan-', 'a=range:npt=0-30', true, 30],
    ['a=range:npt=now-', 'a=range:npt=0-30', false],
    ['a=range:npt=0-', '', false],
    ['a=range:npt=0-0', '', false],
    ['a=range:npt=5-2', '', false],
    ['a=range:npt=0-1e308', '', false],
    ['a=range:clock=20240101T000000Z-', '', false],
    ['a=range:smpte=9:9:9-', '', false],
    ['a=length:npt=60', '', false],
    ['', '', false],
  ];
  for (const [session, media, onDemand, durationSeconds] of rows) {
    const description = parseDescription(`${SESSION}${session}\r\n${VIDEO}${media}\r\n`);
    t.match(description, { onDemand, durationSeconds }, `${session} ${media}`);
  }
  const longest = parseDescription(`${VIDEO}a=range:npt=0-30\r\n${VIDEO}a=range:npt=0-40\r\n${VIDEO}`);
  t.equal(longest.durationSeconds, 40, 'the longest stream');
  t.end();
});

void t.test('what is no description', (t) => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['empty', '', '502 description'],
    ['HTML', '<html>', '502 description'],
    ['no stream', SESSION, '502 description'],
    ['a NUL', `${SESSION}${VIDEO}a=\0\r\n`, '502 description'],
    ['256 KiB', `${SESSION}${VIDEO}a=${'A'.repeat(262_144)}`, '502 description-too-large'],
    ['1025 lines', 'm=video 0 RTP/AVP 96\n'.padEnd(21 + 1025 * 4, 'a=x\n'), '502 description-too-large'],
    ['17 streams', SESSION + VIDEO.repeat(17), '502 description-too-large'],
  ];
  for (const [name, text, expected] of rows)
    t.equal(
      outcome(() => parseDescription(text)),
      expected,
      name,
    );
  t.throws(() => parseDescription(''), new RtspError('origin', 'description', { detail: 'no stream' }));
  const tolerated = [
    'm=video 0 RTP/AVP 96',
    `\uFEFF${SESSION}${VIDEO}`,
    (SESSION + VIDEO).replaceAll('\r\n', '\n'),
    (SESSION + VIDEO).replaceAll('\r\n', '\r'),
    `o=-0 \r\ns=\r\n${VIDEO}`,
    `junk\r\n=\r\n${VIDEO}`,
    SESSION + VIDEO.repeat(16),
  ];
  for (const text of tolerated)
    t.ok(parseDescription(text).streams.length > 0, JSON.stringify(text.slice(0, 40)));
  t.end();
});

void t.test('the fingerprint sees other media and nothing else', (t) => {
  const base = `${SESSION}a=range:npt=0-60\r\n${VIDEO}a=fmtp:96 x=1\r\n`;
  const print = (from: string, to: string): string => {
    t.ok(base.includes(from), `${from} is there to be replaced`);
    return parseDescription(base.replace(from, to)).fingerprint;
  };
  const { fingerprint } = parseDescription(base);
  for (const [from, to] of [
    ['o=- 1 1', 'o=- 99 99'],
    ['s=x', 's=y'],
    ['t=0 0', 't=1 1'],
    ['t=0 0', 't=0 0\r\na=tool:LIVE555\r\na=etag:1'],
    ['m=video 0', 'm=video 5004'],
    ['npt=0-60', 'npt=now-60'],
    ['a=control:', 'a=ssrc:1 cname:x\r\na=control:'],
    ['\r\n', '\n'],
  ] as const) {
    t.equal(print(from, to), fingerprint, `${from} -> ${to}`);
  }
  for (const [from, to] of [
    ['H264/90000', 'H265/90000'],
    ['x=1', 'x=2'],
    ['trackID=1', 'trackID=2'],
    ['npt=0-60', 'npt=0-61'],
    ['npt=0-60', 'npt=0-'],
    ['AVP 96', 'AVP 96 97'],
    ['a=fmtp', 'm=audio 0 RTP/AVP 0\r\na=fmtp'],
  ] as const) {
    t.not(print(from, to), fingerprint, `${from} -> ${to}`);
  }
  t.not(
    print('npt=0-60', 'clock=20240101T000000Z-20240101T000100Z'),
    print('npt=0-60', 'clock=20240102T000000Z-20240102T000100Z'),
    'two recordings of equal length',
  );
  t.end();
});

void t.test('the description for viewers', (t) => {
  const text = [
    'v=0',
    'o=- 1 1 IN IP4 10.0.0.1',
    's=\u00e9',
    'c=IN IP4 224.2.1.1/127',
    't=0 0',
    'a=control:rtsp://10.0.0.1/a/',
    'a=range:npt=now-60',
    'a=source-filter: incl IN IP4 * 10.0.0.1',
    'm=video 5004/2 RTP/AVP 96',
    'c=IN IP6 ff15::101',
    'a=control:rtsp://10.0.0.1/a/trackID=9',
    'a=control:twice',
    'a=rtpmap:96 H264/90000 ',
    'a=fmtp:96 packetization-mode=1; profile-level-id=001400',
    'a=rtcp:53020 IN IP4 126.16.64.4',
    'a=range:npt=0-60',
    'm=audio 0 RTP/AVP 0',
    'a=rtcp-fb:* nack',
  ];
  const expected = [
    'v=0',
    'o=- 1 1 IN IP4 10.0.0.1',
    's=\u00e9',
    'c=IN IP4 0.0.0.0',
    't=0 0',
    'a=control:*',
    'a=range:npt=0-60.25',
    'm=video 0 RTP/AVP 96',
    'c=IN IP6 ::',
    'a=control:trackID=0',
    'a=rtpmap:96 H264/90000 ',
    'a=fmtp:96 packetization-mode=1; profile-level-id=001400',
    'm=audio 0 RTP/AVP 0',
    'a=rtcp-fb:* nack',
    'a=control:trackID=1',
    '',
  ];
  const rewritten = rewriteDescription(parseDescription(text.join('\n')), { rangeEndSeconds: 60.25 });
  t.equal(rewritten, expected.join('\r\n'));
  t.match(parseDescription(rewritten), {
    durationSeconds: 60.25,
    control: '*',
    streams: [{ control: 'trackID=0' }, { control: 'trackID=1' }],
  });
  const again = rewriteDescription(parseDescription(rewritten), { rangeEndSeconds: 60.25 });
  t.equal(again, rewritten, 'a rewritten description stays as it is');
  const live = rewriteDescription(parseDescription(`v=0\r\na=range:npt=now-\r\n${VIDEO}`));
  t.equal(
    live,
    'v=0\r\na=range:npt=now-\r\na=control:*\r\n' + VIDEO.replace('trackID=1', 'trackID=0'),
    'a range stays unless one is given',
  );
  const ranged = rewriteDescription(parseDescription(`v=0\r\n${VIDEO}`), { rangeEndSeconds: 1 });
  t.equal(ranged, 'v=0\r\na=control:*\r\na=range:npt=0-1\r\n' + VIDEO.replace('trackID=1', 'trackID=0'));
  t.end();
});

void t.test('a recording by the wall clock is described by both clocks, NPT first', (t) => {
  const clock = 'a=range:clock=20260101T000000Z-20260101T001000Z\r\n';
  const video = VIDEO.replace('trackID=1', 'trackID=0');
  const shown = (text: string): string => {
    const description = parseDescription(text);
    return rewriteDescription(description, { rangeEndSeconds: description.durationSeconds! });
  };
  const npt = 'a=range:npt=0-600\r\n';
  t.equal(shown(`v=0\r\n${clock}${VIDEO}`), `v=0\r\n${npt}${clock}a=control:*\r\n${video}`);
  t.equal(
    shown(`v=0\r\n${VIDEO}${clock}`),
    `v=0\r\na=control:*\r\n${npt}${video}${clock}`,
    'of a stream too',
  );
  t.equal(
    shown(`v=0\r\na=range:npt=0-60\r\n${clock}${VIDEO}`),
    `v=0\r\na=range:npt=0-60\r\na=control:*\r\n${video}`,
    'not where the proxy goes by NPT',
  );
  t.end();
});
