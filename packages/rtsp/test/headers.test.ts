import * as fc from 'fast-check';
import t from 'tap';
import {
  formatRtpInfo,
  formatSession,
  formatTransport,
  parseRtpInfo,
  parseSession,
  parseTransport,
} from '../src/index.js';
import type { RtpInfoEntry, RtspParty, SessionHeader, TransportSpec } from '../src/index.js';
import { bothWays, outcome } from './support.js';
import type { Row } from './support.js';

const tcp = { lower: 'tcp', delivery: 'unicast' } as const;
const udp = { lower: 'udp', delivery: 'unicast' } as const;
const UNSUPPORTED = '461 transport-unsupported';

const transports: readonly Row<TransportSpec>[] = [
  {
    name: 'interleaved',
    text: 'RTP/AVP/TCP;unicast;interleaved=0-1',
    value: { ...tcp, interleaved: [0, 1] },
  },
  {
    name: 'interleaved, all parameters',
    text: 'RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=0a0b0c0d;mode="PLAY"',
    value: { ...tcp, interleaved: [2, 3], ssrc: 0x0a0b0c0d, mode: 'PLAY' },
  },
  { name: 'server chooses channels', text: 'RTP/AVP/TCP;unicast', value: tcp },
  { name: 'UDP', text: 'RTP/AVP;unicast;client_port=4588-4589', value: { ...udp, clientPort: [4588, 4589] } },
  {
    name: 'UDP answer',
    text: 'RTP/AVP;unicast;source=192.0.2.1;client_port=4588-4589;server_port=6256-6257;ssrc=ffffffff',
    value: {
      ...udp,
      source: '192.0.2.1',
      clientPort: [4588, 4589],
      serverPort: [6256, 6257],
      ssrc: 0xffffffff,
    },
  },
  {
    name: 'multicast',
    text: 'RTP/AVP;multicast;destination=225.219.201.15;ttl=127',
    value: { lower: 'udp', delivery: 'multicast', destination: '225.219.201.15', ttl: 127 },
  },
  {
    name: 'any case',
    text: 'rtp/avp/tcp;Unicast;INTERLEAVED=0-1',
    value: { ...tcp, interleaved: [0, 1] },
    formatted: null,
  },
  {
    name: 'UDP spelled out',
    text: 'RTP/AVP/UDP;unicast;client_port=2000',
    value: { ...udp, clientPort: [2000, 2001] },
    formatted: null,
  },
  {
    name: 'unknown parameters',
    text: 'RTP/AVP/TCP;x="a;b,c";RTCP-mux;unicast;interleaved=0-1',
    value: { ...tcp, interleaved: [0, 1] },
    formatted: null,
  },
  {
    name: 'a destination',
    text: 'RTP/AVP;unicast;destination=192.0.2.9;client_port=4000-4001',
    value: { ...udp, destination: '192.0.2.9', clientPort: [4000, 4001] },
  },
  {
    name: 'dest_addr of RTSP 2.0',
    text: 'RTP/AVP/UDP;unicast;dest_addr=":4000"',
    value: { ...udp, destination: ':4000' },
    formatted: null,
  },
  { name: 'empty', text: ' ', value: '400 transport' },
  { name: 'only separators', text: ';,;,', value: UNSUPPORTED },
  { name: 'SRTP', text: 'RTP/SAVP;unicast;client_port=4000-4001', value: UNSUPPORTED },
  { name: 'raw', text: 'RAW/RAW/UDP;unicast;client_port=4000-4001', value: UNSUPPORTED },
  { name: 'an open quote', text: 'RTP/AVP/TCP;unicast;mode="PLAY', value: UNSUPPORTED },
  { name: 'UDP without a port', text: 'RTP/AVP;unicast', value: UNSUPPORTED },
  {
    name: 'unicast and multicast',
    text: 'RTP/AVP;unicast;multicast;client_port=4000-4001',
    value: UNSUPPORTED,
  },
  { name: 'ttl of 256', text: 'RTP/AVP;multicast;ttl=256', value: UNSUPPORTED },
  { name: 'a long SSRC', text: 'RTP/AVP/TCP;unicast;ssrc=123456789', value: UNSUPPORTED },
  {
    name: 'recording',
    text: 'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record',
    value: '405 transport-record',
  },
  { name: 'appending', text: 'RTP/AVP/TCP;unicast;append', value: '405 transport-record' },
  ...['-1', '256-257', '255', '0-0', '5-4', '0-255', 'a-b', '0-1-2', '', '9'.repeat(300)].map((channels) => ({
    name: `channels ${channels.slice(0, 9)}`,
    text: `RTP/AVP/TCP;unicast;interleaved=${channels}`,
    value: UNSUPPORTED,
  })),
  ...['0-1', '1023-1024', '65535', '8000-7999', '8000-9000', '8000-8000'].map((ports) => ({
    name: `ports ${ports}`,
    text: `RTP/AVP;unicast;client_port=${ports}`,
    value: UNSUPPORTED,
  })),
  ...['65536', '65535-65536', '99999-99999', '-1', '--', '', 'x'].map((ports) => ({
    name: `ports ${ports}`,
    text: `RTP/AVP;unicast;client_port=${ports}`,
    value: '400 transport',
  })),
  {
    name: 'origin: odd channels',
    from: 'origin',
    text: 'RTP/AVP/TCP;unicast;interleaved=8',
    value: { ...tcp, interleaved: [8, 9] },
    formatted: null,
  },
  {
    name: 'origin: no /TCP',
    from: 'origin',
    text: 'RTP/AVP;interleaved=0-1',
    value: { ...tcp, interleaved: [0, 1] },
    formatted: null,
  },
  {
    name: 'origin: profile not first',
    from: 'origin',
    text: 'client_port=3456-3457;RTP/AVP;mode="PLAY";unicast',
    value: { ...udp, clientPort: [3456, 3457], mode: 'PLAY' },
    formatted: null,
  },
  {
    name: 'origin: SSRC with blanks',
    from: 'origin',
    text: 'RTP/AVP/TCP;unicast;ssrc=     D93FF',
    value: { ...tcp, ssrc: 0xd93ff },
    formatted: null,
  },
  {
    name: 'origin: decimal SSRC',
    from: 'origin',
    text: 'RTP/AVP/TCP;unicast;ssrc=1449463210',
    value: tcp,
    formatted: null,
  },
  {
    name: 'origin: empty source',
    from: 'origin',
    text: 'RTP/AVP/UDP;unicast;source=;server_port=0-1',
    value: { ...udp, serverPort: [0, 1] },
    formatted: null,
  },
  {
    name: 'origin: mode=receive',
    from: 'origin',
    text: 'RTP/AVP/TCP;unicast;mode=receive',
    value: { ...tcp, mode: 'PLAY' },
    formatted: null,
  },
  {
    name: 'origin: nothing usable',
    from: 'origin',
    text: 'RTP/AVP/TCP;interleaved=-1',
    value: '502 transport-unsupported',
  },
];

