import { parseSession, type RtspResponse } from '@forebay/rtsp';
import { asOriginError, OriginError } from './errors.js';

/** RFC 2326 section 12.37. */
const DEFAULT_TIMEOUT_SECONDS = 60;

/** How the origin calls a session, and how long it remembers it. */
export class SessionName {
  /** Empty before the origin has given one. */
  id = '';
  timeoutSeconds = DEFAULT_TIMEOUT_SECONDS;
  /** Every identifier that the origin used while the session was set up. */
  readonly #used = new Set<string>();

  /**
   * Takes in an answer to SETUP or the first PLAY. The first identifier counts; some recorders give every stream its own
   * (`h264dvr_setup_audio.txt`).
   * @throws OriginError `session` where it cannot be read
   */
  note(response: RtspResponse): void {
    const named = read(response);
    if (named === undefined) return;
    this.#used.add(named.id);
    if (this.id !== '') return;
    this.id = named.id;
    this.timeoutSeconds = named.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  }

  /** @throws OriginError `session` where a later answer speaks of a session that is none of ours */
  check(response: RtspResponse): void {
    const named = read(response);
    if (named !== undefined && !this.#used.has(named.id)) {
      throw new OriginError('session', 'another one than before');
    }
  }
}

function read(response: RtspResponse): ReturnType<typeof parseSession> | undefined {
  const header = response.headers.get('session');
  if (header === undefined) return undefined;
  try {
    return parseSession(header, 'origin');
  } catch (error) {
    throw asOriginError(error, 'session', 'unusable');
  }
}
