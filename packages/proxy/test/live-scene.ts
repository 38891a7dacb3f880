import type { AccessUnit, RigViewer } from '@forebay/rig';
import { film, type SceneOptions } from './scene.js';

const GOP_SECONDS = 1;
const PATIENCE_MS = 30_000;

/** A scene with a live presentation whose key frames are 1 s apart. */
export const live = (o: Omit<SceneOptions, 'titles'> & { videoKbps?: number } = {}): SceneOptions => ({
  ...o,
  titles: {
    '/film': {
      title: film(24, { gopSeconds: GOP_SECONDS, ...(o.videoKbps ? { videoKbps: o.videoKbps } : {}) }),
      live: true,
      faults: { liveKeyFrame: true },
    },
  },
});

export const unitsOf = (viewer: RigViewer, stream = 0): AccessUnit[] =>
  viewer.accessUnits(stream, { parameterSets: false });

/** Waits until the viewer has shown `seconds` more of video. */
export async function watch(viewer: RigViewer, seconds: number): Promise<void> {
  const until = viewer.recording(0).packets;
  const clock = (): number => {
    const { timestamps } = viewer.recording(0);
    const first = timestamps[Math.min(until, timestamps.length - 1)] ?? 0;
    return (((timestamps.at(-1) ?? first) - first) >>> 0) / 90_000;
  };
  await viewer.until(() => viewer.recording(0).packets > until && clock() >= seconds, {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
    what: `${seconds} s of video`,
  });
}

/** What each of a viewer's units is in another viewer's row; -1 where it is not in it. */
export function placesIn(whole: readonly AccessUnit[], units: readonly AccessUnit[]): number[] {
  const place = new Map(whole.map(({ hash }, i) => [hash, i]));
  return units.map(({ hash }) => place.get(hash) ?? -1);
}
