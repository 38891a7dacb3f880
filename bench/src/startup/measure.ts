import { RigError, type ViewerTransport } from '@forebay/rig';
import type { Stage } from './stage.js';
import { type Start, startOnce } from './start.js';
import { TRANSPORTS, type Way, WAYS } from './ways.js';

/** A start, and what it cost the origin until the viewer left. */
export interface Measured extends Start {
  readonly originBytes: number;
}

/** A start that came to nothing. */
export interface Failure {
  readonly round: number;
  readonly transport: ViewerTransport;
  readonly way: Way;
  readonly reason: string;
}

export type Measurements = Readonly<Record<ViewerTransport, Readonly<Record<Way, readonly Measured[]>>>>;

/** Starts that are thrown away: they load what is loaded once and compile what is compiled once. */
const WARM_UP_ROUNDS = 2;
/** Beyond that there is something wrong, and nothing to measure. */
const MAX_FAILURES = 3;

/**
 * Measures every way once a round, round after round, so that whatever else the machine does falls on all of them.
 * @param onRound called before each round; rounds up to 0 are thrown away
 * @throws RigError when too many starts fail
 */
export async function measure(
  stage: Stage,
  rounds: number,
  onRound: (round: number, transport: ViewerTransport) => void,
): Promise<{ measurements: Measurements; failures: readonly Failure[] }> {
  const measurements = { tcp: emptyColumns(), udp: emptyColumns() };
  const failures: Failure[] = [];
  for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
    for (const transport of TRANSPORTS) {
      onRound(round, transport);
      await playRound(stage, transport, (way, outcome) => {
        if (outcome instanceof RigError) failures.push({ round, transport, way, reason: outcome.message });
        else if (round > 0) measurements[transport][way].push(outcome);
        if (outcome instanceof RigError && failures.length > MAX_FAILURES) throw outcome;
      });
    }
  }
  return { measurements, failures };
}

async function playRound(
  stage: Stage,
  transport: ViewerTransport,
  note: (way: Way, outcome: Measured | RigError) => void,
): Promise<void> {
  const start = async (way: Way, url: string): Promise<void> => {
    const link = way === 'warm' || way === 'warmRam' ? 'warm' : 'others';
    const before = stage.originBytes(link);
    const outcome = await startOnce(url, transport).catch(refusalOf);
    if (outcome instanceof RigError) note(way, outcome);
    else note(way, { ...outcome, originBytes: stage.originBytes(link) - before });
  };
  await start('direct', stage.directUrl);
  const { title, other } = await stage.openEmpty();
  await start('cold', title);
  await start('coldKnown', other);
  const held = await stage.openWarm();
  await start('warm', held);
  await start('warmRam', held);
  await stage.closeProxy();
  await start('near', stage.nearUrl);
}

/** Something that an origin, a proxy or a viewer did; anything else is thrown on. */
function refusalOf(error: unknown): RigError {
  if (error instanceof RigError) return error;
  throw error;
}

function emptyColumns(): Record<Way, Measured[]> {
  return Object.fromEntries(WAYS.map((way) => [way, []])) as unknown as Record<Way, Measured[]>;
}
