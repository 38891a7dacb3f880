import type { Outlook } from '../fill/flights.js';

/**
 * How long a viewer waits for media, milliseconds, by what can be hoped for: then a hole is jumped when media goes on behind
 * it, and at last the range is given up. A flight takes longer where groups of pictures are long, or the origin is far; an
 * origin that has failed may come back.
 */
export const PATIENCE_MS: Readonly<Record<Outlook, { readonly jump: number; readonly giveUp: number }>> = {
  flying: { jump: 15_000, giveUp: 30_000 },
  waiting: { jump: 60_000, giveUp: 120_000 },
  retrying: { jump: 15_000, giveUp: 30_000 },
  never: { jump: 0, giveUp: 500 },
  none: { jump: 2000, giveUp: 30_000 },
};

/** Live media is waited for longer: a camera that starts anew takes minutes, and what it missed is passed at once. */
export const LIVE_GIVE_UP_MS = 300_000;
