import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { corpus, skipCorpora, withCseq } from './origin-corpora.js';
import {
  type Asked,
  bench,
  describes,
  describeWith,
  header,
  never,
  pathOf,
  type Script,
  until,
  vod,
} from './origin-fakes.js';

const FOLDER = 'rtsp/responses/retina-real-cameras';

interface Camera {
  /** Files of answers, without their ending. */
  readonly describe: string;
  readonly setup?: readonly string[];
  readonly play?: string;
  /** Path and query that are asked for. */
  readonly path: string;
  /** Paths of the streams' SETUPs, and of PLAY. */
  readonly streams: readonly string[];
  readonly aggregate: string;
  /** First sequence numbers that RTP-Info tells, by stream. */
  readonly sequences?: readonly (number | undefined)[];
  readonly transport?: 'udp';
}

const DAHUA = '/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/';
const GW = '/H264?channel=1&subtype=0&unicast=true&proto=Onvif';
const HIKVISION = '/Streaming/Channels/101/';
const PROFILE = '?transportmode=unicast&profile=Profile_1';

/** What players send to these cameras, and what the cameras take. */
const CAMERAS: readonly Camera[] = [
  {
    describe: 'anjvision_describe',
    path: '/stream0',
    streams: ['/stream0/trackID=1'],
    aggregate: '/stream0/',
  },
  {
    describe: 'dahua_describe_h264_aac_onvif',
    setup: ['dahua_setup'],
    play: 'dahua_play',
    path: DAHUA.slice(0, -1),
    streams: [`${DAHUA}trackID=0`, `${DAHUA}trackID=1`, `${DAHUA}trackID=4`],
    aggregate: DAHUA,
    sequences: [47121, 45186, 36583],
  },
  {
    describe: 'dahua_describe_h265_pcma',
    path: '/cam/realmonitor?channel=1&subtype=2',
    streams: [
      '/cam/realmonitor?channel=1&subtype=2/trackID=0',
      '/cam/realmonitor?channel=1&subtype=2/trackID=1',
    ],
    aggregate: '/cam/realmonitor?channel=1&subtype=2/',
  },
  {
    describe: 'foscam_describe',
    path: '/videoMain',
    streams: ['/videoMain/track1', '/videoMain/track2'],
    aggregate: '/videoMain/',
  },
  {
    describe: 'gw_main_describe',
    setup: ['gw_main_setup_video', 'gw_main_setup_audio'],
    play: 'gw_main_play',
    path: GW,
    streams: [`${GW}/video`, `${GW}/audio`],
    aggregate: GW,
    sequences: [271, undefined],
  },
  {
    describe: 'gw_sub_describe',
    setup: ['gw_sub_setup'],
    play: 'gw_sub_play',
    path: '/H264?channel=1&subtype=1&unicast=true&proto=Onvif',
    streams: ['/H264?channel=1&subtype=1&unicast=true&proto=Onvif/video'],
    aggregate: '/H264?channel=1&subtype=1&unicast=true&proto=Onvif',
    sequences: [273],
  },
  {
    describe: 'h264dvr_describe',
    setup: ['h264dvr_setup_video', 'h264dvr_setup_audio'],
    play: 'h264dvr_play',
    path: '/camera',
    streams: ['/camera/trackID=3', '/camera/trackID=4'],
    aggregate: '/camera',
    transport: 'udp',
  },
  {
    describe: 'hikvision_describe',
    setup: ['hikvision_setup', 'hikvision_setup_ssrc_space'],
    play: 'hikvision_play',
    path: HIKVISION.slice(0, -1),
    streams: [`${HIKVISION}trackID=1${PROFILE}`, `${HIKVISION}trackID=3${PROFILE}`],
    aggregate: `${HIKVISION}${PROFILE}`,
    sequences: [24104, undefined],
  },
  { describe: 'ipcam_describe', path: '/11', streams: ['/11/trackID=1'], aggregate: '/11' },
  { describe: 'macrovideo_describe', path: '/cam', streams: ['/cam/track1'], aggregate: '/cam' },
  {
    describe: 'missing_content_type_describe',
    path: '/live',
    streams: ['/live/streamid=0', '/live/streamid=1'],
    aggregate: '/live',
  },
  ...['reolink_describe', 'reolink_describe_control_first'].map((describe): Camera => ({
    describe,
    setup: ['reolink_setup'],
    play: 'reolink_play',
    path: '/h264Preview_01_main',
    streams: ['/h264Preview_01_main/trackID=1', '/h264Preview_01_main/trackID=2'],
    aggregate: '/h264Preview_01_main/',
    sequences: [16852, 39409],
  })),
  {
    describe: 'response',
    setup: ['bunny_setup'],
    play: 'bunny_play',
    path: '/vod/mp4:BigBuckBunny_115k.mov',
    streams: ['/vod/mp4:BigBuckBunny_115k.mov/trackID=1', '/vod/mp4:BigBuckBunny_115k.mov/trackID=2'],
    aggregate: '/vod/mp4:BigBuckBunny_115k.mov/',
    sequences: [1, 1],
  },
  {
    describe: 'vstarcam_describe',
    setup: ['luckfox_rkipc_setup_udp'],
    play: 'laureii_play',
    path: '/tcp/av0_0',
    streams: ['/tcp/av0_0/track0', '/tcp/av0_0/track1'],
    aggregate: '/tcp/av0_0',
    transport: 'udp',
  },
  {
    describe: 'vstarcam_describe',
    setup: ['luckfox_rkipc_setup_tcp'],
    play: 'bad_rtptime',
    path: '/tcp/av0_0',
    streams: ['/tcp/av0_0/track0', '/tcp/av0_0/track1'],
    aggregate: '/tcp/av0_0',
  },
];