void t.test('Transport', (t) => {
  const parse = (text: string, from: RtspParty): TransportSpec => {
    const specs = parseTransport(text, from);
    t.equal(specs.length, 1, text.slice(0, 60));
    return specs[0]!;
  };
  bothWays(t, transports, parse, formatTransport);
  const list =
    'X/Y;a=b,RTP/AVP;unicast;client_port=4000-4001;mode="PLAY" , RTP/AVP/TCP;unicast;interleaved=0-1';
  t.same(
    parseTransport(list).map(({ lower }) => lower),
    ['udp', 'tcp'],
    'alternatives keep their order',
  );
  t.equal(
    outcome(() => parseTransport(`${'X,'.repeat(4000)}RTP/AVP/TCP`)),
    UNSUPPORTED,
    'only so many are looked at',
  );
  t.end();
});

const spec = fc
  .record({
    lower: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.integer({ min: 1024, max: 65_534 }),
    channel: fc.nat(254),
    ssrc: fc.nat(0xffff_ffff),
  })
  .map(({ lower, port, channel, ssrc }): TransportSpec => {
    const where =
      lower === 'tcp'
        ? { interleaved: [channel, channel + 1] as const }
        : { clientPort: [port, port + 1] as const };
    return { lower, delivery: 'unicast', ...where, ssrc, mode: 'PLAY' };
  });

void t.test('Transport, any', (t) => {
  fc.assert(
    fc.property(
      spec,
      (value) =>
        JSON.stringify(parseTransport(formatTransport(value))) ===
        JSON.stringify([{ ...value }].map(ordered)),
    ),
  );
  t.end();
});

