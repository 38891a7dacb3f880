import { RtspError } from './errors.js';
import type { RtspParty } from './errors.js';
import { LIMITS } from './limits.js';

/** RTP and RTCP port. */
export type PortPair = readonly [number, number];
/** RTP and RTCP channel of interleaved frames. */
export type ChannelPair = readonly [number, number];

/** One acceptable alternative of a Transport header (RFC 2326 section 12.39), profile RTP/AVP. */
export interface TransportSpec {
  readonly lower: 'udp' | 'tcp';
  readonly delivery: 'unicast' | 'multicast';
  readonly clientPort?: PortPair;
  readonly serverPort?: PortPair;
  readonly interleaved?: ChannelPair;
  /** 0 to 2^32 - 1. */
  readonly ssrc?: number;
  /** Upper case, without quotes. */
  readonly mode?: string;
  /** Where the viewer wants the media (also `dest_addr` of RTSP 2.0, as sent). Never to be believed. */
  readonly destination?: string;
  readonly source?: string;
  readonly ttl?: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<TransportSpec>;
/** 'ok', or why this alternative is not for us. */
type Verdict = 'ok' | 'skip' | 'record' | 'malformed';

/**
 * The alternatives that can be served, in order of preference; at least one.
 *
 * Of a viewer: pairs are adjacent, channels 0 to 255, ports 1024 to 65535; `unicast` together with `multicast`,
 * `ttl` above 255 and an SSRC that is no 32-bit hexadecimal number disqualify an alternative.
 * Of an origin: lone ports and channels get their neighbour, odd SSRCs are left out (`ssrc=1449463210`,
 * `hikvision_setup_ssrc_space.txt`), the profile may stand anywhere (`client_port=...;RTP/AVP;unicast`) and may lack
 * its `/TCP` (`interleaved` tells).
 *
 * @throws {RtspError} `transport` (400) where the header is empty or a port is no port; `transport-record` (405) where
 * only recording is offered; `transport-unsupported` (461) where nothing acceptable is left
 */
export function parseTransport(value: string, party: RtspParty = 'viewer'): TransportSpec[] {
  if (value.trim() === '') throw new RtspError(party, 'transport', { detail: 'empty' });
  const specs: TransportSpec[] = [];
  let record = false;
  const alternatives = splitOutsideQuotes(value, ',');
  for (const text of alternatives.slice(0, LIMITS.transportSpecs)) {
    const draft: Draft = { lower: 'udp', delivery: 'multicast' };
    const verdict = readAlternative(text, draft, party);
    if (verdict === 'malformed') throw new RtspError(party, 'transport', { detail: 'not a port' });
    if (verdict === 'record') record = true;
    if (verdict === 'ok') specs.push(draft);
  }
  if (specs.length > 0) return specs;
  throw new RtspError(party, record ? 'transport-record' : 'transport-unsupported');
}

/** Pieces of `text` between separators that stand outside double quotes; an open quote runs to the end. */
function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const pieces: string[] = [];
  let quoted = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      pieces.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  pieces.push(text.slice(start).trim());
  return pieces;
}

function readAlternative(text: string, draft: Draft, party: RtspParty): Verdict {
  const parameters = splitOutsideQuotes(text, ';');
  if (parameters.length > LIMITS.transportParameters || openQuote(text)) return 'skip';
  const profile = party === 'viewer' ? parameters[0] : parameters.find((p) => /^rtp\//i.test(p));
  const lower = /^rtp\/avp(?:\/(udp|tcp))?$/i.exec(profile ?? '');
  if (lower === null) return 'skip';
  const seen = new Set<string>();
  for (const parameter of parameters) {
    if (parameter === profile) continue;
    const [, name = '', raw = ''] = /^([^=\s]*)\s*=?\s*(.*)$/s.exec(parameter) ?? [];
    const key = name.toLowerCase();
    if (seen.has(key)) continue;
    seen.add(key);
    const verdict = readParameter(key, raw.replace(/^"([^"]*)"$/, '$1').trim(), draft, party);
    if (verdict !== 'ok') return verdict;
  }
  return settle(draft, lower[1]?.toLowerCase(), seen, party);
}

function openQuote(text: string): boolean {
  return text.split('"').length % 2 === 0;
}

/** What follows from the parameters together. */
function settle(draft: Draft, lower: string | undefined, seen: Set<string>, party: RtspParty): Verdict {
  if (seen.has('unicast') && seen.has('multicast')) return 'skip';
  draft.lower = lower === 'tcp' || (lower === undefined && draft.interleaved !== undefined) ? 'tcp' : 'udp';
  // RFC 2326 takes multicast when neither is said, but every client that leaves it out means unicast.
  draft.delivery = seen.has('multicast') ? 'multicast' : 'unicast';
  const portless = draft.lower === 'udp' && draft.delivery === 'unicast' && draft.clientPort === undefined;
  // One that names a destination stays, so that the refusal can say that this is why (462).
  return party === 'viewer' && portless && draft.destination === undefined ? 'skip' : 'ok';
}

type Reader = (raw: string, draft: Draft, party: RtspParty) => Verdict;

/** One row a parameter. Names that are not in here are ignored, as section 12.39 asks. */
const PARAMETERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['client_port', (raw, draft, party) => readPorts(raw, party, (pair) => (draft.clientPort = pair))],
  ['server_port', (raw, draft, party) => readPorts(raw, party, (pair) => (draft.serverPort = pair))],
  ['interleaved', (raw, draft, party) => readChannels(raw, party, (pair) => (draft.interleaved = pair))],
  ['ssrc', readSsrc],
  ['ttl', readTtl],
  ['mode', readMode],
  ['append', () => 'record'],
  ['destination', (raw, draft) => readText(raw, (text) => (draft.destination = text))],
  ['dest_addr', (raw, draft) => readText(raw, (text) => (draft.destination ??= text))],
  ['source', (raw, draft) => readText(raw, (text) => (draft.source = text))],
]);

