import { RtspError, type RtspErrorCode, type RtspUrl } from '@forebay/rtsp';
import type { Viewing } from '../access.js';
import type { Prospects } from '../fill/flights.js';
import type { PassageOptions } from '../fill/passage.js';
import type { Need } from '../origin/budget.js';
import { ORIGIN_FAULTS, OriginError, type OriginErrorCode } from '../origin/errors.js';
import type { PlayReply } from '../origin/reply.js';
import type { AudienceStart } from '../read/audience.js';
import type { Latency } from '../read/tempo.js';
import type { PortRange } from '../viewer/ports.js';
import type { ViewerLimits } from '../viewer/limits.js';
import type { Terms } from '../viewer/server.js';
import type { UdpPath } from '../viewer/udp-path.js';

/*
 * What the owner and a worker tell each other, a few lines a segment and viewer, never a packet. The owner has the origins, the
 * flights, the catalogue and the cache; a worker has viewers. Messages are lists of these lines and keep their order.
 */

/** How often the owner shows what grows, and workers look at it, milliseconds: well below a frame. */
export const GLANCE_MS = { usual: 5, low: 1 } as const satisfies Record<Latency, number>;

/** What a worker has to know to begin. */
export interface WorkerOptions {
  readonly number: number;
  readonly udpPorts: PortRange;
  readonly udpPath: UdpPath;
  readonly latency: Latency;
  readonly sessionTimeoutSeconds: number;
  readonly viewerLimits: Partial<ViewerLimits>;
  readonly terms: Terms;
  readonly ramBytes: number;
  readonly serverName: string;
  /** Whether viewings are wanted. */
  readonly reportsViewings: boolean;
}

/** What is told of one segment, again whenever it changed. */
export interface ToldPlace {
  /** Unique within its title. */
  readonly id: number;
  readonly startMicros: number;
  readonly randomAccess: boolean;
  readonly endMicros: number;
  readonly state: 'open' | 'cut' | 'closing' | 'sealed';
  readonly last: boolean;
  readonly flying: boolean;
  readonly headless: boolean;
  /** Path of the file that its packets are appended to, while it grows. */
  readonly growth: string | undefined;
}

/** What is told of a title, again whenever it changed. */
export interface TitleFacts {
  readonly durationSeconds: number | undefined;
  readonly leadSeconds: number;
  readonly seeks: boolean | undefined;
  /** Whether the origin scales it; undefined while that is worth a try. */
  readonly scales: boolean | undefined;
  /** Live: where NPT begins, microseconds since 1970; undefined before the first pull. */
  readonly zeroMicros: number | undefined;
  readonly prospects: Prospects;
}

/** What is told of a title once. */
export interface TitleIdentity {
  readonly isVideo: boolean;
  readonly key: string;
  readonly generation: string;
  readonly live: boolean;
  /** Live: how much is kept for viewers that pause or go back. */
  readonly windowSeconds: number;
  readonly reference: number;
}

/** About one title that a worker watches. */
export type TitleLine =
  | { readonly is: 'facts'; readonly facts: TitleFacts }
  | { readonly is: 'place'; readonly place: ToldPlace }
  | { readonly is: 'gone'; readonly id: number }
  /** What was told of places counts no more; all of them follow. */
  | { readonly is: 'anew' }
  /** Everything has been told. */
  | { readonly is: 'current' };

/** A sealed segment as a file. */
export interface ToldSegment {
  readonly path: string;
  readonly bytes: number;
  readonly source: 'ram' | 'disk';
  /** The reader removes it. */
  readonly isLent: boolean;
}

export type Reply =
  | { readonly is: 'found'; readonly title: number; readonly route: string }
  | { readonly is: 'segment'; readonly segment: ToldSegment | undefined }
  /** `place`: the segment to look at; undefined: ask again. `isWaiting`: in line for a session of the origin. */
  | {
      readonly is: 'boarded';
      readonly place: number | undefined;
      readonly isRiding: boolean;
      readonly isWaiting: boolean;
    }
  | { readonly is: 'passing'; readonly reply: PlayReply }
  | { readonly is: 'error'; readonly error: ToldError };

/** Where a reader is, and what it wants. */
export interface ToldRider {
  readonly positionMicros: number;
  readonly need: Need;
  readonly untilMicros: number | undefined;
}

