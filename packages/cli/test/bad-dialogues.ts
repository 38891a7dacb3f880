import { ask, describe, frame, inputsOf, options, play, type Row, setup } from './bad-inputs.js';

const SPLIT = [400, 461] as const;
const INTERLEAVED: readonly Row[] = [
  ['a frame without a session', frame(0, 'x'), 'keep', []],
  ['eleven frames without a session', frame(0, 'x').repeat(11), 'close', [], 'early-frames'],
  [
    'frames on channels that were not set up',
    `{P}${frame(7, 'x')}${frame(200, 'x')}${frame(255, 'x')}`,
    'keep',
    [],
  ],
  ['1,001 of them', `{P}${frame(7, 'x').repeat(1001)}`, 'close', [], 'stray-frames'],
  ['a frame that says 65535, 10 bytes of it, then FIN', frame(0, 'x'.repeat(10), 65_535), 'fin', []],
  ['100,000 empty frames', frame(0, '').repeat(100_000), 'close', [], 'early-frames'],
  ['one byte of a frame, then FIN', '$', 'fin', []],
  ['three bytes of a frame, then FIN', '$\0\0', 'fin', []],
  [
    '$ inside a head',
    `OPTIONS {U} RTSP/1.0\r\n${frame(0, 'xx')}CSeq: 1\r\n\r\n`,
    'close',
    [400],
    'bad-request',
  ],
  ['RTSP inside a frame', frame(0, 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n'), 'keep', []],
  ['a frame inside a frame', frame(0, frame(1, 'x')), 'keep', []],
  ...['', '-1', '256-257', '0-256', '5-4', '0-255', 'a-b', '9'.repeat(300), '1.5-2'].map((channels): Row => [
    `interleaved=${channels.slice(0, 20)}`,
    setup(`RTP/AVP/TCP;unicast;interleaved=${channels}`),
    'keep',
    [SPLIT],
  ]),
  ['interleaved=0-0', setup('RTP/AVP/TCP;unicast;interleaved=0-0'), 'keep', [461]],
  [
    'two streams on one channel',
    ask('SETUP {U}/trackID=1 RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1', 'Session: {S}'),
    'keep',
    [461],
  ],
  [
    'channels that overlap',
    ask('SETUP {U}/trackID=1 RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=1-2', 'Session: {S}'),
    'keep',
    [461],
  ],
  ['from TCP to UDP', setup('RTP/AVP;unicast;client_port=50000-50001', 'Session: {S}'), 'keep', [[200, 455]]],
  ['RTP from a viewer', `${play()}${frame(0, 'x'.repeat(20))}`, 'keep', [200]],
];

const STATE: readonly Row[] = [
  ['PLAY without a session', ask('PLAY {U} RTSP/1.0'), 'keep', [454]],
  ['PAUSE without a session', ask('PAUSE {U} RTSP/1.0'), 'keep', [454]],
  ['TEARDOWN without a session', ask('TEARDOWN {U} RTSP/1.0'), 'keep', [454]],
  ['PLAY of an unknown session', ask('PLAY {U} RTSP/1.0', 'Session: 0123456789abcdef'), 'keep', [454]],
  ['the same stream again', setup('RTP/AVP/TCP;unicast;interleaved=4-5', 'Session: {S}'), 'keep', [200]],
  [
    'set up, torn down, set up',
    `${ask('TEARDOWN {U} RTSP/1.0', 'Session: {S}')}${setup('RTP/AVP/TCP;unicast;interleaved=0-1')}`,
    'keep',
    [200, 200],
  ],
  [
    'SETUP after PLAY',
    `${play()}${setup('RTP/AVP/TCP;unicast;interleaved=4-5', 'Session: {S}')}`,
    'keep',
    [200, 455],
    undefined,
    'Allow',
  ],
  [
    'a stream that is not described',
    ask('SETUP {U}/trackID=7 RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1'),
    'keep',
    [404],
  ],
  [
    'a stream by a huge number',
    ask('SETUP {U}/trackID=99999999999999999999 RTSP/1.0', 'Transport: RTP/AVP/TCP;interleaved=0-1'),
    'keep',
    [404],
  ],
  [
    'all streams in one SETUP',
    ask('SETUP {U} RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1'),
    'keep',
    [459],
  ],
  [
    'another title in the session',
    ask(
      'SETUP rtsp://{H}/other/trackID=1 RTSP/1.0',
      'Transport: RTP/AVP/TCP;unicast;interleaved=4-5',
      'Session: {S}',
    ),
    'keep',
    [459],
  ],
  [
    'PLAY of one stream of two',
    `${ask('SETUP {U}/trackID=1 RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=2-3', 'Session: {S}')}${ask('PLAY {U}/trackID=1 RTSP/1.0', 'Session: {S}')}`,
    'keep',
    [200, 460],
  ],
  [
    'PAUSE of one stream of two',
    `${ask('SETUP {U}/trackID=1 RTSP/1.0', 'Transport: RTP/AVP/TCP;unicast;interleaved=2-3', 'Session: {S}')}${play()}${ask('PAUSE {U}/trackID=1 RTSP/1.0', 'Session: {S}')}`,
    'keep',
    [200, 200, 460],
  ],
  ['PAUSE while ready', ask('PAUSE {U} RTSP/1.0', 'Session: {S}'), 'keep', [200]],
  ['PAUSE twice', `${play()}${ask('PAUSE {U} RTSP/1.0', 'Session: {S}').repeat(2)}`, 'keep', [200, 200, 200]],
  ['TEARDOWN twice', ask('TEARDOWN {U} RTSP/1.0', 'Session: {S}').repeat(2), 'keep', [200, 454]],
  ['PLAY after TEARDOWN', `${ask('TEARDOWN {U} RTSP/1.0', 'Session: {S}')}${play()}`, 'keep', [200, 454]],
  [
    '21 guesses',
    ask('PLAY {U} RTSP/1.0', 'Session: guess').repeat(21),
    'close',
    Array.from({ length: 21 }, () => 454),
    'session-guesses',
  ],
  ['session id of 1 kB', ask('PLAY {U} RTSP/1.0', `Session: ${'s'.repeat(1024)}`), 'keep', [400]],
  [
    'session id of 64 kB',
    ask('PLAY {U} RTSP/1.0', `Session: ${'s'.repeat(65_536)}`),
    'close',
    [400],
    'bad-request',
  ],
  ['a timeout of the viewer’s', play().replace('{S}', '{S};timeout=99999'), 'keep', [200]],
  ['session with spaces and quotes', ask('PLAY {U} RTSP/1.0', 'Session: "a b"'), 'keep', [[400, 454]]],
];

const UDP = 'RTP/AVP;unicast;client_port=';

const TRANSPORTS: readonly Row[] = [
  [
    'destination of a third host',
    setup(`${UDP}50000-50001;destination=192.0.2.7`),
    'keep',
    [462],
    'destination',
  ],
  [
    'dest_addr of a third host',
    setup('RTP/AVP;unicast;dest_addr="192.0.2.7:50000"/"192.0.2.7:50001"'),
    'keep',
    [[461, 462]],
  ],
  ...['255.255.255.255', '224.2.0.1', '0.0.0.0', '169.254.1.1', '127.0.0.99', '::1', 'localhost'].map(
    (address): Row => [
      `destination=${address}`,
      setup(`${UDP}50000-50001;destination=${address}`),
      'keep',
      [462],
      'destination',
    ],
  ),
  ['multicast', setup('RTP/AVP;multicast;port=5000-5001;ttl=127'), 'keep', [461]],
  ['client_port=0-1', setup(`${UDP}0-1`), 'keep', [461]],
  ...['53-54', '122-123', '161-162', '443-444', '1022-1023'].map((ports): Row => [
    `client_port=${ports}`,
    setup(`${UDP}${ports}`),
    'keep',
    [461],
  ]),
  ...[
    '65535',
    '65536',
    '65535-65536',
    '99999',
    '-1',
    '8000-7999',
    '--',
    '',
    'a',
    '1e4',
    '50000-50001-50002',
  ].map((ports): Row => [`client_port=${ports}`, setup(`${UDP}${ports}`), 'keep', [SPLIT]]),
  ['one port alone', setup(`${UDP}50000`), 'keep', [200]],
  ['client_port=8000-9000', setup(`${UDP}8000-9000`), 'keep', [[200, 400, 461]]],
  ['no Transport', ask('SETUP {U}/trackID=0 RTSP/1.0'), 'keep', [400]],
  ['an empty Transport', setup(''), 'keep', [400]],
  ...[';', ',,,,', 'RAW/RAW/UDP;unicast', 'RTP/FOO;unicast', 'RTP/AVP;unicast;x="open'].map(
    (transport): Row => [`Transport: ${transport}`, setup(transport), 'keep', [SPLIT]],
  ),
  ['5,000 specs', setup('RTP/A,'.repeat(1300)), 'keep', [SPLIT]],
  [
    'unicast and multicast',
    setup('RTP/AVP;unicast;multicast;client_port=50000-50001'),
    'keep',
    [[200, 400, 461]],
  ],
  ['ttl and layers beyond reason', setup(`${UDP}50000-50001;ttl=999;layers=99`), 'keep', [[200, 400, 461]]],
  [
    'ssrc of 5,000 digits',
    setup(`RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=${'F'.repeat(5000)}`),
    'keep',
    [[200, 400, 461]],
  ],
  [
    'mode=RECORD',
    setup('RTP/AVP/TCP;unicast;interleaved=0-1;mode=RECORD'),
    'keep',
    [405],
    undefined,
    'Allow',
  ],
  ['append', setup('RTP/AVP/TCP;unicast;interleaved=0-1;append'), 'keep', [405]],
];

/** Nobody is asked for credentials: those that are given are ignored, whatever they are. */
const CREDENTIALS: readonly Row[] = [
  ...[
    'Basic',
    'Basic ',
    '',
    'Foo bar',
    'Basic !!!',
    'Basic YWJj',
    `Basic ${'QUFB'.repeat(500)}`,
    'Basic YQA6Yg==',
    'Digest',
    'Digest username="a"',
    'Digest username="a", username="b"',
    'Digest username="open',
    `Digest ${'a=b,'.repeat(1000)}`,
    `Digest nonce="${'n'.repeat(8000)}"`,
  ].map((value): Row => [
    `Authorization: ${value.slice(0, 24)}`,
    options(`Authorization: ${value}`),
    'keep',
    [200],
  ]),
  ['credentials in the URL', describe('rtsp://user:secret@{H}/film'), 'keep', [[200, 400]]],
];

/** What is wrong where it stands in a dialogue, and with what is asked for. */
export const BAD_DIALOGUES = inputsOf({
  interleaved: INTERLEAVED,
  'state and session id': STATE,
  transport: TRANSPORTS,
  credentials: CREDENTIALS,
});
