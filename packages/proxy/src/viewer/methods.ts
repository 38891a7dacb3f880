import { nextState } from '@forebay/rtsp';
import type { RtspRequest } from '@forebay/rtsp';
import { describe } from './describe.js';
import type { Answer, Exchange, Responder } from './exchange.js';
import { LIMIT_REASONS } from './limits.js';
import { options, parameters } from './parameters.js';
import { pause } from './pause.js';
import { play } from './play.js';
import { Refusal } from './refusal.js';
import { setup } from './setup.js';
import { teardown } from './teardown.js';

const RESPONDERS: ReadonlyMap<string, Responder> = new Map<string, Responder>([
  ['OPTIONS', options],
  ['DESCRIBE', describe],
  ['SETUP', setup],
  ['PLAY', play],
  ['PAUSE', pause],
  ['TEARDOWN', teardown],
  ['GET_PARAMETER', parameters],
  ['SET_PARAMETER', parameters],
]);

/** Feature tags echoed in Unsupported; more are asked by nobody in earnest. */
const MAX_TAGS = 16;
const MAX_TAG_CHARS = 64;

/** Answers a request. @throws Refusal, RtspError, or whatever came from the origin, with a `status` */
export async function respond(exchange: Exchange): Promise<Answer> {
  const { request } = exchange;
  const responder = RESPONDERS.get(request.method);
  if (responder === undefined) {
    nextState('init', request.method);
    throw new Refusal(501);
  }
  refuseRequirements(request);
  refuseLoop(exchange);
  const user = exchange.host.gatekeeper.admit(request, exchange.connection);
  return responder(user === undefined ? exchange : { ...exchange, user });
}

/** The method as a metric label. */
export function methodLabel(method: string): string {
  return RESPONDERS.has(method) ? method : 'other';
}

/** @throws Refusal 551 for any feature that must be supported: none is. Source: RFC 2326 section 12.27, 12.32, 12.40 */
function refuseRequirements({ headers }: RtspRequest): void {
  const asked = [...headers.all('Require'), ...headers.all('Proxy-Require')];
  if (asked.length === 0) return;
  const tags = new Set(asked.flatMap((value) => value.split(',').map((tag) => tag.trim())));
  const echoed = [...tags].filter((tag) => tag !== '' && tag.length <= MAX_TAG_CHARS).slice(0, MAX_TAGS);
  if (tags.size === 1 && tags.has('')) return;
  throw new Refusal(551, { headers: [['Unsupported', echoed.join(', ')]] });
}

/** @throws Refusal 502 for a request that went round in circles. Source: RFC 2326 section 12.43 */
function refuseLoop({ request, connection, host }: Exchange): void {
  const entries = request.headers.all('Via').flatMap((value) => value.split(','));
  if (entries.length <= host.limits.viaEntries) return;
  host.rejects.count(LIMIT_REASONS.viaEntries, { viewer: connection.viewerAddress });
  throw new Refusal(502);
}
