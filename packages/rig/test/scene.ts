import type { Test } from 'tap';
import { checkSynthetic, playOnce, RigOrigin, RigViewer, syntheticTitle } from '../src/index.js';
import type { OriginFaults, OriginOptions, ViewerTransport } from '../src/index.js';

export const FAST = 20;
export const TIMEOUT = { timeoutMs: 20_000 };
export const TITLE = syntheticTitle({ seconds: 6, bFrames: 2 });

export async function originFor(
  t: Test,
  faults: OriginFaults = {},
  more: Partial<OriginOptions> = {},
): Promise<RigOrigin> {
  const origin = await RigOrigin.start({
    titles: { '/film': TITLE },
    faults: { speed: FAST, ...faults },
    ...more,
  });
  t.teardown(async () => await origin.close());
  return origin;
}

export async function viewerOf(
  t: Test,
  origin: RigOrigin,
  transport: ViewerTransport = 'tcp',
  path = '/film',
): Promise<RigViewer> {
  const viewer = await RigViewer.connect({
    url: origin.url(path),
    transport,
    timeoutMs: 10_000,
    check: checkSynthetic(),
  });
  t.teardown(async () => await viewer.close());
  await viewer.describe();
  return viewer;
}

export const played = async (
  origin: RigOrigin,
  range = 'npt=0-',
  transport: ViewerTransport = 'tcp',
): Promise<RigViewer> =>
  await playOnce({
    url: origin.url('/film'),
    transport,
    range,
    endTimeoutMs: 20_000,
    check: checkSynthetic(),
  });

export const NO_BREAKS = {
  sequenceGaps: 0,
  sequenceRepeats: 0,
  sequenceBackSteps: 0,
  ssrcChanges: 0,
  timestampBackSteps: 0,
  timestampRepeats: 0,
  timestampGaps: 0,
  gapSeconds: 0,
};
