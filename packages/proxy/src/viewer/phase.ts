import type { SessionState } from '@forebay/rtsp';

/**
 * Where a session is. `prepared`: PLAY is granted, and media follows once its answer is written. `silent`: it plays, but nothing is sent since nothing is heard of the viewer; `waking`: something was
 * heard, and the reader is asked to go on.
 */
export type Phase = 'new' | 'prepared' | 'playing' | 'silent' | 'waking' | 'paused' | 'ended' | 'closed';

/** What it is called in RFC 2326 appendix A. */
export const RTSP_STATE: Readonly<Record<Phase, SessionState>> = {
  new: 'ready',
  prepared: 'ready',
  playing: 'playing',
  silent: 'playing',
  waking: 'playing',
  paused: 'ready',
  ended: 'ready',
  closed: 'init',
};
