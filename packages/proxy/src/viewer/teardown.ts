import { requiredSession, sessionField, type Answer, type Exchange } from './exchange.js';
import { Refusal } from './refusal.js';

/**
 * Ends a session, whatever it is waiting for; or, before anything was played, frees one stream of several.
 * Source: RFC 2326 section 10.7.
 */
export function teardown(exchange: Exchange): Answer {
  const { session, stream } = requiredSession(exchange);
  const isPart = stream !== undefined && session.streams.length > 1;
  if (isPart && session.isOpened) throw new Refusal(460);
  if (isPart) {
    session.dropStream(stream);
    return { status: 200, headers: [sessionField(session, exchange.host)] };
  }
  session.close('teardown');
  return { status: 200 };
}
