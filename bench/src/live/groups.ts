import type { AccessUnit } from '@forebay/rig';

/** What a slow viewer saw, beside one that saw everything. */
export interface Groups {
  /** Groups of pictures that it saw from the first to the last picture; and others, but for the one that was on at the end. */
  readonly whole: number;
  readonly partial: number;
  /** Groups between its first and its last that it did not see at all. */
  readonly leftOut: number;
  /** Pictures that are none of the other viewer's: not whole. */
  readonly broken: number;
}

/** Pictures by the group that each belongs to, parameter sets left out. */
export function compareGroups(all: readonly AccessUnit[], seen: readonly AccessUnit[]): Groups {
  const groupOf = new Map<number, number>();
  const sizes: number[] = [];
  for (const unit of all) {
    if (unit.randomAccess || sizes.length === 0) sizes.push(0);
    sizes[sizes.length - 1]!++;
    groupOf.set(unit.hash, sizes.length - 1);
  }
  const counts = new Map<number, number>();
  let broken = 0;
  // The last picture may be on its way.
  for (const unit of seen.slice(0, -1)) {
    const group = groupOf.get(unit.hash);
    if (group === undefined) broken++;
    else counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  const groups = [...counts.keys()];
  const last = Math.max(...groups);
  const inside = groups.filter((group) => group !== last);
  const whole = inside.filter((group) => counts.get(group) === sizes[group]).length;
  return {
    whole,
    partial: inside.length - whole,
    leftOut: last - Math.min(...groups) + 1 - groups.length,
    broken,
  };
}
