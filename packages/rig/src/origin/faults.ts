import type { Title } from '../title/title.js';

/** Who may ask. */
export interface OriginAccess {
  readonly scheme: 'basic' | 'digest';
  readonly username: string;
  readonly password: string;
  /** Default: none is named, which means MD5. */
  readonly algorithm?: 'MD5' | 'SHA-256';
  /** Default false: the older digest of RFC 2069, as most cameras. */
  readonly qop?: boolean;
  /** A nonce is stale after this many requests; default never. */
  readonly nonceUses?: number;
}

/**
 * What becomes of a header that asks for media faster than it plays: `honoured`, the same packets in less time; `echoed` but
 * not obeyed; obeyed with timestamps `squeezed` to the wall clock (GStreamer); or `thinned`, of video only key frames
 * (live555 with an index).
 */
export type PaceManner = 'honoured' | 'echoed' | 'squeezed' | 'thinned';

/** Ways in which an origin differs from a well-behaved one; what is not said is well-behaved. */
export interface OriginFaults {
  /** `never`: every play begins at 0 and says so. `pretends`: begins at 0 and says what was asked for. */
  readonly seek?: 'never' | 'pretends';
  /** Others are answered with 461. */
  readonly transports?: readonly ('tcp' | 'udp')[];
  /** Requests but OPTIONS need these credentials. */
  readonly access?: OriginAccess;
  /** After a seek SPS and PPS come so many times more (GStreamer: 1). */
  readonly repeatParameterSets?: number;
  /** After a seek the first so many audio packets of each stream carry the timestamp of the range's start (GStreamer: 1 to 5). */
  readonly clampAudioPackets?: number;
  /** After a seek the whole previous group of pictures comes first, at once, under one timestamp (GStreamer, mp4). */
  readonly clampPreviousGroup?: boolean;
  /** `wrong`: video off by the start of the range, sequence numbers by 3 (GStreamer). Default exact. */
  readonly rtpInfo?: 'wrong' | 'no-rtptime' | 'missing';
  /** Range in the answer to PLAY: what was asked for (VLC), or none. Default: where it begins. */
  readonly range?: 'asked' | 'missing';
  /** `never`: reports with frozen counts go on instead (live555). A number: the stream ends early, at that NPT in seconds. */
  readonly bye?: 'never' | number;
  /** The connection ends once a session has been sent so many media packets. */
  readonly dieAtPacket?: number;
  /** How it ends; default `fin`: what was sent arrives. */
  readonly death?: 'fin' | 'reset';
  /** Nothing more is sent after so many media packets, and nothing is said about it. */
  readonly stallAtPacket?: number;
  /** Every so many packets one is left out; its sequence number is spent. */
  readonly loseEvery?: number;
  /** Another SETUP for a new session is answered with 453. */
  readonly maxSessions?: number;
  /** Plays that do not begin at 0 are served from this title: another packetisation, another generation. */
  readonly afterSeek?: Title;
  /** Answers to a method come so much later; `media`: the first packet, after the answer to PLAY. */
  readonly delaysMs?: Readonly<Partial<Record<string, number>>>;
  /** A method is answered with this status. */
  readonly statuses?: Readonly<Partial<Record<string, number>>>;
  /** DESCRIBE is answered with this ETag; a `*` in it stands for the number of the answer. */
  readonly etag?: string;
  /** DESCRIBE is answered with 302 and this Location. */
  readonly redirect?: string;
  /** Media seconds a second; default 1. A large number sends as fast as is taken. */
  readonly speed?: number;
  /** What the Speed header does; default nothing. */
  readonly speedHeader?: PaceManner;
  /** The same for Scale, forward; only where it is `echoed` the answer says anything. */
  readonly scaleHeader?: PaceManner;
  /** `Rate-Control: no` sends as fast as is taken. */
  readonly rateControl?: boolean;
  /** a=range: `now-end` as GStreamer for mp4, `missing`, or any other value. Default `npt=0-<duration>`. */
  readonly sdpRange?: 'now-end' | 'missing' | `npt=${string}` | `clock=${string}` | ` npt=${string}`;
  /** A recorder: its ranges are wall clock times, and this is when the title begins, milliseconds since 1970. NPT is 501. */
  readonly clockStartMs?: number;
  /** A request that comes before the last one is answered: ignored, or the connection is closed. */
  readonly pipelining?: 'dropped' | 'closed';
  /** After a seek in a session timestamps begin again (GStreamer). Default: they go on. */
  readonly timestamps?: 'reset';
  /** Of the Session header; sessions without sign of life for so long are forgotten. Default 60. */
  readonly sessionTimeoutSeconds?: number;
  /** Channels other than the viewer asked for. */
  readonly otherChannels?: boolean;
  /** Live titles: the first packet is of a key frame. Default: of whatever is on. */
  readonly liveKeyFrame?: boolean;
}
