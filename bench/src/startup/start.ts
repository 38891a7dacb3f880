import { RigViewer, type ViewerTransport } from '@forebay/rig';

const TIMEOUT_MS = 20_000;

/** What a player waits for, one after the other. */
export const STEPS = ['connect', 'options', 'describe', 'setup', 'play', 'keyFrame'] as const;
export type Step = (typeof STEPS)[number];

/** One start of a title. */
export interface Start {
  /** From the TCP connect to the first complete key frame: the sum of the steps. */
  readonly startupMs: number;
  /** How long each step took; `keyFrame` is from the answer to PLAY to the last packet of the picture. */
  readonly stepMs: Readonly<Record<Step, number>>;
  /** The connection's, and one for each answer waited for. */
  readonly roundTrips: number;
  /** Of the first picture's payloads, parameter sets left out. */
  readonly picture: number;
}

/**
 * Starts a title like an ordinary player: OPTIONS, DESCRIBE, SETUP of one stream after the other, PLAY from 0. Leaves
 * with TEARDOWN once the first picture is there.
 * @throws RigError
 */
export async function startOnce(url: string, transport: ViewerTransport): Promise<Start> {
  const viewer = await RigViewer.connect({ url, transport, timeoutMs: TIMEOUT_MS });
  try {
    const { connectStartMs, connectedMs } = viewer.times;
    await viewer.options();
    const optionsMs = performance.now();
    await viewer.describe();
    const describedMs = performance.now();
    await viewer.setup();
    const setUpMs = performance.now();
    await viewer.play({ range: 'npt=0.000-' });
    const { roundTrips } = viewer;
    const hasPicture = (): boolean => viewer.times.firstKeyFrameMs !== undefined;
    await viewer.until(hasPicture, { timeoutMs: TIMEOUT_MS, what: 'the first picture' });
    const { playReplyMs = NaN, firstKeyFrameMs = NaN } = viewer.times;
    const picture = pictureOf(viewer);
    await viewer.teardown();
    return {
      startupMs: firstKeyFrameMs - connectStartMs,
      stepMs: {
        connect: connectedMs - connectStartMs,
        options: optionsMs - connectedMs,
        describe: describedMs - optionsMs,
        setup: setUpMs - describedMs,
        play: playReplyMs - setUpMs,
        keyFrame: firstKeyFrameMs - playReplyMs,
      },
      roundTrips,
      picture,
    };
  } finally {
    await viewer.close();
  }
}

function pictureOf(viewer: RigViewer): number {
  const video = viewer.recordings.find(({ stream }) => stream.media === 'video') ?? viewer.recordings[0]!;
  const units = viewer.accessUnits(video.stream.index, { parameterSets: false });
  return units.find(({ randomAccess }) => randomAccess)?.hash ?? 0;
}
