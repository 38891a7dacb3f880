import {
  RtspError,
  canonicalUrl,
  formatSession,
  nextState,
  parseRtspUrl,
  parseSession,
  splitStreamUrl,
  VIEWER_METHODS,
} from '@forebay/rtsp';
import type { Credentials, RtspRequest, RtspUrl } from '@forebay/rtsp';
import type { Presentation } from '../read/library.js';
import { accountName, type Addresses } from './addresses.js';
import type { Gatekeeper, Login } from './gatekeeper.js';
import type { Channels } from './interleaved.js';
import type { Missing } from './missing.js';
import type { Ports } from './ports.js';
import { Refusal } from './refusal.js';
import type { Scratch } from './scratch.js';
import type { PacketSender } from './sender.js';
import type { ViewerSession } from './session.js';
import type { SessionContext } from './session-context.js';
import type { Sessions } from './sessions.js';
import type { Writer } from './writer.js';

/** What the viewer side of one proxy shares. */
export interface ViewerHost extends SessionContext {
  readonly sessions: Sessions;
  readonly addresses: Addresses;
  readonly gatekeeper: Gatekeeper;
  readonly missing: Missing;
  readonly ports: Ports;
  readonly sender: PacketSender;
  readonly scratch: Scratch;
  /** Value of the Server header. */
  readonly serverName: string;
}

/** The control connection that a request came by. */
export interface ControlConnection {
  readonly viewerAddress: string;
  readonly localAddress: string;
  readonly writer: Writer;
  readonly channels: Channels;
  readonly login: Login;
  /** Sessions that were made here. */
  readonly sessions: Set<ViewerSession>;
  readonly isClosed: boolean;
  /** Over TLS. */
  readonly isSecure: boolean;
}

/** One request, to be answered. */
export interface Exchange {
  readonly request: RtspRequest;
  readonly connection: ControlConnection;
  readonly host: ViewerHost;
  /** Who has logged in with this request; undefined where nobody is asked. */
  readonly user?: Credentials;
  /** Aborted when the viewer is gone. */
  readonly signal: AbortSignal;
}

export type HeaderField = readonly [string, string];

export interface Answer {
  readonly status: number;
  readonly headers?: readonly HeaderField[];
  readonly body?: string;
  readonly close?: boolean;
  /** Called when the answer is on its way: what must not come before it. */
  written?(): void;
}

/** Answers one method. @throws Refusal, RtspError, or anything with a `status` */
export type Responder = (exchange: Exchange) => Answer | Promise<Answer>;

/** The URL of a request, taken apart. */
export interface Target {
  /** As the viewer spelled it. */
  readonly url: RtspUrl;
  readonly presentation: RtspUrl;
  readonly stream: number | undefined;
}

/** @throws RtspError for a URL that is none, and for `*` */
export function targetOf(request: RtspRequest): Target {
  const url = parseRtspUrl(request.url);
  return { url, ...splitStreamUrl(url) };
}

/** What a presentation URL is about, however the viewer spells this host. */
export function resourceOf(presentation: RtspUrl): string {
  return canonicalUrl({
    scheme: 'rtsp',
    host: 'proxy',
    port: 554,
    path: presentation.path,
    query: presentation.query,
  });
}

/**
 * The value of a header that may stand only once.
 * @throws RtspError 400 when it stands twice with different values. Source: RFC 2068 section 4.2
 */
export function single(request: RtspRequest, name: string): string | undefined {
  const [first, ...others] = request.headers.all(name);
  if (others.some((other) => other !== first))
    throw new RtspError('viewer', 'header-duplicated', { detail: name });
  return first;
}

/** The session that the request names; undefined when it names none. @throws RtspError 400, Refusal 454 */
export function namedSession({ request, connection, host }: Exchange): ViewerSession | undefined {
  const header = single(request, 'Session');
  if (header === undefined) return undefined;
  const session = host.sessions.find(parseSession(header).id, connection.viewerAddress);
  session.alive();
  return session;
}

/**
 * The session that PLAY, PAUSE and TEARDOWN must name, and the stream that their URL names, if one.
 * @throws RtspError 400, Refusal 454
 */
export function requiredSession(exchange: Exchange): { session: ViewerSession; stream: number | undefined } {
  const target = targetOf(exchange.request);
  const session = namedSession(exchange);
  if (session?.resource !== resourceOf(target.presentation)) throw new Refusal(454);
  return { session, stream: target.stream };
}

/**
 * Lets a stream's own URL stand for the whole only where it is the whole. Source: RFC 2326 section 10.5, 11.3.11, 14.3.
 * @throws Refusal 460 for one of several streams, RtspError 455 for one that was not set up
 */
export function aggregateOnly(session: ViewerSession, stream: number | undefined, method: string): void {
  if (stream === undefined) return;
  if (session.streams.length > 1) throw new Refusal(460);
  if (session.streams[0]?.stream !== stream) nextState('init', method);
}

/**
 * What there is at `url`.
 * @throws Refusal 401 where the viewer may not watch it any more since it has asked, or what the library throws
 */
export async function find(exchange: Exchange, url: RtspUrl): Promise<Presentation> {
  const { request, connection, host, user, signal } = exchange;
  const account = accountName(connection.viewerAddress);
  const presentation = await host.library.find(url, { account, signal });
  if (!host.gatekeeper.allows(request.url, user)) host.gatekeeper.admit(request, connection);
  return presentation;
}

/** The Session header of an answer. */
export function sessionField(session: ViewerSession, host: ViewerHost): HeaderField {
  return ['Session', formatSession(session.id, host.timeoutSeconds)];
}

/** What the viewer is answered for an error. Undefined: nothing, the error is ours. */
export function answerTo(error: unknown): Answer | undefined {
  if (error instanceof Refusal) return { status: error.status, headers: error.headers, close: error.close };
  if (error instanceof RtspError) {
    const allow = error.allow ?? (error.status === 405 ? VIEWER_METHODS : undefined);
    const headers: HeaderField[] = allow === undefined ? [] : [['Allow', allow.join(', ')]];
    return { status: error.status, headers, close: error.close && error.party === 'viewer' };
  }
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  if (typeof status !== 'number' || status < 300 || status > 599) return undefined;
  return { status, headers: status === 503 ? [['Retry-After', '5']] : [] };
}
