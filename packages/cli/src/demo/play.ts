import { RigViewer } from '@forebay/rig';

const END_SLACK_MS = 15_000;
const PROGRESS_EVERY_MS = 200;

/** What one viewing of the title was like. */
export interface Viewing {
  /** TCP connect to the first complete key frame. */
  readonly startupMs: number;
  /** By stream, a fingerprint of every access unit in order. */
  readonly frames: readonly (readonly number[])[];
}

/**
 * Plays a title over TCP to its end, asking like an ordinary player: OPTIONS, DESCRIBE, SETUP a stream at a time, PLAY.
 *
 * @param onProgress called a few times a second with the seconds since media came
 * @throws RigError when it does not play to its end
 */
export async function view(
  url: string,
  titleSeconds: number,
  onProgress: (seconds: number) => void,
): Promise<Viewing> {
  const viewer = await RigViewer.connect({ url, transport: 'tcp' });
  const progress = setInterval(() => {
    const { firstRtpMs } = viewer.times;
    onProgress(firstRtpMs === undefined ? 0 : (performance.now() - firstRtpMs) / 1000);
  }, PROGRESS_EVERY_MS);
  try {
    await viewer.options();
    await viewer.describe();
    await viewer.setup();
    await viewer.play({ range: 'npt=0.000-' });
    await viewer.ended({ timeoutMs: titleSeconds * 1000 + END_SLACK_MS });
    await viewer.teardown();
    const { connectStartMs, firstKeyFrameMs = Infinity } = viewer.times;
    const frames = viewer.recordings.map(({ stream }) => viewer.frames(stream.index));
    return { startupMs: firstKeyFrameMs - connectStartMs, frames };
  } finally {
    clearInterval(progress);
    await viewer.close();
  }
}
