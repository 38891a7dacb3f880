import type { FillMethod, FillVerdict } from '../origin/fill-methods.js';
import type { ProfileSettings } from '../origin/profile.js';
import type { Likeness } from './compare.js';

/** RTP-Info of a play against its packets, by the stream that is furthest off. */
export interface RtpInfoTrust {
  readonly state: 'right' | 'wrong' | 'missing';
  /** By how much `rtptime` is off, seconds. */
  readonly offSeconds: number;
}

/** What an origin can do, as far as it was found out. What is undefined was not. */
export interface ProbeReport {
  /** Of the presentation, after redirects, without credentials. */
  readonly url: string;
  /** What the origin calls itself. */
  server?: string | undefined;
  describe?: {
    readonly ms: number;
    readonly streams: readonly {
      readonly media: string;
      readonly encoding: string;
      readonly clockRate: number;
    }[];
    readonly onDemand: boolean;
    readonly durationSeconds: number | undefined;
    /** `a=range` as sent. */
    readonly range: string | undefined;
    readonly onvifReplay: boolean;
    readonly cacheHeaders: Readonly<Record<string, string>>;
    /** The second description was the same, in what matters. */
    readonly stable: boolean;
  };
  methods: readonly string[];
  play?: {
    readonly startupMs: number;
    readonly transport: 'tcp' | 'udp';
    readonly pipelining: boolean;
    /** Media time over wall time. */
    readonly pace: number;
    /** NPT that the answer names; undefined where it names none. */
    readonly toldStartSeconds: number | undefined;
    readonly toldEndSeconds: number | undefined;
    readonly rtpInfo: RtpInfoTrust;
    readonly senderReports: boolean;
  };
  /** The second play beside the first. */
  repeat?: Likeness;
  udp?: 'works' | 'refused' | 'silent';
  keepAlive?: {
    readonly timeoutSeconds: number;
    /** Answers, by method. */
    readonly statuses: Readonly<Record<string, number>>;
  };
  seek?: {
    readonly works: boolean;
    readonly askedSeconds: number;
    readonly toldSeconds: number | undefined;
    /** Where it began, by its packets; undefined where they are not among those of the play from the start. */
    readonly foundSeconds: number | undefined;
    readonly startsAtKeyFrame: boolean;
    readonly likeness: Likeness;
    readonly rtpInfo: RtpInfoTrust;
  };
  fill: Partial<
    Record<
      FillMethod,
      { readonly verdict: FillVerdict; readonly factor: number; readonly likeness: Likeness }
    >
  >;
  end?: {
    readonly bye: boolean;
    /** From the last packet to BYE. */
    readonly byeMs: number | undefined;
    /** Whether a range that ends earlier than the title was kept to. */
    readonly keepsRangeEnd: boolean;
  };
  /** Sessions that were open at a time; `limited`: one more was refused. */
  sessions?: { readonly open: number; readonly limited: boolean };
  /** What could not be checked, and why. */
  problems: { readonly check: string; readonly code: string; readonly text: string }[];
  seconds: number;
}

/** What is worth writing into the configuration of a route to this origin: what the proxy cannot learn, or learns late. */
export interface SuggestedRoute {
  readonly transport?: 'udp';
  readonly maxSessions?: number;
  readonly profile: ProfileSettings;
}

export function suggestedRoute(report: ProbeReport): SuggestedRoute {
  const { play, keepAlive, seek, fill, sessions } = report;
  const optionsStatus = keepAlive?.statuses['OPTIONS'];
  const others = ['GET_PARAMETER', 'SET_PARAMETER'] as const;
  const method = others.find((name) => keepAlive?.statuses[name] === 200) ?? 'reports';
  const faster = (Object.keys(fill) as FillMethod[]).find((name) => fill[name]?.verdict === 'faster');
  return {
    ...(play?.transport === 'udp' ? { transport: 'udp' } : {}),
    ...(sessions?.limited === true ? { maxSessions: Math.max(1, sessions.open) } : {}),
    profile: {
      ...(optionsStatus === undefined || optionsStatus === 200 ? {} : { keepAlive: method }),
      ...(play?.pipelining === false ? { pipelines: false } : {}),
      ...(seek?.works === false ? { seeks: false } : {}),
      ...(faster === undefined ? {} : { fill: faster }),
    },
  };
}
