import type { Place } from '../fill/row.js';
import type { ReaderOptions } from './library.js';
import type { PlayClock } from './play-clock.js';
import type { Playable } from './playable.js';
import type { ReaderTally } from './tally.js';
import type { Tempo } from './tempo.js';
import type { Timeline } from './timeline.js';

/**
 * BYE leaves this long after the last packet. Over UDP it travels on another socket, and must not overtake it. Over TCP
 * GStreamer 1.22 hangs when it reads both at once: its jitter buffer sets a timer for the last packet after the thread that
 * would wait for it has seen the end, and waits for that timer for ever (rtpjitterbuffer, pop_and_push_next).
 */
export const FAREWELL_MS = 200;
/** Space between the last timestamp of one range and the first of the next: about a frame. */
export const RANGE_STEP_MICROS = 40_000;

/** What all who send to one viewer share. */
export interface SenderParts {
  readonly title: Playable;
  readonly timeline: Timeline;
  readonly options: ReaderOptions;
  readonly clock: PlayClock;
  readonly tally: ReaderTally;
  readonly tempo: Tempo;
}

/** Sends one range to one viewer at one pace. */
export interface RangeSender {
  /** The segment behind which media must be fetched before it is due; undefined: none need be. */
  readonly held: Place | undefined;
  /** NPT where the range ends; undefined: with the title. */
  readonly endMicros: number | undefined;
  /** There is something to send. */
  readonly isReady: boolean;
  /** It has sent all that has come of a title: more is worth a turn at once. */
  readonly isFollowing?: boolean;
  /** Time begins to run. @returns NPT that is due now */
  start(): number;
  /** Sends what is due. @returns how the range ended, if it did */
  turn(nowMs: number): 'end' | 'failed' | undefined;
  /** When it wants its next turn, after one: a clock reading. */
  nextTurnMs(nowMs: number): number;
  /** NPT to go on from. */
  place(): number;
  /** The viewer's time after everything that was sent, microseconds. */
  viewerEnd(): number;
  /** Gives back what it needs only while it plays. */
  halt?(): void;
  /** Forgets the range. */
  end(): void;
}