function readParameter(key: string, raw: string, draft: Draft, party: RtspParty): Verdict {
  return PARAMETERS.get(key)?.(raw, draft, party) ?? 'ok';
}

function readPorts(raw: string, party: RtspParty, keep: (pair: PortPair) => void): Verdict {
  const [, low, high] = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(raw) ?? [];
  if (low === undefined) return party === 'origin' ? 'ok' : 'malformed';
  const first = Number(low);
  const second = high === undefined ? first + 1 : Number(high);
  if (first > 65_535 || (high !== undefined && second > 65_535)) return 'malformed';
  if (second > 65_535) return 'skip';
  const refused = second !== first + 1 || first < LIMITS.leastClientPort;
  if (party === 'viewer' && refused) return 'skip';
  keep([first, second]);
  return 'ok';
}

function readChannels(raw: string, party: RtspParty, keep: (pair: ChannelPair) => void): Verdict {
  const [, low, high] = /^(\d{1,3})(?:\s*-\s*(\d{1,3}))?$/.exec(raw) ?? [];
  if (low === undefined) return 'skip';
  const first = Number(low);
  const second = high === undefined ? first + 1 : Number(high);
  if (first > 255 || second > 255 || first === second) return 'skip';
  if (party === 'viewer' && second !== first + 1) return 'skip';
  keep([first, second]);
  return 'ok';
}

function readSsrc(raw: string, draft: Draft, party: RtspParty): Verdict {
  if (!/^[0-9a-f]{1,8}$/i.test(raw)) return party === 'viewer' ? 'skip' : 'ok';
  draft.ssrc = Number.parseInt(raw, 16);
  return 'ok';
}

function readTtl(raw: string, draft: Draft): Verdict {
  const ttl = /^\d{1,3}$/.test(raw) ? Number(raw) : 256;
  if (ttl > 255) return 'skip';
  draft.ttl = ttl;
  return 'ok';
}

/** `receive` is an early draft's word for play, still sent by some servers. */
function readMode(raw: string, draft: Draft): Verdict {
  const mode = raw.toUpperCase();
  if (mode === 'RECORD') return 'record';
  draft.mode = mode === 'RECEIVE' || mode === '' ? 'PLAY' : mode;
  return 'ok';
}

function readText(raw: string, keep: (text: string) => void): Verdict {
  if (raw !== '') keep(raw);
  return 'ok';
}

/** `RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0a0b0c0d;mode="PLAY"`, parameters in the order of RFC 2326's examples. */
export function formatTransport(spec: TransportSpec): string {
  const parts = [spec.lower === 'tcp' ? 'RTP/AVP/TCP' : 'RTP/AVP', spec.delivery];
  if (spec.destination !== undefined) parts.push(`destination=${spec.destination}`);
  if (spec.source !== undefined) parts.push(`source=${spec.source}`);
  if (spec.interleaved !== undefined) parts.push(`interleaved=${spec.interleaved.join('-')}`);
  if (spec.ttl !== undefined) parts.push(`ttl=${spec.ttl}`);
  if (spec.clientPort !== undefined) parts.push(`client_port=${spec.clientPort.join('-')}`);
  if (spec.serverPort !== undefined) parts.push(`server_port=${spec.serverPort.join('-')}`);
  if (spec.ssrc !== undefined) parts.push(`ssrc=${spec.ssrc.toString(16).padStart(8, '0')}`);
  if (spec.mode !== undefined) parts.push(`mode="${spec.mode}"`);
  return parts.join(';');
}
