import type { AccessUnit } from './continuity.js';

/** Arrival against media time, both from the first access unit on. Pictures that were sent before their turn look early. */
export interface Pace {
  /** The furthest that any access unit came ahead of its time. */
  readonly mostEarlyMs: number;
  readonly mostLateMs: number;
  readonly p99LateMs: number;
  /** From the first arrival to the last. */
  readonly wallSeconds: number;
  /** From the first timestamp to the last. */
  readonly mediaSeconds: number;
}

export function paceOf(units: readonly AccessUnit[], clockRate: number): Pace {
  const [first, last] = [units[0], units.at(-1)];
  if (first === undefined || last === undefined) {
    return { mostEarlyMs: 0, mostLateMs: 0, p99LateMs: 0, wallSeconds: 0, mediaSeconds: 0 };
  }
  const mediaMs = (unit: AccessUnit): number =>
    ((unit.timestampTicks - first.timestampTicks) / clockRate) * 1000;
  const lateMs = units.map((unit) => unit.arrivalMs - first.arrivalMs - mediaMs(unit)).sort((a, b) => a - b);
  return {
    mostEarlyMs: Math.max(0, -lateMs[0]!),
    mostLateMs: Math.max(0, lateMs.at(-1)!),
    p99LateMs: Math.max(0, lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * 0.99))]!),
    wallSeconds: (last.arrivalMs - first.arrivalMs) / 1000,
    mediaSeconds: mediaMs(last) / 1000,
  };
}
