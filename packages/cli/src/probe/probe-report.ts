import type { ProbeReport, SuggestedRoute } from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import { formatSpan } from '../quantity.js';
import { formatTable, printable, type Column } from '../table.js';

const COLUMNS: readonly Column[] = [{ title: 'CHECK' }, { title: 'FOUND' }, { title: 'SO' }];

type Row = readonly [check: string, found: string, so: string];

/** A table for people, what could not be checked, and the route to write down. */
export function probeText(report: ProbeReport, suggested: SuggestedRoute): string {
  const rows = [
    ...descriptionRows(report),
    ...playRows(report),
    ...seekRows(report),
    ...fillRows(report),
    ...endRows(report),
    ...sessionRows(report),
  ];
  const problems = report.problems.map(({ check, text }) => `  ${check}: ${printable(text)}\n`).join('');
  return [
    `${printable(report.url)}${report.server === undefined ? '' : `  (${printable(report.server)})`}\n\n`,
    formatTable(
      COLUMNS,
      rows.map((row) => row.map(printable)),
    ),
    problems === '' ? '' : `\nnot found out:\n${problems}`,
    `\nthe shortest route to it, the rest is learned (${report.seconds.toFixed(0)} s):\n\n`,
    routeText(report, suggested),
  ].join('');
}

function descriptionRows({ describe, repeat }: ProbeReport): Row[] {
  if (describe === undefined) return [];
  const { streams, onDemand, durationSeconds, range, stable, cacheHeaders } = describe;
  const names = streams.map(({ media, encoding, clockRate }) => `${media} ${encoding || '?'}/${clockRate}`);
  const length = durationSeconds === undefined ? 'length not told' : formatSpan(durationSeconds);
  const headers = Object.values(cacheHeaders).join('; ');
  return [
    ['describe', `${describe.ms.toFixed(0)} ms`, stable ? '' : 'changes from one question to the next'],
    ['streams', names.join(', '), ''],
    ['kind', onDemand ? `on demand, ${length}` : 'live', onDemand ? 'cached' : 'one pull for all viewers'],
    ['range', range ?? 'none', rangeMeaning(range, onDemand)],
    ...(describe.onvifReplay
      ? [['ONVIF replay', 'named by the description', 'asked with Require: onvif-replay'] as Row]
      : []),
    ['cache headers', headers === '' ? 'none' : headers, ''],
    ...(repeat === undefined ? [] : [['same play twice', likeness(repeat), repeatMeaning(repeat)] as Row]),
  ];
}

function rangeMeaning(range: string | undefined, onDemand: boolean): string {
  if (!onDemand) return range === undefined ? 'no end told: taken for live' : 'no end: live';
  return range?.startsWith('clock') === true ? 'ranges by the time of day' : 'ranges in NPT';
}

function repeatMeaning(repeat: NonNullable<ProbeReport['repeat']>): string {
  return repeat === 'equal' ? 'seams are joined by content' : 'seams are joined by time, at key frames';
}

function playRows({ play, udp, keepAlive }: ProbeReport): Row[] {
  if (play === undefined) return [];
  const statuses = Object.entries(keepAlive?.statuses ?? {}).map(([method, status]) => `${method} ${status}`);
  return [
    [
      'start-up',
      `${play.startupMs.toFixed(0)} ms`,
      'from SETUP to the first packet: what a cold viewer waits for',
    ],
    [
      'TCP',
      play.transport === 'tcp' ? 'works' : 'refused',
      play.transport === 'tcp' ? 'used' : 'UDP is used',
    ],
    ['UDP', udp ?? '?', udp === 'silent' ? 'answered, but nothing came: a firewall?' : ''],
    [
      'pipelining',
      play.pipelining ? 'works' : 'does not work',
      play.pipelining ? 'saves round trips' : 'one request at a time',
    ],
    ['pace', `${play.pace.toFixed(2)}x`, ''],
    [
      'keep-alive',
      `${statuses.join(', ')}, time-out ${keepAlive?.timeoutSeconds ?? '?'} s`,
      keepAliveMeaning(keepAlive?.statuses ?? {}),
    ],
    ['RTP-Info at the start', trust(play.rtpInfo), ''],
    ['sender reports', play.senderReports ? 'yes' : 'none so far', ''],
  ];
}

function keepAliveMeaning(statuses: Readonly<Record<string, number>>): string {
  const works = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER'].find((method) => statuses[method] === 200);
  return works === undefined ? 'receiver reports alone must do' : `${works} is used`;
}

