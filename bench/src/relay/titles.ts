import { syntheticTitle, type Title } from '@forebay/rig';

/** Video of these mean bitrates; one picture in 25 is a key frame of five times the size. */
export const BITRATES_KBPS = [1000, 4000, 16_000] as const;
export type Kbps = (typeof BITRATES_KBPS)[number];
export const USUAL_KBPS = 4000;

/** Longer than any measurement: viewers begin in the first third and do not reach the end. */
const TITLE_SECONDS = 30;
export const FILL_MS = TITLE_SECONDS * 1000;
/** Where viewers begin, seconds. */
export const STARTS_SECONDS = [0, 12] as const;

/** Payload of a packet: seven packets of an MPEG transport stream, the most usual size. */
const PACKET_BYTES = 1316;

/** One stream of video. */
export function titleOf(videoKbps: number): Title {
  return syntheticTitle({ seconds: TITLE_SECONDS, videoKbps, audio: false, packetBytes: PACKET_BYTES });
}
