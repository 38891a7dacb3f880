import type { PacketRun } from '@forebay/cache';
import { type Description, rewriteDescription, type RtspRange, type RtspUrl } from '@forebay/rtsp';
import type { Source } from '../metrics.js';
import type { Pace } from './pace.js';
import type { Timeline } from './timeline.js';

/** What a viewer may play: one description of one title, as it stood when the viewer asked. */
export interface Presentation {
  /** Canonical origin URL: the cache key. */
  readonly key: string;
  /** Metric label of the route. */
  readonly route: string;
  readonly description: Description;
  /** No finite end: never seekable at the origin. */
  readonly live: boolean;
  readonly durationSeconds: number | undefined;
  /** The SDP for viewers. */
  sdp(): string;
}

/** The origin's description, with the length that is known by now. */
export function sdpForViewers(presentation: Omit<Presentation, 'sdp'>): string {
  const end = presentation.live ? undefined : presentation.durationSeconds;
  return rewriteDescription(presentation.description, end === undefined ? {} : { rangeEndSeconds: end });
}

/** Who looks for a presentation. */
export interface Enquirer {
  /** Names the viewer's address, or network: enquirers of one name share what an origin is asked at a time. */
  readonly account: string;
  /** Aborted when the viewer is gone. */
  readonly signal: AbortSignal;
}

/** Where viewers find presentations. */
export interface Library {
  /**
   * The presentation at `url`, as the viewer asked for it, without the stream part. Answered from the cache while fresh,
   * else from the origin; simultaneous questions are asked once, and few at a time.
   * @throws OriginError, or RtspError 404 where no route leads
   */
  find(url: RtspUrl, enquirer: Enquirer): Promise<Presentation>;
  /** A cursor of one viewer over `presentation`. */
  open(presentation: Presentation, options: ReaderOptions): Reader;
}

export interface StreamTransport {
  /** Index in the description. */
  readonly stream: number;
  /** SSRC towards this viewer, announced in SETUP. */
  readonly ssrc: number;
}

export interface ReaderOptions {
  /** Streams that were set up. */
  readonly streams: readonly StreamTransport[];
  readonly sink: MediaSink;
  readonly viewerAddress: string;
  readonly transport: 'udp' | 'tcp';
}

/** One viewer's transports, as a reader sees them. */
export interface MediaSink {
  /** True when the transport takes another batch now. */
  writable(): boolean;
  /**
   * Sends packets [from, to) of `run`, renumbered by `timeline`. Packets whose stream was not set up are skipped.
   * @returns bytes handed over
   */
  send(run: PacketRun, from: number, to: number, timeline: Timeline): number;
  /** The paced end of the range has come (`end`), or the media cannot go on (`failed`). */
  ended(reason: 'end' | 'failed'): void;
}

export interface PlayResult {
  /** NPT really sent from. */
  readonly startSeconds: number | 'now';
  readonly endSeconds: number | undefined;
  /** As it is really played. */
  readonly pace: Pace;
  /** Wall clock of NPT 0, milliseconds since 1970, where that is not in the description: live, with a window. */
  readonly zeroUnixMs?: number;
  /** By stream: the first sequence number of this range, and the RTP timestamp that corresponds to its start. */
  readonly streams: readonly {
    readonly stream: number;
    readonly sequence: number;
    readonly rtpTime: number;
  }[];
}

export interface ReaderStats {
  /** Media bytes handed to the transport, by where they came from. */
  readonly bytes: Readonly<Record<Source, number>>;
  /** PLAY received to first packet written, of the first PLAY; undefined before it. */
  readonly startupMs: number | undefined;
  readonly seams: number;
  /** Media time that was missing when due. */
  readonly gapSeconds: number;
}

export interface Reader {
  /**
   * Plans and prepares playing; media flows only after {@link Reader.start}. Without a range: from where it is, or the
   * start; backward the end. What of the pace cannot be had is played normally.
   * @throws RtspError 457, OriginError
   */
  play(range: RtspRange | undefined, signal: AbortSignal, pace?: Pace): Promise<PlayResult>;
  /** The 200 was written: pacing begins. */
  start(): void;
  /** Stops pacing and releases the origin. */
  pause(): { positionSeconds: number };
  close(): void;
  readonly timeline: Timeline;
  readonly stats: ReaderStats;
}
