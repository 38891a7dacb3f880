import type { ViewerTransport } from '@forebay/rig';
import type { Stage } from './stage.js';
import { type Start, startOnce } from './start.js';
import { TRANSPORTS, type Way, WAYS } from './ways.js';

/** A start, and what it cost the origin until the viewer left. */
export interface Measured extends Start {
  readonly originBytes: number;
}

export type Measurements = Readonly<Record<ViewerTransport, Readonly<Record<Way, readonly Measured[]>>>>;

/** Starts that are thrown away: they load what is loaded once and compile what is compiled once. */
const WARM_UP_ROUNDS = 2;

/**
 * Measures every way once a round, round after round, so that whatever else the machine does falls on all of them.
 * @param onRound called before each round; rounds up to 0 are thrown away
 */
export async function measure(
  stage: Stage,
  rounds: number,
  onRound: (round: number, transport: ViewerTransport) => void,
): Promise<Measurements> {
  const measured = { tcp: emptyColumns(), udp: emptyColumns() };
  for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
    for (const transport of TRANSPORTS) {
      onRound(round, transport);
      await playRound(stage, transport, (way, start) => {
        if (round > 0) measured[transport][way].push(start);
      });
    }
  }
  return measured;
}

async function playRound(
  stage: Stage,
  transport: ViewerTransport,
  note: (way: Way, start: Measured) => void,
): Promise<void> {
  const start = async (way: Way, url: string): Promise<void> => {
    const link = way === 'warm' || way === 'warmRam' ? 'warm' : 'others';
    const before = stage.originBytes(link);
    const one = await startOnce(url, transport);
    note(way, { ...one, originBytes: stage.originBytes(link) - before });
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

function emptyColumns(): Record<Way, Measured[]> {
  return Object.fromEntries(WAYS.map((way) => [way, []])) as unknown as Record<Way, Measured[]>;
}