/** The same spec with its keys in the order in which the reader finds them. */
function ordered(value: TransportSpec): TransportSpec {
  const { lower, delivery, ssrc, mode, ...where } = value;
  return { lower, delivery, ...where, ssrc: ssrc!, mode: mode! };
}

const sessions: readonly Row<SessionHeader>[] = [
  { name: 'id', text: 'A3eqwsafq3', value: { id: 'A3eqwsafq3' } },
  { name: 'timeout', text: '551045787;timeout=60', value: { id: '551045787', timeoutSeconds: 60 } },
  {
    name: 'blanks',
    text: '  708345999 ; timeout = 60',
    value: { id: '708345999', timeoutSeconds: 60 },
    formatted: null,
  },
  {
    name: 'other parameters',
    text: 'a;x=y;Timeout=47',
    value: { id: 'a', timeoutSeconds: 47 },
    formatted: null,
  },
  { name: 'timeout 0', text: 'a;timeout=0', value: { id: 'a', timeoutSeconds: 10 }, formatted: null },
  { name: 'timeout -1', text: 'a;timeout=-1', value: { id: 'a', timeoutSeconds: 10 }, formatted: null },
  {
    name: 'timeout beyond timers',
    text: 'a;timeout=99999999999',
    value: { id: 'a', timeoutSeconds: 3600 },
    formatted: null,
  },
  { name: 'timeout nan', text: 'a;timeout=nan', value: { id: 'a' }, formatted: null },
  { name: 'empty', text: '', value: '400 session' },
  { name: 'no id', text: ';timeout=60', value: '400 session' },
  { name: 'a blank inside', text: 'a b', value: '400 session' },
  { name: '128 characters', text: 'a'.repeat(128), value: { id: 'a'.repeat(128) } },
  { name: '129 characters', text: 'a'.repeat(129), value: '400 session' },
  { name: 'origin: empty', from: 'origin', text: '', value: '502 session' },
];

void t.test('Session', (t) => {
  bothWays(t, sessions, parseSession, ({ id, timeoutSeconds }) => formatSession(id, timeoutSeconds));
  t.end();
});

const infos: readonly Row<readonly RtpInfoEntry[]>[] = [
  {
    name: 'one',
    text: 'url=rtsp://h/a/trackID=1;seq=35243;rtptime=717574556',
    value: [{ url: 'rtsp://h/a/trackID=1', seq: 35_243, rtptime: 717_574_556 }],
  },
  {
    name: 'two',
    text: 'url=trackID=0;seq=0;rtptime=0,url=trackID=1;seq=65535;rtptime=4294967295',
    value: [
      { url: 'trackID=0', seq: 0, rtptime: 0 },
      { url: 'trackID=1', seq: 65_535, rtptime: 4_294_967_295 },
    ],
  },
  { name: 'bare', text: 'url=trackID=0', value: [{ url: 'trackID=0' }] },
  { name: 'only rtptime', text: 'url=a;rtptime=7', value: [{ url: 'a', rtptime: 7 }] },
  {
    name: 'blanks',
    text: ' url = a ; seq = 1 , url=b;rtptime=2 ; ',
    value: [
      { url: 'a', seq: 1 },
      { url: 'b', rtptime: 2 },
    ],
    formatted: null,
  },
  {
    name: 'commas and semicolons in the URL',
    text: 'url=rtsp://h/a;b,c=d;seq=1',
    value: [{ url: 'rtsp://h/a;b,c=d', seq: 1 }],
  },
  { name: 'quoted', text: 'url="a";seq=1', value: [{ url: 'a', seq: 1 }], formatted: null },
  {
    name: 'ssrc',
    text: 'url=a;seq=1;rtptime=2;ssrc=dcc4a0d8,',
    value: [{ url: 'a', seq: 1, rtptime: 2 }],
    formatted: null,
  },
  {
    name: 'out of range',
    text: 'url=a;seq=65536;rtptime=4294967296',
    value: [{ url: 'a' }],
    formatted: null,
  },
  { name: 'negative', text: 'url=a;seq=-1;rtptime=-1', value: [{ url: 'a' }], formatted: null },
  { name: 'nonsense', text: 'seq=1,,url=,;', value: [], formatted: null },
  { name: 'empty', text: '', value: [] },
];

void t.test('RTP-Info', (t) => {
  bothWays(t, infos, parseRtpInfo, formatRtpInfo);
  t.equal(parseRtpInfo('url=a;seq=1,'.repeat(300)).length, 32, 'bounded');
  t.end();
});
