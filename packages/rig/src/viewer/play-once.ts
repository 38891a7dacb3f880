import { RigViewer } from './viewer.js';
import type { ViewerOptions } from './options.js';

export interface PlayOnceOptions extends ViewerOptions {
  /** Value of the Range header, such as `npt=10-20`. Players always send one: default `npt=0.000-` with `likePlayer`. */
  readonly range?: string;
  /** OPTIONS first, and one request after another, as FFmpeg does; default true. False saves what can be saved. */
  readonly likePlayer?: boolean;
  /** How long to wait for BYE on all streams. */
  readonly endTimeoutMs: number;
}

/**
 * Plays a title to its end: OPTIONS, DESCRIBE, SETUP of every stream, PLAY, BYE, TEARDOWN.
 * @returns the viewer, closed, with what it recorded
 * @throws RigError, with everything closed
 */
export async function playOnce(options: PlayOnceOptions): Promise<RigViewer> {
  const likePlayer = options.likePlayer !== false;
  const range = options.range ?? (likePlayer ? 'npt=0.000-' : undefined);
  const viewer = await RigViewer.connect(options);
  try {
    if (likePlayer) await viewer.options();
    await viewer.describe();
    await viewer.setup(undefined, { pipelined: !likePlayer });
    await viewer.play(range === undefined ? {} : { range });
    await viewer.ended({ timeoutMs: options.endTimeoutMs });
    await viewer.teardown();
  } finally {
    await viewer.close();
  }
  return viewer;
}
