import t from 'tap';
import {
  controlBase,
  Framer,
  parseChallenges,
  parseDescription,
  parseRange,
  parseRtpInfo,
  parseSession,
  parseTransport,
  resolveControl,
} from '../src/index.js';
import type { RtspResponse } from '../src/index.js';
import { samples, skipWithoutCorpora } from './corpora.js';

const REQUEST_URL = 'rtsp://cam:8554/asked';

const answers = new Map(
  samples('rtsp/responses/retina-real-cameras').map(({ name, bytes }) => [name.replace(/^.*\//, ''), bytes]),
);

/** The one answer in a file. Some files end before the last line end of their head or body. */
function answer(file: string): RtspResponse {
  const found: RtspResponse[] = [];
  const message = (received: unknown): unknown => found.push(received as RtspResponse);
  const framer = new Framer({ frame: () => undefined, message }, { from: 'origin' });
  framer.push(answers.get(file) ?? Buffer.alloc(0));
  if (framer.partial) framer.push(Buffer.from('\r\n\r\n'));
  const [first] = found;
  if (first === undefined) throw new Error(`no answer in ${file}`);
  return first;
}

/** Media, encoding, clock rate, stream URL behind `rtsp://cam:8554`. */
type StreamRow = readonly [media: string, encoding: string, clockRate: number, url: string];

interface DescribeRow {
  readonly file: string;
  readonly durationSeconds?: number;
  /** Aggregate URL behind `rtsp://cam:8554`. */
  readonly aggregate: string;
  readonly streams: readonly StreamRow[];
}

const dahua = '/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/';
const gw = '/H264?channel=1&subtype=0&unicast=true&proto=Onvif';
const gwSub = '/H264?channel=1&subtype=1&unicast=true&proto=Onvif';
const hikvision = '/Streaming/Channels/101/';
const hikvisionQuery = '?transportmode=unicast&profile=Profile_1';
const reolink: Omit<DescribeRow, 'file'> = {
  aggregate: '/h264Preview_01_main/',
  streams: [
    ['video', 'H264', 90_000, '/h264Preview_01_main/trackID=1'],
    ['audio', 'MPEG4-GENERIC', 16_000, '/h264Preview_01_main/trackID=2'],
  ],
};

const descriptions: readonly DescribeRow[] = [
  {
    file: 'anjvision_describe.txt',
    aggregate: '/stream0/',
    streams: [['video', 'H265', 90_000, '/stream0/trackID=1']],
  },
  {
    file: 'dahua_describe_h264_aac_onvif.txt',
    aggregate: dahua,
    streams: [
      ['video', 'H264', 90_000, `${dahua}trackID=0`],
      ['audio', 'MPEG4-GENERIC', 48_000, `${dahua}trackID=1`],
      ['application', 'VND.ONVIF.METADATA', 90_000, `${dahua}trackID=4`],
    ],
  },
  {
    file: 'dahua_describe_h265_pcma.txt',
    aggregate: '/cam/realmonitor?channel=1&subtype=2/',
    streams: [
      ['video', 'H265', 90_000, '/cam/realmonitor?channel=1&subtype=2/trackID=0'],
      ['audio', 'PCMA', 8000, '/cam/realmonitor?channel=1&subtype=2/trackID=1'],
    ],
  },
  {
    file: 'foscam_describe.txt',
    aggregate: '/videoMain/',
    streams: [
      ['video', 'H264', 90_000, '/videoMain/track1'],
      ['audio', 'PCMU', 8000, '/videoMain/track2'],
    ],
  },
  {
    file: 'gw_main_describe.txt',
    aggregate: gw,
    streams: [
      ['video', 'H264', 90_000, `${gw}/video`],
      ['audio', 'PCMU', 8000, `${gw}/audio`],
    ],
  },
  { file: 'gw_sub_describe.txt', aggregate: gwSub, streams: [['video', 'H264', 90_000, `${gwSub}/video`]] },
  {
    file: 'h264dvr_describe.txt',
    aggregate: '/camera',
    streams: [
      ['video', 'H264', 90_000, '/camera/trackID=3'],
      ['audio', 'PCMA', 8000, '/camera/trackID=4'],
    ],
  },
  {
    file: 'hikvision_describe.txt',
    aggregate: `${hikvision}${hikvisionQuery}`,
    streams: [
      ['video', 'H264', 90_000, `${hikvision}trackID=1${hikvisionQuery}`],
      ['application', 'VND.ONVIF.METADATA', 90_000, `${hikvision}trackID=3${hikvisionQuery}`],
    ],
  },
  {
    file: 'ipcam_describe.txt',
    aggregate: '/asked',
    streams: [['video', 'H264', 90_000, '/asked/trackID=1']],
  },
  {
    file: 'macrovideo_describe.txt',
    aggregate: '/asked',
    streams: [['video', 'H264', 90_000, '/asked/track1']],
  },
  {
    file: 'missing_content_type_describe.txt',
    aggregate: '/asked',
    streams: [
      ['video', 'H264', 90_000, '/asked/streamid=0'],
      ['audio', 'MPEG4-GENERIC', 48_000, '/asked/streamid=1'],
    ],
  },
  { file: 'reolink_describe.txt', ...reolink },
  { file: 'reolink_describe_control_first.txt', ...reolink },
  {
    file: 'response.txt',
    durationSeconds: 596.48,
    aggregate: '/vod/mp4:BigBuckBunny_115k.mov/',
    streams: [
      ['audio', 'MPEG4-GENERIC', 12_000, '/vod/mp4:BigBuckBunny_115k.mov/trackID=1'],
      ['video', 'H264', 90_000, '/vod/mp4:BigBuckBunny_115k.mov/trackID=2'],
    ],
  },
  {
    file: 'vstarcam_describe.txt',
    aggregate: '/asked',
    streams: [
      ['video', 'H264', 90_000, '/asked/track0'],
      ['audio', 'PCMA', 8000, '/asked/track1'],
    ],
  },
];

void t.test('DESCRIBE: streams and where their controls lead', { skip: skipWithoutCorpora }, (t) => {
  for (const { file, durationSeconds, aggregate, streams } of descriptions) {
    const { status, headers, body } = answer(file);
    const description = parseDescription(body.toString());
    const contentBase = headers.get('Content-Base');
    const base = controlBase({ contentBase }, REQUEST_URL);
    const found = description.streams.map(({ media, encoding, clockRate, control }) => {
      return [media, encoding, clockRate, resolveControl(base, control).replace('rtsp://cam:8554', '')];
    });
    t.equal(status, 200, file);
    t.strictSame(found, streams, `${file}: streams`);
    t.equal(resolveControl(base, description.control), `rtsp://cam:8554${aggregate}`, `${file}: aggregate`);
    t.match(
      description,
      { onDemand: durationSeconds !== undefined, durationSeconds },
      `${file}: live or not`,
    );
    t.ok(
      description.streams.every(({ fmtp }) => fmtp === undefined || body.includes(fmtp)),
      `${file}: fmtp as sent`,
    );
  }
  t.end();
});

/** File, CSeq, session id and timeout, Transport. */
const setups: readonly (readonly [string, number, string, number | undefined, object])[] = [
  ['bunny_setup.txt', 2, '1642021126', 60, { lower: 'tcp', interleaved: [0, 1] }],
  ['dahua_setup.txt', 4, '634214675641', 60, { lower: 'tcp', interleaved: [0, 1], ssrc: 0x30a98ee7 }],
  [
    'gw_main_setup_audio.txt',
    3,
    '9a90de54',
    60,
    { lower: 'tcp', interleaved: [2, 3], source: '192.168.1.110' },
  ],
  [
    'gw_main_setup_video.txt',
    2,
    '9a90de54',
    60,
    { lower: 'tcp', interleaved: [0, 1], source: '192.168.1.110' },
  ],
  ['gw_sub_setup.txt', 2, '9b0d0e54', 60, { lower: 'tcp', interleaved: [0, 1] }],
  [
    'h264dvr_setup_video.txt',
    4,
    '231970',
    60,
    { lower: 'udp', clientPort: [18714, 18715], serverPort: [40004, 40005], ssrc: 0 },
  ],
  [
    'h264dvr_setup_audio.txt',
    5,
    '231980',
    60,
    { lower: 'udp', clientPort: [18716, 18717], serverPort: [40006, 40007], ssrc: 0 },
  ],
  [
    'hikvision_setup.txt',
    2,
    '708345999',
    60,
    { lower: 'tcp', interleaved: [0, 1], ssrc: 0x4cacc3d1, mode: 'PLAY' },
  ],
  [
    'hikvision_setup_ssrc_space.txt',
    3,
    '708886412',
    60,
    { lower: 'tcp', interleaved: [0, 1], ssrc: 0xd6d6627 },
  ],
  [
    'luckfox_rkipc_setup_tcp.txt',
    2,
    '12345678',
    undefined,
    { lower: 'tcp', interleaved: [0, 1], ssrc: 0x22345684 },
  ],
  [
    'luckfox_rkipc_setup_udp.txt',
    2,
    '12345678',
    undefined,
    { lower: 'udp', clientPort: [54060, 54061], serverPort: [49152, 49153], ssrc: 0x22345685 },
  ],
  [
    'reolink_setup.txt',
    4,
    'F8F8E425',
    undefined,
    { lower: 'tcp', interleaved: [0, 1], source: '192.168.5.206' },
  ],
];

void t.test('SETUP: session and transport', { skip: skipWithoutCorpora }, (t) => {
  for (const [file, cseq, id, timeoutSeconds, transport] of setups) {
    const { headers, ...response } = answer(file);
    t.match(response, { status: 200, cseq }, file);
    t.match(parseSession(headers.get('Session') ?? '', 'origin'), { id, timeoutSeconds }, `${file}: session`);
    t.match(
      parseTransport(headers.get('Transport') ?? '', 'origin'),
      [{ delivery: 'unicast', ...transport }],
      `${file}: transport`,
    );
  }
  t.end();
});

const bunny = 'rtsp://wowzaec2demo.streamlock.net/vod/mp4:BigBuckBunny_115k.mov/trackID=2';
/** File, session id, start and end of the Range, RTP-Info. */
const plays: readonly (readonly [string, string, object | undefined, readonly object[]])[] = [
  [
    'bad_rtptime.txt',
    '551045787',
    { start: 0, end: 596.48 },
    [
      { url: 'trackID=1', seq: 1 },
      { url: bunny, seq: 1 },
    ],
  ],
  [
    'bunny_play.txt',
    '551045787',
    { start: 0, end: 596.48 },
    [
      { url: 'trackID=1', seq: 1, rtptime: 0 },
      { url: bunny, seq: 1, rtptime: 0 },
    ],
  ],
  [
    'dahua_play.txt',
    '634214684047',
    { start: 0 },
    [
      { url: 'trackID=0', seq: 47_121, rtptime: 3_475_222_385 },
      { url: 'trackID=1', seq: 45_186, rtptime: 2_234_446_919 },
      { url: 'trackID=4', seq: 36_583, rtptime: 816_418_535 },
    ],
  ],
  [
    'gw_main_play.txt',
    '9a90de54',
    { start: 0 },
    [{ url: 'rtsp://192.168.1.110:5050/H264/video', seq: 271, rtptime: 1_621_990_950 }],
  ],
  [
    'gw_sub_play.txt',
    '9b0d0e54',
    { start: 0 },
    [{ url: 'rtsp://192.168.1.110:5049/H264/video', seq: 273, rtptime: 1_621_810_809 }],
  ],
  ['h264dvr_play.txt', '231970', { start: 'now' }, []],
  [
    'hikvision_play.txt',
    '708345999',
    undefined,
    [
      {
        url: `rtsp://192.168.5.106:554${hikvision}trackID=1${hikvisionQuery}`,
        seq: 24_104,
        rtptime: 1_270_711_678,
      },
    ],
  ],
  [
    'laureii_play.txt',
    '1234567890',
    { start: 0 },
    [{ url: 'rtsp://192.168.1.19:554/0/main/trackID=0', seq: 0, rtptime: 0 }],
  ],
  [
    'reolink_play.txt',
    'F8F8E425',
    { start: 0 },
    [
      { url: 'trackID=1', seq: 16_852, rtptime: 1_070_938_629 },
      { url: 'trackID=2', seq: 39_409, rtptime: 3_075_976_528 },
    ],
  ],
];

void t.test('PLAY: session, range and RTP-Info', { skip: skipWithoutCorpora }, (t) => {
  for (const [file, id, range, info] of plays) {
    const { headers } = answer(file);
    const header = headers.get('Range');
    t.equal(parseSession(headers.get('Session') ?? '', 'origin').id, id, file);
    t.strictSame(
      header === undefined ? undefined : parseRange(header, 'origin'),
      range && { unit: 'npt', ...range },
      `${file}: range`,
    );
    t.strictSame(parseRtpInfo(headers.get('RTP-Info') ?? ''), info, `${file}: RTP-Info`);
  }
  t.end();
});

void t.test('other answers, and none left out', { skip: skipWithoutCorpora }, (t) => {
  const longse = answer('longse_unauthorized.txt');
  t.match(longse, { status: 401, reason: 'Unauthorized', cseq: 1 });
  t.strictSame(parseChallenges(longse.headers.all('WWW-Authenticate')), [
    { scheme: 'digest', realm: 'Surveillance Server', nonce: '98481030' },
  ]);
  const options = answer('dahua_options.txt');
  t.equal(options.headers.get('public')?.split(', ').length, 10);
  t.match(answer('reolink_teardown.txt'), { status: 200, cseq: 7 });
  const tested = [...descriptions.map(({ file }) => file), ...[...setups, ...plays].map(([file]) => file)];
  const others = ['longse_unauthorized.txt', 'dahua_options.txt', 'reolink_teardown.txt'];
  t.strictSame(
    [...answers.keys()].filter((file) => ![...tested, ...others].includes(file)),
    [],
    'files without a row',
  );
  t.end();
});
