import type { StoreFs } from '@forebay/cache';
import type { Credentials, RtspUrl } from '@forebay/rtsp';
import type { Viewing } from './access.js';
import type { Clock } from './clock.js';
import type { Log } from './log.js';
import type { ProfileSettings } from './origin/profile.js';
import type { ProfileRecord } from './origin/profile-record.js';
import type { WarmProgress } from './read/warmings.js';
import type { ViewerLimits } from './viewer/limits.js';
import type { TlsIdentity } from './viewer/secure-door.js';
import type { UdpPath } from './viewer/udp-path.js';

/** Which origin answers for which paths, and how it is talked to. */
export interface RouteOptions extends ProfileSettings {
  /** Metric label and log field. */
  readonly id: string;
  /** Begins with '/'; the longest prefix wins. */
  readonly pathPrefix: string;
  readonly baseUrl: RtspUrl;
  readonly credentials?: Credentials;
  /** Viewers who may watch what is behind it; undefined: anybody. */
  readonly logins?: readonly Credentials[];
  /** Whether a password may be sent in clear text (Basic) when an origin asks for that. */
  readonly allowBasic?: boolean;
  /** 'host:port' that redirects may lead to, beside the origin's own. */
  readonly allowHosts: readonly string[];
  readonly maxSessions?: number;
  /** How long a viewer waits in line for one of them before it is refused. Default 30 s. */
  readonly queueMs?: number;
  /** So much of live presentations is kept on disk, for viewers that pause or go back; default 0. */
  readonly timeshiftSeconds?: number;
  readonly transport?: 'auto' | 'tcp' | 'udp';
}

export interface ProxyOptions {
  readonly routes: readonly RouteOptions[];
  /** Undefined: nothing is kept on disk. */
  readonly cacheDirectory: string | undefined;
  readonly cacheBytes: number;
  /** The disk under it. Default: the machine's. */
  readonly cacheFs?: StoreFs;
  readonly ramBytes: number;
  /** UDP ports towards viewers, even/odd pairs; 0-0 takes any. */
  readonly udpPorts: { readonly first: number; readonly last: number };
  /** How datagrams leave for viewers. Default `auto`: as batches where the system can, else one by one. */
  readonly udpPath?: UdpPath;
  /** Live media leaves as soon as it is there. Default: within 10 to 20 ms, with less work. */
  readonly lowLatency?: boolean;
  /** Shown to viewers who come over TLS; undefined: none can. */
  readonly tls?: TlsIdentity;
  readonly sessionTimeoutSeconds: number;
  /** Processes that serve viewers. 1, the default: this one, which does everything. */
  readonly workers?: number;
  /** Other limits towards viewers than the usual ones. */
  readonly viewerLimits?: Partial<ViewerLimits>;
  /** Called after each range that a viewer played, not live. Must not throw. */
  readonly onViewing?: (viewing: Viewing) => void;
  /** Aborted while the proxy starts: the start is given up, and ends with its reason. */
  readonly giveUp?: AbortSignal;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** A title that is to be fetched ahead of viewers. */
export interface WarmOptions {
  /** As a viewer would ask for it, whatever the host, or as the origin has it. */
  readonly url: RtspUrl;
  /** From the beginning so much; undefined: all of it. */
  readonly prefixSeconds: number | undefined;
  /** What is fetched is no victim for so long. */
  readonly keepSeconds: number;
  readonly signal: AbortSignal;
  /** Told a few times a second. */
  readonly report: (progress: WarmProgress) => void;
}

/** An origin as the proxy knows it. */
export interface OriginState {
  readonly route: string;
  /** Scheme, host and port. */
  readonly origin: string;
  readonly sessions: { readonly used: number; readonly waiting: number };
  readonly leadSeconds: number;
  /** p50 and p90 of the last start-ups; undefined while there was none. */
  readonly startupMs: { readonly p50: number | undefined; readonly p90: number | undefined };
  readonly learned: ProfileRecord;
}
