import { requiredSession, sessionField, type Answer, type Exchange } from './exchange.js';
import { Refusal } from './refusal.js';

/**
 * Ends a session, whatever it is waiting for; or, before anything was played, frees one stream of several. A stream that
 * was not set up is free as it is: the session goes on.
 * Source: RFC 2326 section 10.7, appendix A.2 (TEARDOWN in Init).
 */
export function teardown(exchange: Exchange): Answer {
  const { session, stream } = requiredSession(exchange);
  const isSetUp = session.streams.some((each) => each.stream === stream);
  if (stream === undefined || (isSetUp && session.streams.length === 1)) {
    session.close('teardown');
    return { status: 200 };
  }
  if (isSetUp && session.isOpened) throw new Refusal(460);
  if (isSetUp) session.dropStream(stream);
  return { status: 200, headers: [sessionField(session, exchange.host)] };
}
