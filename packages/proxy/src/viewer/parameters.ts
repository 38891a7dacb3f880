import { parseRtspUrl, VIEWER_METHODS } from '@forebay/rtsp';
import { namedSession, sessionField, type Answer, type Exchange, type HeaderField } from './exchange.js';
import { Refusal } from './refusal.js';

/** Says what can be asked, and keeps a session alive. Source: RFC 2326 section 10.1. */
export function options(exchange: Exchange): Answer {
  return { status: 200, headers: [...keepAlive(exchange), ['Public', VIEWER_METHODS.join(', ')]] };
}

/**
 * Without a body a keep-alive, with or without a session. There are no parameters to get or to set.
 * Source: RFC 2326 section 10.8, 10.9.
 */
export function parameters(exchange: Exchange): Answer {
  const headers = keepAlive(exchange);
  const { body, headers: asked } = exchange.request;
  const coding = asked.get('Content-Encoding') ?? 'identity';
  if (coding.toLowerCase() !== 'identity') throw new Refusal(415);
  if (body.length > 0) throw new Refusal(isText(asked.get('Content-Type')) ? 451 : 415);
  return { status: 200, headers };
}

function isText(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]!.trim().toLowerCase() === 'text/parameters';
}

/** @throws RtspError 400, Refusal 454 */
function keepAlive(exchange: Exchange): HeaderField[] {
  const { request, host } = exchange;
  if (request.url !== '*') parseRtspUrl(request.url);
  const session = namedSession(exchange);
  return session === undefined ? [] : [sessionField(session, host)];
}
