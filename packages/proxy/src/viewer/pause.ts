import { aggregateOnly, requiredSession, sessionField, type Answer, type Exchange } from './exchange.js';

/** Stops sending at once; a PLAY without Range goes on from here. Pausing again changes nothing. Source: RFC 2326 section 10.6. */
export async function pause(exchange: Exchange): Promise<Answer> {
  const { session, stream } = requiredSession(exchange);
  aggregateOnly(session, stream, exchange.request.method);
  return session.inTurn(async () => {
    session.pause();
    return { status: 200, headers: [sessionField(session, exchange.host)] };
  });
}
