import type { Clock } from '../clock.js';
import { Deadline } from './deadline.js';
import type { Dialogue } from './dialogue.js';
import { ORIGIN_LIMITS } from './limits.js';

/**
 * Gives a session back: TEARDOWN, its answer awaited at most 2 s, then the connection is destroyed. The request leaves
 * before this returns its promise. Never rejects.
 * @param o.sessionId empty where there is none: the connection is destroyed at once
 */
export async function leave(
  dialogue: Dialogue,
  o: { sessionId: string; url: string; clock: Clock },
): Promise<void> {
  const { connection } = dialogue;
  if (o.sessionId === '' || connection.closed) {
    connection.destroy();
    return;
  }
  const deadline = new Deadline({ clock: o.clock, ms: ORIGIN_LIMITS.teardownMs, what: 'TEARDOWN' });
  connection.resumeReading();
  try {
    await dialogue.ask(
      { method: 'TEARDOWN', url: o.url, headers: [['Session', o.sessionId]] },
      deadline.signal,
    );
  } catch {
    // It is over either way.
  } finally {
    deadline.end();
    connection.destroy();
  }
}
