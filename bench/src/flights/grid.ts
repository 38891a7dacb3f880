import { simulate, type SimulatedRun } from './simulation.js';
import { batching, type Demand, multicastBound, noSharing, patching, retainingBound } from './theory.js';

const TITLE_SECONDS = [600, 2400] as const;
const PREFIX_SECONDS = [0, 60, 300] as const;
const ARRIVALS_PER_HOUR = [6, 20, 60, 200, 600] as const;
const ARRIVALS = 120;
const SEED = 11;

/** One point: what the proxy took of its origin, beside what others would. Bandwidths in streams. */
export interface GridPoint {
  readonly titleSeconds: number;
  readonly prefixSeconds: number;
  readonly arrivalsPerHour: number;
  readonly noSharing: number;
  readonly batching: number;
  readonly patching: number;
  readonly multicastBound: number;
  readonly retainingBound: number;
  readonly simulated: SimulatedRun;
}

/** @param report told before each point, with how many there are */
export async function simulateGrid(report: (done: number, of: number) => void): Promise<GridPoint[]> {
  const demands = TITLE_SECONDS.flatMap((seconds) =>
    PREFIX_SECONDS.flatMap((prefixSeconds) =>
      ARRIVALS_PER_HOUR.map((perHour) => ({ seconds, prefixSeconds, arrivalsPerSecond: perHour / 3600 })),
    ),
  );
  const points: GridPoint[] = [];
  for (const demand of demands) {
    report(points.length, demands.length);
    points.push(pointOf(demand, await simulate({ ...demand, arrivals: ARRIVALS, seed: SEED })));
  }
  return points;
}

function pointOf(demand: Demand, simulated: SimulatedRun): GridPoint {
  return {
    titleSeconds: demand.seconds,
    prefixSeconds: demand.prefixSeconds,
    arrivalsPerHour: Math.round(demand.arrivalsPerSecond * 3600),
    noSharing: noSharing(demand),
    batching: batching(demand),
    patching: patching(demand),
    multicastBound: multicastBound(demand),
    retainingBound: retainingBound(demand),
    simulated,
  };
}
