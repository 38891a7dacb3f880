/**
 * How a range is played. `scale`: normal play time over the viewer's time; 2 shows two seconds of the title in one, -1 goes
 * backward. `speed`: the viewer's time over the clock; 2 delivers twice as fast and changes no timestamp.
 * Source: RFC 2326 section 12.34, 12.35.
 */
export interface Pace {
  readonly scale: number;
  readonly speed: number;
}

export const NORMAL_PACE: Pace = { scale: 1, speed: 1 };

/** Forward from twice as fast on; backward from as fast as forward. Between 0 and 2 there is normal play. */
const SCALE = { least: 2, most: 16, leastBackward: 1 } as const;
const SPEED = { least: 0.1, most: 8 } as const;

/** What of `asked` can be had at all. Live media comes as it is made. */
export function grantable(asked: Pace, live: boolean): Pace {
  if (live) return NORMAL_PACE;
  return { scale: grantableScale(asked.scale), speed: within(asked.speed, SPEED.least, SPEED.most) };
}

function grantableScale(scale: number): number {
  if (scale < 0) return -within(-scale, SCALE.leastBackward, SCALE.most);
  return scale < SCALE.least ? 1 : Math.min(scale, SCALE.most);
}

function within(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