/** A recorded answer, with the channels and ports that the one who recorded it had asked for replaced by ours. */
function answer(name: string, request: Asked): Buffer {
  const [bytes] = corpus(FOLDER, `${name}.txt`).map(([, content]) => content);
  if (bytes === undefined) throw new Error(`no ${name}`);
  const asked = header(request, 'transport') ?? '';
  const ours = /(?:interleaved|client_port)=\S+/.exec(asked)?.[0] ?? '';
  const text = withCseq(bytes, request.cseq).toString('latin1');
  return Buffer.from(text.replace(/(?:interleaved|client_port)=[\d-]+/, ours), 'latin1');
}

function play(camera: Camera): Script {
  let setups = 0;
  return (request, peer) => {
    const { setup, play: playing } = camera;
    if (request.method === 'DESCRIBE') return answer(camera.describe, request);
    if (request.method === 'SETUP' && setup !== undefined) {
      return answer(setup[Math.min(setups++, setup.length - 1)]!, request);
    }
    if (request.method === 'PLAY' && playing !== undefined) return answer(playing, request);
    return vod()(request, peer);
  };
}

t.test('real cameras are set up and played', { skip: skipCorpora }, async (t) => {
  for (const camera of CAMERAS) {
    await t.test(`${camera.describe}, ${camera.play ?? 'played by anybody'}`, async (t) => {
      const { origin, client, sink } = await bench(t, play(camera), {
        route: { transport: camera.transport ?? 'tcp' },
      });
      const described = await client.describe(camera.path, never);
      const { streams, onDemand } = described.description;
      const session = await client.open(
        {
          origin: described,
          streams: streams.map(({ index }) => index),
          startSeconds: onDemand ? 0 : undefined,
          signal: never,
        },
        sink,
      );
      session.start();
      const setups = origin.asked.filter((a) => a.method === 'SETUP');
      t.strictSame(setups.map(pathOf), camera.streams, 'streams');
      const playing = origin.asked.find((a) => a.method === 'PLAY')!;
      t.equal(pathOf(playing), camera.aggregate, 'presentation');
      t.ok(
        origin.asked.every(({ url }) => url.startsWith(origin.url('/'))),
        'no other host',
      );
      t.equal(header(playing, 'range') === undefined, !onDemand, 'live media is sent no Range');
      if (camera.sequences !== undefined) {
        t.strictSame(
          session.reply.rtpInfo.map((entry) => entry?.seq),
          camera.sequences,
          'RTP-Info',
        );
      }
      await session.close();
      await until(() => origin.open === 0, 'closed');
    });
  }
});

t.test('every recorded description is among them', { skip: skipCorpora }, (t) => {
  const described = corpus(FOLDER, '').filter(([, bytes]) => bytes.includes('v=0'));
  const covered = new Set(CAMERAS.map((camera) => `${camera.describe}.txt`));
  t.strictSame(
    described.map(([name]) => name).filter((name) => !covered.has(name)),
    [],
  );
  t.end();
});

t.test('a digest of the oldest kind', { skip: skipCorpora }, async (t) => {
  const { origin, client } = await bench(
    t,
    (request, peer) =>
      request.headers.has('authorization') ? vod()(request, peer) : answer('longse_unauthorized', request),
    { route: { credentials: { username: 'admin', password: '12345' } } },
  );
  await client.describe('/0', never);
  const sent = header(origin.asked[1], 'authorization') ?? '';
  t.match(sent, /^Digest username="admin", realm="Surveillance Server", nonce="98481030", uri="rtsp:/);
  t.notMatch(sent, /qop|algorithm|cnonce/, 'nothing that the camera did not name');
});

t.test('control URLs that lead elsewhere lead home, or nowhere', { skip: skipCorpora }, async (t) => {
  for (const [name, sdp] of [...corpus('bad-inputs/sdp', 'S03'), ...corpus('bad-inputs/sdp', 'S07')]) {
    const { client, origin, sink } = await bench(
      t,
      describeWith(() => describes(sdp.toString('latin1'))),
    );
    const outcome = await client
      .describe('/vod/a', never)
      .then((described) =>
        client.open({ origin: described, streams: [0], startSeconds: undefined, signal: never }, sink),
      )
      .then(
        (session) => session.close().then(() => 'ok'),
        (error: unknown) => (error instanceof OriginError ? error.code : String(error)),
      );
    t.match(outcome, /^(?:ok|description)$/, name);
    t.ok(
      origin.asked.every(({ url }) => url.startsWith(origin.url('/')) && !/[\s@]|\.\./.test(url)),
      name,
    );
    t.equal(/169\.254|192\.0\.2/.test(origin.asked.map(pathOf).join()), false, name);
  }
});