function seekRows({ seek }: ProbeReport): Row[] {
  if (seek === undefined) return [];
  const { askedSeconds, toldSeconds, foundSeconds, startsAtKeyFrame, works } = seek;
  const asked = `asked for ${askedSeconds}`;
  const told = toldSeconds === undefined ? 'nothing said' : `said ${toldSeconds.toFixed(2)}`;
  const found = foundSeconds === undefined ? '' : `, was ${foundSeconds.toFixed(2)}`;
  return [
    ['seeks', works ? 'yes' : 'no', works ? '' : 'played from the beginning, what is held is dropped'],
    [
      'seek accuracy',
      `${asked}, ${told}${found}`,
      startsAtKeyFrame ? 'starts at a key frame' : 'does not start at a key frame',
    ],
    [
      'packets after a seek',
      likeness(seek.likeness),
      seek.likeness === 'equal' ? 'the same as without' : 'joined by time, at key frames',
    ],
    [
      'RTP-Info after a seek',
      trust(seek.rtpInfo),
      seek.rtpInfo.state === 'wrong' ? 'not believed: packets are placed by content' : '',
    ],
  ];
}

const FILL_NAMES = {
  'rate-control': 'Rate-Control: no',
  speed: 'Speed: 4',
  scale: 'Scale: 4',
} as const;

const FILL_MEANINGS = {
  faster: 'used to fetch ahead of viewers',
  'no-faster': 'of no use',
  unequal: 'not used: other packets, or other times, than in a normal play',
  refused: 'not used',
} as const;

function fillRows({ fill }: ProbeReport): Row[] {
  return Object.entries(FILL_NAMES).flatMap(([method, name]): Row[] => {
    const found = fill[method as keyof typeof FILL_NAMES];
    if (found === undefined) return [];
    const factor = found.factor === 0 ? '' : `${factorText(found.factor)}, `;
    const what = found.verdict === 'refused' ? 'refused' : `${factor}packets ${likeness(found.likeness)}`;
    return [[name, what, FILL_MEANINGS[found.verdict]]];
  });
}

function factorText(factor: number): string {
  return factor >= 100 ? 'more than 100x' : `${factor.toFixed(1)}x`;
}

function endRows({ end }: ProbeReport): Row[] {
  if (end === undefined) return [];
  const bye = end.bye ? `BYE ${end.byeMs?.toFixed(0) ?? '?'} ms after the last packet` : 'no BYE';
  return [
    ['end of a title', bye, end.bye ? '' : 'told by silence at the announced end'],
    [
      'end of a range',
      end.keepsRangeEnd ? 'kept to' : 'ignored',
      end.keepsRangeEnd ? '' : 'the proxy ends it itself',
    ],
  ];
}

function sessionRows({ sessions }: ProbeReport): Row[] {
  if (sessions === undefined) return [];
  const { open, limited } = sessions;
  return [
    [
      'sessions at a time',
      limited ? String(open) : `${open} or more`,
      limited ? `more are refused: set maxSessions` : 'not tried further',
    ],
  ];
}

function trust({ state, offSeconds }: NonNullable<ProbeReport['play']>['rtpInfo']): string {
  return state === 'wrong' ? `off by ${offSeconds.toFixed(2)} s` : state;
}

const LIKENESSES = {
  equal: 'equal',
  squeezed: 'equal, but times are squeezed',
  thinned: 'thinned out',
  different: 'different',
  nothing: 'too few to tell',
} as const;

function likeness(found: keyof typeof LIKENESSES): string {
  return LIKENESSES[found];
}

/** As it stands in forebay.yaml. */
function routeText(report: ProbeReport, { transport, maxSessions, profile }: SuggestedRoute): string {
  const url = parseRtspUrl(report.url);
  const folder = url.path.slice(0, url.path.lastIndexOf('/')) || '/';
  const { pipelines, leadSeconds: _lead, ...others } = profile;
  const fixed = { ...others, ...(pipelines === undefined ? {} : { pipelining: pipelines }) };
  const entries = Object.entries(fixed).map(([key, value]) => `${key}: ${value}`);
  const host = url.host.includes(':') ? `[${url.host}]` : url.host;
  return [
    'routes:',
    '  - path: /',
    `    origin: ${url.scheme}://${host}:${url.port}${printable(folder)}`,
    ...(transport === undefined ? [] : [`    transport: ${transport}`]),
    ...(maxSessions === undefined ? [] : [`    maxSessions: ${maxSessions}`]),
    ...(entries.length === 0 ? [] : [`    profile: { ${entries.join(', ')} }`]),
    '',
  ].join('\n');
}
