import type { Credentials } from '@forebay/rtsp';
import type { PayloadCheck } from './recording.js';

export type ViewerTransport = 'tcp' | 'udp';

export interface ViewerOptions {
  /** rtsp:// or rtsps://; user and password in it are used as credentials. */
  readonly url: string;
  readonly transport: ViewerTransport;
  /** Address to connect from and to receive UDP on. */
  readonly localAddress?: string;
  readonly credentials?: Credentials;
  /** For the connection and each answer; default 10 s. */
  readonly timeoutMs?: number;
  /** Packets kept of each stream; default 1,000,000. With 0 only counters and times are kept. */
  readonly maxPackets?: number;
  /** Checks every payload; refused ones are counted in `wrongPayloads`. */
  readonly check?: PayloadCheck;
  /** Receiver reports every 5 s; default true. */
  readonly reports?: boolean;
  /** With rtsps: certificates (PEM) to trust. Without, any is accepted. */
  readonly ca?: string;
}

/** On the monotonic clock, performance.now(). The later ones are those of the last PLAY. */
export interface ViewerTimes {
  readonly connectStartMs: number;
  readonly connectedMs: number;
  readonly playSentMs: number | undefined;
  readonly playReplyMs: number | undefined;
  /** First RTP packet of any stream. */
  readonly firstRtpMs: number | undefined;
  /** First complete access unit that a decoder can start with: of video if there is video, else of any stream. */
  readonly firstKeyFrameMs: number | undefined;
  /** BYE on the last stream. */
  readonly endedMs: number | undefined;
}
