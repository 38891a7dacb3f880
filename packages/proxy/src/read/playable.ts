import type { Segment } from '@forebay/cache';
import type { AccessUnitClassifier } from '@forebay/rtp';
import type { RtspRange } from '@forebay/rtsp';
import type { Followers } from '../fill/followers.js';
import type { Boarding, Outlook, Rider } from '../fill/flights.js';
import type { LiveTime } from '../fill/live-time.js';
import type { PassageOptions } from '../fill/passage.js';
import type { Place, Row } from '../fill/row.js';
import type { Shelves } from '../fill/shelves.js';
import type { OriginSession, OriginSink } from '../origin/session.js';

/** What a reader needs to know of a title, wherever that is filled. */
export interface Playable {
  readonly live: boolean;
  /** Undefined on demand. */
  readonly liveTime: LiveTime | undefined;
  readonly durationSeconds: number | undefined;
  /** As the origin describes it. */
  readonly range: RtspRange | undefined;
  readonly streams: readonly {
    readonly clockRate: number;
    readonly classifier?: AccessUnitClassifier | undefined;
  }[];
  /** The stream whose random access points cut segments. */
  readonly reference: number;
  /** That stream shows pictures. */
  readonly isVideo: boolean;
  readonly row: Row<Place>;
  /** Readers that wait for the next packets of a segment that grows. */
  readonly followers: Followers;
  readonly shelves: Pick<Shelves, 'clock' | 'metrics' | 'log'>;
  /** Whether the origin seeks; undefined while that is not known. */
  readonly seeks: boolean | undefined;
  /** How long before a seam the origin must be asked, seconds. */
  leadSeconds(): number;
  /** The packets of a sealed segment if they are in memory. */
  resident(held: Place): Segment | undefined;
  /**
   * The packets of a sealed segment from wherever they are; undefined and no longer held if they are nowhere. What is only
   * skimmed drives nothing else out of RAM.
   */
  load(held: Place, use?: 'skim'): Promise<Loaded | undefined>;
}

export interface Loaded {
  readonly segment: Segment;
  readonly source: 'ram' | 'disk';
}

/** Where a reader asks for media that is not held. */
export interface Boarder {
  /** Sees to it that media from NPT `atMicros` is fetched for `rider`. */
  board(atMicros: number, rider: Rider): Boarding;
  /** What becomes of NPT `atMicros`. */
  outlook(atMicros: number): Outlook;
  /** What `rider` needs is in line for a session of the origin. */
  isWaiting(rider: Rider): boolean;
  /** `rider` needs no flight now. */
  leave(rider: Rider): void;
}

/** An origin session of one viewer's own. */
export type PassedSession = Pick<
  OriginSession,
  'reply' | 'start' | 'pauseReading' | 'resumeReading' | 'close'
>;

/** An origin that may scale by itself. */
export interface ScalingOrigin {
  /** Whether it scales this title; undefined while that is worth a try. */
  readonly scales: boolean | undefined;
  /** What became of a try. */
  learn(scales: boolean): void;
  /** @throws OriginError */
  open(options: PassageOptions, sink: OriginSink): Promise<PassedSession>;
}
