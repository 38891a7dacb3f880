import { formatRtspUrl, formatTransport, nextState, parseTransport, RtspError } from '@forebay/rtsp';
import type { TransportSpec } from '@forebay/rtsp';
import type { Presentation } from '../read/library.js';
import { normalAddress } from './addresses.js';
import {
  find,
  namedSession,
  resourceOf,
  sessionField,
  single,
  targetOf,
  type Answer,
  type Exchange,
  type Target,
} from './exchange.js';
import { InterleavedTransport } from './interleaved.js';
import { LIMIT_REASONS } from './limits.js';
import { Refusal, tryLater } from './refusal.js';
import type { ViewerSession } from './session.js';
import type { TransportOwner } from './transport.js';
import { PortsExhausted, UdpTransport } from './udp.js';

/** Sets one stream up, in a new session or in the one named. Source: RFC 2326 section 10.4. */
export async function setup(exchange: Exchange): Promise<Answer> {
  const target = targetOf(exchange.request);
  const session = namedSession(exchange);
  const offers = offersOf(exchange);
  if (session === undefined) return setUpNew(exchange, target, offers);
  return session.inTurn(async () => {
    nextState(session.isOpened ? 'playing' : session.state, 'SETUP');
    if (session.resource !== resourceOf(target.presentation)) throw new Refusal(459);
    const stream = streamOf(session.presentation, target);
    return answer(exchange, session, await setUp(exchange, session, { stream, target, offers }));
  });
}

async function setUpNew(
  exchange: Exchange,
  target: Target,
  offers: readonly TransportSpec[],
): Promise<Answer> {
  const { connection, host } = exchange;
  const { viewerAddress } = connection;
  admit(exchange);
  const presentation = await find(exchange, target.presentation);
  if (connection.isClosed) throw new Refusal(454);
  const stream = streamOf(presentation, target);
  const kind = choose(exchange, offers, undefined).lower;
  admit(exchange);
  const session = host.sessions.create({
    kind,
    presentation,
    resource: resourceOf(target.presentation),
    viewerAddress,
    user: exchange.user,
    transport: (owner) =>
      kind === 'tcp' ? interleavedTransport(exchange, owner) : udpTransport(exchange, owner),
    onClosed: (closed) => connection.sessions.delete(closed),
  });
  connection.sessions.add(session);
  try {
    return answer(exchange, session, await setUp(exchange, session, { stream, target, offers }));
  } catch (error) {
    session.close('refused');
    throw error;
  }
}

/** @throws Refusal 453 when this connection has enough sessions */
function admit({ connection, host }: Exchange): void {
  if (connection.sessions.size < host.limits.sessionsPerConnection) return;
  host.rejects.count(LIMIT_REASONS.sessionsPerConnection, { viewer: connection.viewerAddress });
  throw new Refusal(453);
}

/**
 * What the viewer offers, in its order of preference.
 * @throws RtspError 400, 405, 461
 */
function offersOf({ request }: Exchange): readonly TransportSpec[] {
  return parseTransport(single(request, 'Transport') ?? '');
}

/**
 * The stream that the URL means. A presentation's own URL does, where it has one stream only: FFmpeg sends that for
 * MPEG-TS. Source: RFC 2326 section 14.3.
 * @throws Refusal 404 for a stream that is not described, 459 for a presentation of several
 */
function streamOf(presentation: Presentation, target: Target): number {
  const { streams } = presentation.description;
  if (target.stream !== undefined) {
    if (streams[target.stream] === undefined) throw new Refusal(404);
    return target.stream;
  }
  if (streams.length !== 1) throw new Refusal(459);
  return 0;
}

interface Wish {
  readonly stream: number;
  readonly target: Target;
  readonly offers: readonly TransportSpec[];
}

