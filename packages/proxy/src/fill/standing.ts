import type { Description } from '@forebay/rtsp';

/**
 * What a generation of a title is to its origin: `current`; `former`, described otherwise now, though it may be the same media
 * still, such as a recording that grows; `superseded`, something else is at its URL, and what the origin sends does not belong to
 * it.
 */
export type Standing = 'current' | 'former' | 'superseded';

/** The standing of a generation after the origin has described the title anew: other streams, or a shorter title, are another one. */
export function standingAfter(before: Description, after: Description): Standing {
  const isShorter = (after.durationSeconds ?? Infinity) < (before.durationSeconds ?? 0);
  return isShorter || streamsOf(before) !== streamsOf(after) ? 'superseded' : 'former';
}

/** What a viewer has to know of the streams to decode them. */
function streamsOf({ streams }: Description): string {
  return JSON.stringify(streams.map((s) => [s.media, s.payloadType, s.encoding, s.clockRate, s.fmtp]));
}
