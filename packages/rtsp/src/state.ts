import { RtspError } from './errors.js';

/** RFC 2326 appendix A.2 without Recording: the server is play-only. */
export type SessionState = 'init' | 'ready' | 'playing';

const METHODS = [
  'OPTIONS',
  'DESCRIBE',
  'SETUP',
  'PLAY',
  'PAUSE',
  'TEARDOWN',
  'GET_PARAMETER',
  'SET_PARAMETER',
] as const;

export type ViewerMethod = (typeof METHODS)[number];

/** Methods that a viewer may use, in the order of the Public header. */
export const VIEWER_METHODS: readonly string[] = METHODS;

/** Methods of RFC 2326 that only a publisher or a server sends. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['ANNOUNCE', 'RECORD', 'REDIRECT']);

/**
 * State after a method, by the state before it. A method that is not listed is 455.
 * Differences from RFC 2326 A.2: PAUSE in Ready is a no-op, since players pause twice; SETUP while playing is refused,
 * as A.2 leaves it to the server and a change of transport would have two writers for a moment.
 * Source: RFC 2326 appendix A.2
 */
export const STATE_TABLE: Readonly<
  Record<SessionState, Readonly<Partial<Record<ViewerMethod, SessionState>>>>
> = {
  init: {
    OPTIONS: 'init',
    DESCRIBE: 'init',
    SETUP: 'ready',
    TEARDOWN: 'init',
    GET_PARAMETER: 'init',
    SET_PARAMETER: 'init',
  },
  ready: {
    OPTIONS: 'ready',
    DESCRIBE: 'ready',
    SETUP: 'ready',
    PLAY: 'playing',
    PAUSE: 'ready',
    TEARDOWN: 'init',
    GET_PARAMETER: 'ready',
    SET_PARAMETER: 'ready',
  },
  playing: {
    OPTIONS: 'playing',
    DESCRIBE: 'playing',
    PLAY: 'playing',
    PAUSE: 'ready',
    TEARDOWN: 'init',
    GET_PARAMETER: 'playing',
    SET_PARAMETER: 'playing',
  },
};

function isViewerMethod(method: string): method is ViewerMethod {
  return VIEWER_METHODS.includes(method);
}

/**
 * The state that the session is in once `method` has been answered with 200.
 * @throws {RtspError} 455 with the methods allowed now; 405 for a publisher's methods; 501 for unknown ones
 */
export function nextState(state: SessionState, method: string): SessionState {
  if (!isViewerMethod(method)) {
    if (REFUSED_METHODS.has(method))
      throw new RtspError('viewer', 'method-refused', { allow: VIEWER_METHODS });
    throw new RtspError('viewer', 'method-unknown');
  }
  const next = STATE_TABLE[state][method];
  if (next === undefined) {
    const allow = METHODS.filter((allowed) => STATE_TABLE[state][allowed] !== undefined);
    throw new RtspError('viewer', 'method-state', { detail: `${method} while ${state}`, allow });
  }
  return next;
}
