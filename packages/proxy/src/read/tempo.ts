/** Live media leaves as soon as it is there (`low`), at the price of more turns, or a little later with more at a time. */
export type Latency = 'usual' | 'low';

/** All who play. */
export interface Crowd {
  readonly viewers: number;
  /** Of live media. */
  readonly latency: Latency;
}

/** Up to here every packet has its own time. */
const FEW_VIEWERS = 40;
const AHEAD_MS_PER_VIEWER = 0.6;
/** A picture comes in several pieces, which are worth one turn. */
const GATHER_MS = { low: 0, least: 5, most: 10 } as const;
const GATHER_MS_PER_VIEWER = 1 / 32;
/** Between two tries where a viewer takes nothing, or there is nothing to send. */
const WAIT_MS = 10;
/** A turn is wanted this often whatever is due: a reader looks ahead. */
const LONGEST_WAIT_MS = 240;
/**
 * What was left because it was not due yet is sent so long before it is, where media may leave early: the more viewers, the
 * more turns come together, and the longer the last of them waits for the others.
 */
const LEAST_MARGIN_MS = 10;
const MARGIN_MS_PER_VIEWER = 0.04;
const MOST_MARGIN_MS = 120;
/**
 * At 4 Mbit/s 240 ms, from one turn to the next, are two writes of 64 KB over TCP, beyond which larger ones save little; 300 ms
 * early are no burst to players yet. Over UDP one batch is half of what sockets have room for by default, and 120 ms at 4 Mbit/s;
 * the next turn (`leastMs`) is when a link of 100 Mbit/s is done with that: what a key frame brings at once fits the buffers on
 * the way. It is a while later where nothing is late. A viewer that is later than `lateMicros` is sent several batches at once:
 * its media is wider than that.
 */
const TRANSPORTS = {
  tcp: {
    mostAheadMs: 300,
    batchBytes: 65_536,
    batches: 4,
    leastMs: { late: 0, early: 0 },
    lateMicros: 100_000,
  },
  udp: {
    mostAheadMs: 240,
    batchBytes: 62_000,
    batches: 1,
    leastMs: { late: 5, early: 15 },
    lateMicros: 1_000_000,
  },
} as const;
const MOST_BATCHES = 4;

/**
 * How often one viewer gets its turn, and how much at a time, from how many viewers there are. Few are sent everything
 * exactly when it is due. Many are sent more at once, since a write costs as much as the packets in it: held media then
 * leaves early, never late.
 */
export class Tempo {
  /** Bytes of one batch. */
  readonly batchBytes: number;
  readonly #crowd: Crowd;
  readonly #transport: (typeof TRANSPORTS)['tcp' | 'udp'];

  constructor(crowd: Crowd, transport: 'tcp' | 'udp') {
    this.#crowd = crowd;
    this.#transport = TRANSPORTS[transport];
    this.batchBytes = this.#transport.batchBytes;
  }

  /** Held media may leave so early, milliseconds. */
  get aheadMs(): number {
    const { viewers } = this.#crowd;
    if (viewers <= FEW_VIEWERS) return 0;
    return Math.min(viewers * AHEAD_MS_PER_VIEWER, this.#transport.mostAheadMs);
  }

  /** What comes waits so long for what comes with it, milliseconds. */
  get gatherMs(): number {
    const { viewers, latency } = this.#crowd;
    if (latency === 'low') return GATHER_MS.low;
    return Math.min(Math.max(viewers * GATHER_MS_PER_VIEWER, GATHER_MS.least), GATHER_MS.most);
  }

  /** Batches of one turn. @param lateMicros how late the first of them is */
  batches(lateMicros: number): number {
    return lateMicros > this.#transport.lateMicros ? MOST_BATCHES : this.#transport.batches;
  }

  /**
   * From one turn to the next, milliseconds.
   * @param dueMs until the next packet is due; Infinity: there is none yet, or the viewer takes none
   */
  waitMs(dueMs: number): number {
    if (dueMs === Infinity) return WAIT_MS;
    const { leastMs } = this.#transport;
    const restMs = Math.min(Math.max(dueMs, leastMs.late), leastMs.early);
    const wantedMs = Math.max(dueMs - this.#marginMs, restMs);
    return Math.min(wantedMs, LONGEST_WAIT_MS);
  }

  get #marginMs(): number {
    const wantedMs = Math.max(this.#crowd.viewers * MARGIN_MS_PER_VIEWER, LEAST_MARGIN_MS);
    return Math.min(wantedMs, MOST_MARGIN_MS, this.aheadMs);
  }
}
