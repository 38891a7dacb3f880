import type { ViewerTransport } from '@forebay/rig';

/** How a viewer gets at the title. In the order in which they are measured, over and over. */
export const WAYS = ['direct', 'cold', 'coldKnown', 'warm', 'warmRam', 'near'] as const;
export type Way = (typeof WAYS)[number];

/** What each way is, for people. */
export const WAY_LABELS: Readonly<Record<Way, string>> = {
  direct: 'direct',
  cold: 'cold',
  coldKnown: 'cold, origin known',
  warm: 'warm, from disk',
  warmRam: 'warm, from RAM',
  near: 'direct, origin near',
};

export const WAY_NOTES: Readonly<Record<Way, string>> = {
  direct: 'straight from the origin, the whole round trip away',
  cold: 'through a proxy that was just started: nothing held, nothing learned of the origin',
  coldKnown: 'another title that this proxy never saw, while the flight of the first goes on',
  warm: 'through a proxy that was just started on a disk that holds the title',
  warmRam: 'the same proxy once more',
  near: 'straight from the origin, no round trip added: the floor of a bare origin',
};

export const TRANSPORTS = ['tcp', 'udp'] as const satisfies readonly ViewerTransport[];

/** Ways that are compared, with the most that each may take as a share of direct. */
export const GOALS = [
  { way: 'cold', most: 1 },
  { way: 'warm', most: 0.1 },
] as const satisfies readonly { way: Way; most: number }[];
