import type { Title } from '../title/title.js';
import type { OriginFaults } from './faults.js';

/** A title with how it is served. */
export interface MountOptions {
  readonly title: Title;
  /** Played over and over, for all viewers at the same place. Audio steps at the end of a lap unless it is whole frames. */
  readonly live?: boolean;
  /** On top of the origin's. */
  readonly faults?: OriginFaults;
}

export interface OriginOptions {
  /** By path, `/film`. */
  readonly titles: Readonly<Record<string, Title | MountOptions>>;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default any that is free. */
  readonly port?: number;
  readonly faults?: OriginFaults;
}

/** Since the start, except where it says open. */
export interface OriginCounters {
  connections: number;
  openConnections: number;
  describes: number;
  setups: number;
  plays: number;
  pauses: number;
  teardowns: number;
  openSessions: number;
  mostSessions: number;
  /** Sessions that ended because nothing was heard of their viewer. */
  expiredSessions: number;
  packets: number;
  /** RTP with its headers, without interleaved framing. */
  mediaBytes: number;
  /** RTCP compounds from viewers. */
  receiverReports: number;
}

export interface LoggedRequest {
  /** Monotonic clock. */
  readonly atMs: number;
  /** Counts connections from 1. */
  readonly connection: number;
  readonly method: string;
  readonly url: string;
  /** Value of a request header. */
  readonly header: (name: string) => string | undefined;
  readonly status: number;
}

export function newCounters(): OriginCounters {
  return {
    connections: 0,
    openConnections: 0,
    describes: 0,
    setups: 0,
    plays: 0,
    pauses: 0,
    teardowns: 0,
    openSessions: 0,
    mostSessions: 0,
    expiredSessions: 0,
    packets: 0,
    mediaBytes: 0,
    receiverReports: 0,
  };
}