/** What an origin session of a viewer's own is opened for. */
export type PassWish = Omit<PassageOptions, 'signal'>;

/** What becomes of such a session: packets go on in a file; the origin said goodbye on a stream; it is over. */
export type PassLine =
  | { readonly is: 'file'; readonly path: string }
  | { readonly is: 'bye'; readonly stream: number }
  | { readonly is: 'closed'; readonly error: ToldOriginError | undefined };

/** `read`: the earliest file was read to its end. */
export type PassOrder = 'start' | 'hold' | 'resume' | 'read' | 'close';

/** What a worker waits for an answer to. */
export type Question =
  | { readonly is: 'find'; readonly url: RtspUrl; readonly account: string }
  | { readonly is: 'load'; readonly title: number; readonly place: number; readonly use: 'skim' | undefined }
  | {
      readonly is: 'board';
      readonly reader: number;
      readonly atMicros: number;
      readonly rider: ToldRider;
    }
  /** `pass`: the worker's name for the session. */
  | { readonly is: 'pass'; readonly pass: number; readonly reader: number; readonly wish: PassWish };

export type WorkerLine =
  | { readonly op: 'ready' }
  | { readonly op: 'failed'; readonly message: string }
  | { readonly op: 'drained' }
  | { readonly op: 'ask'; readonly id: number; readonly question: Question }
  /** Nobody waits for the answer any more; one comes all the same. */
  | { readonly op: 'unask'; readonly id: number }
  | { readonly op: 'watch' | 'unwatch' | 'forget'; readonly title: number }
  | { readonly op: 'opened'; readonly reader: number; readonly title: number }
  | { readonly op: 'leave' | 'closed' | 'ended'; readonly reader: number }
  | { readonly op: 'at'; readonly reader: number; readonly rider: ToldRider }
  | { readonly op: 'started'; readonly reader: number; readonly start: AudienceStart }
  | { readonly op: 'reached'; readonly reader: number; readonly seconds: number }
  | { readonly op: 'scales'; readonly reader: number; readonly scales: boolean }
  | { readonly op: 'passing'; readonly pass: number; readonly order: PassOrder }
  | { readonly op: 'viewing'; readonly viewing: Viewing }
  | { readonly op: 'adopted' | 'disconnected'; readonly connection: number }
  /** `isFull`: it has more to do than it can. */
  | {
      readonly op: 'measures';
      readonly id: number | undefined;
      readonly measures: Measures;
      readonly isFull: boolean;
    }
  | {
      readonly op: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly message: string;
    };

export type OwnerLine =
  | { readonly op: 'begin'; readonly options: WorkerOptions }
  | { readonly op: 'reply'; readonly id: number; readonly reply: Reply }
  | { readonly op: 'title'; readonly title: number; readonly about: TitleLine }
  | { readonly op: 'pass'; readonly pass: number; readonly about: PassLine }
  | {
      readonly op: 'identity';
      readonly title: number;
      readonly identity: TitleIdentity;
      readonly sdp: string;
    }
  | { readonly op: 'measure'; readonly id: number }
  | { readonly op: 'terms'; readonly terms: Terms }
  | { readonly op: 'drain'; readonly timeoutMs: number }
  | { readonly op: 'viewer'; readonly connection: number; readonly isSecure: boolean };

/** Metrics as prom-client tells them. */
export type Measures = readonly object[];

/** An error that a viewer is to be told. */
export type ToldError = { readonly of: 'rtsp'; readonly code: RtspErrorCode } | ToldOriginError;

export interface ToldOriginError {
  readonly of: 'origin';
  readonly code: OriginErrorCode;
  readonly detail: string;
}

export function tellError(error: unknown): ToldError {
  if (error instanceof RtspError && error.party === 'viewer') return { of: 'rtsp', code: error.code };
  if (error instanceof OriginError) return tellOriginError(error);
  return { of: 'origin', code: 'internal', detail: String(error) };
}

export function tellOriginError({ code, message }: OriginError): ToldOriginError {
  return { of: 'origin', code, detail: message.replace(`${ORIGIN_FAULTS[code].text}: `, '') };
}

export function errorOf(told: ToldError): Error {
  return told.of === 'rtsp' ? new RtspError('viewer', told.code) : originErrorOf(told);
}

export function originErrorOf({ code, detail }: ToldOriginError): OriginError {
  return new OriginError(code, detail);
}
