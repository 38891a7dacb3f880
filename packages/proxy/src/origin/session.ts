import type { Need } from './budget.js';
import type { OriginDescription } from './description.js';
import type { OriginError } from './errors.js';
import type { FillMethod } from './fill-methods.js';
import type { PlayReply } from './reply.js';

/** What a session is opened for. */
export interface OpenOptions {
  readonly origin: OriginDescription;
  /** Indexes of the streams to set up, at least one. */
  readonly streams: readonly number[];
  /** NPT to play from; undefined for live media, which is never sent a Range. */
  readonly startSeconds: number | undefined;
  /** NPT to play to; to the end by default. Some origins do not keep to it. */
  readonly endSeconds?: number;
  /** Asks for the range faster than it plays; undefined: at the pace of the media. */
  readonly fill?: FillMethod | undefined;
  /** How much faster than it is the title is to be shown, by the origin itself; backward where negative. */
  readonly scale?: number;
  /** Gives up opening, and later closes the session. */
  readonly signal: AbortSignal;
  /** What to ask whoever waits in line for a session; by default a viewer who waits for a first picture. */
  readonly turn?: Turn;
}

/** Where a session plays, as it is known when its turn has come. */
export type Destination = Pick<OpenOptions, 'origin' | 'startSeconds'>;

/** One who may have to wait in line for a session of the origin's budget. */
export interface Turn {
  need(): Need;
  /** Its turn has come. @returns what to open by now; rejects when nothing is wanted any more */
  come(): Promise<Destination>;
  /** The origin had no session after all: it is back in line. */
  lost(): void;
}

/** Receives what an origin sends. Nothing is delivered before {@link OriginSession.start}. */
export interface OriginSink {
  /**
   * One RTP packet of a stream's payload type: bytes[start,end), valid during the call. Over TCP in the order sent, over
   * UDP in the order of sequence numbers.
   */
  rtp(stream: number, bytes: Buffer, start: number, end: number): void;
  senderReport(stream: number, report: SenderTime): void;
  /** The source says goodbye. Not to be believed without silence behind it. */
  bye(stream: number): void;
  /**
   * The session is over: undefined after {@link OriginSession.close}, else why. Called once for every session that was
   * opened, and nothing more comes after it.
   */
  closed(error: OriginError | undefined): void;
}

/** A sender report's clock and count (RFC 3550 section 6.4.1). Advisory. */
export interface SenderTime {
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
}

/** One session with an origin, from the answer to PLAY on. */
export interface OriginSession {
  /** Answer to the last PLAY. */
  readonly reply: PlayReply;
  readonly transport: 'tcp' | 'udp';
  /** SSRC that the origin announced, by stream index. */
  readonly ssrcs: readonly (number | undefined)[];
  readonly bytesReceived: number;
  /** Packets flow from now on. Those that came already (at most 1024) are delivered during the call. */
  start(): void;
  /**
   * Plays from another position. Packets of the old one are dropped, those of the new one wait for the next start().
   * @throws OriginError
   */
  play(startSeconds: number, endSeconds?: number): Promise<PlayReply>;
  /** @throws OriginError */
  pause(): Promise<void>;
  /** Lets the origin feel that it is too fast: its bytes stay in the network. Without effect over UDP. */
  pauseReading(): void;
  resumeReading(): void;
  /** TEARDOWN, awaited at most 2 s; the connection is destroyed in any case. Idempotent. */
  close(): Promise<void>;
}