async function setUp(exchange: Exchange, session: ViewerSession, wish: Wish): Promise<TransportSpec> {
  const { host, connection } = exchange;
  const offer = choose(exchange, wish.offers, { session, stream: wish.stream });
  try {
    return await session.setUp(wish.stream, formatRtspUrl(wish.target.url), offer);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if (error instanceof PortsExhausted) {
      host.rejects.count(LIMIT_REASONS.portAttempts, { viewer: connection.viewerAddress });
      throw new Refusal(453);
    }
    // No sockets left, or no way to bind where the viewer connected to: it may be better later.
    host.log.error({ viewer: connection.viewerAddress, error }, 'media transport could not be made');
    throw tryLater();
  }
}

/** Why an offer is not taken: the status if none is. The first of the list that applies to any offer is answered. */
const VERDICTS = [462, 455, 461] as const;
type Verdict = 'ok' | (typeof VERDICTS)[number];
type Taken = { readonly session: ViewerSession; readonly stream: number } | undefined;

/**
 * The first offer that can be had.
 * @throws Refusal 462 where media should go elsewhere, RtspError 455 where a session should change over from UDP to TCP
 * or back, 461 for anything else
 */
function choose(exchange: Exchange, offers: readonly TransportSpec[], taken: Taken): TransportSpec {
  const verdicts = new Set<Verdict>();
  for (const offer of offers) {
    const verdict = judge(exchange, offer, taken);
    if (verdict === 'ok') return offer;
    verdicts.add(verdict);
  }
  const status = VERDICTS.find((verdict) => verdicts.has(verdict));
  if (status === 455) nextState('playing', 'SETUP');
  if (status === 462) throw new Refusal(462);
  throw new RtspError('viewer', 'transport-unsupported');
}

function judge({ connection, host }: Exchange, offer: TransportSpec, taken: Taken): Verdict {
  const fields = { viewer: connection.viewerAddress };
  // Media goes to the address of the control connection and nowhere else. Source: RFC 2326 section 12.39, RFC 7826 section 21.2.1.
  if (offer.destination !== undefined && normalAddress(offer.destination) !== connection.viewerAddress) {
    host.rejects.count('destination', fields);
    return 462;
  }
  if (offer.delivery !== 'unicast' || (offer.mode !== undefined && offer.mode !== 'PLAY')) return 461;
  if (taken !== undefined && taken.session.transport.kind !== offer.lower) return 455;
  if (offer.lower === 'tcp') return areChannelsFree(connection.channels, offer, taken) ? 'ok' : 461;
  // Who came over TLS would not have the media pass in the clear.
  if (connection.isSecure) return 461;
  if (offer.clientPort?.some((port) => host.ports.isOurs(connection.viewerAddress, port)) === true) {
    host.rejects.count('port', fields);
    return 461;
  }
  return 'ok';
}

function areChannelsFree(
  channels: Exchange['connection']['channels'],
  offer: TransportSpec,
  taken: Taken,
): boolean {
  const transport = taken?.session.transport;
  if (transport instanceof InterleavedTransport)
    return transport.fits(taken!.stream, offer.interleaved, channels);
  return offer.interleaved === undefined
    ? channels.freePair() !== undefined
    : channels.isFree(offer.interleaved[0]);
}

function interleavedTransport({ connection }: Exchange, owner: TransportOwner): InterleavedTransport {
  return new InterleavedTransport({ writer: connection.writer, channels: connection.channels, owner });
}

function udpTransport({ connection, host }: Exchange, owner: TransportOwner): UdpTransport {
  return new UdpTransport({
    ports: host.ports,
    sender: host.sender,
    scratch: host.scratch,
    owner,
    localAddress: connection.localAddress,
    peerAddress: connection.viewerAddress,
    unreachableMs: host.limits.unreachableMs,
    nowMs: () => host.pulse.nowMs,
    onForeign: (from) => host.rejects.count('foreign-address', { viewer: connection.viewerAddress, from }),
  });
}

function answer({ host }: Exchange, session: ViewerSession, told: TransportSpec): Answer {
  return { status: 200, headers: [['Transport', formatTransport(told)], sessionField(session, host)] };
}
