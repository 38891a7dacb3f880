import { RtspError } from '@forebay/rtsp';

interface Fault {
  /** What a viewer who waits for the origin is told. */
  readonly status: number;
  readonly text: string;
}

/** Everything that can go wrong with an origin. The code is the metric label; `status` is what the viewer sees. */
export const ORIGIN_FAULTS = {
  aborted: { status: 503, text: 'whoever asked went away, or the proxy is closing' },
  unreachable: { status: 502, text: 'no connection: refused, no route, unknown host' },
  tls: { status: 502, text: 'the certificate or the TLS handshake is not acceptable' },
  timeout: { status: 504, text: 'no connection or no complete answer in time' },
  'origin-closed': { status: 502, text: 'the origin closed the connection or ended the session' },
  'origin-silent': { status: 504, text: 'the origin stopped sending media' },
  protocol: { status: 502, text: 'what the origin sends is not RTSP' },
  unauthorized: {
    status: 502,
    text: "the origin refuses the route's credentials, or wants some that it may not have",
  },
  'not-found': { status: 404, text: 'the origin has no such presentation' },
  range: { status: 457, text: 'the origin cannot play this range' },
  busy: { status: 453, text: 'the origin takes no more sessions' },
  unavailable: { status: 503, text: 'the origin is overloaded or in maintenance' },
  budget: { status: 453, text: 'the session budget of the route was used up for too long' },
  crowded: { status: 503, text: 'too many descriptions are wanted of the origin at a time' },
  refused: { status: 502, text: 'the origin answered a request with an error' },
  redirect: { status: 502, text: 'too many redirects, or one that leads out of the route' },
  transport: { status: 502, text: 'no transport in common, or not the one that was agreed' },
  description: { status: 502, text: 'no usable session description' },
  session: { status: 502, text: 'no usable session identifier, or another one in mid-session' },
  'session-gone': { status: 502, text: 'the origin forgot the session' },
  changed: { status: 502, text: 'the origin announced another description in mid-session' },
  internal: { status: 500, text: 'a defect of the proxy, not of the origin' },
  timestamps: { status: 502, text: 'the timestamps of its media stand still or go back' },
  'source-changed': { status: 502, text: 'the packets of a stream come from another source than before' },
} as const satisfies Record<string, Fault>;

export type OriginErrorCode = keyof typeof ORIGIN_FAULTS;

export interface OriginErrorOptions {
  readonly cause?: unknown;
  /** Status of the origin's answer, where there was one. */
  readonly originStatus?: number;
}

/** The origin cannot give what was asked for. The message never holds URLs or credentials. */
export class OriginError extends Error {
  override readonly name = 'OriginError';
  readonly code: OriginErrorCode;
  /** What the viewer sees. */
  readonly status: number;
  readonly originStatus: number | undefined;

  /** @param detail what exactly happened, for the operator */
  constructor(code: OriginErrorCode, detail: string, options: OriginErrorOptions = {}) {
    super(
      `${ORIGIN_FAULTS[code].text}: ${detail}`,
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.code = code;
    this.status = ORIGIN_FAULTS[code].status;
    this.originStatus = options.originStatus;
  }
}

/** Answers whose meaning a viewer can use; every other one is `refused`. */
const BY_STATUS: ReadonlyMap<number, OriginErrorCode> = new Map([
  [301, 'redirect'],
  [302, 'redirect'],
  [303, 'redirect'],
  [305, 'redirect'],
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [404, 'not-found'],
  [407, 'unauthorized'],
  [410, 'not-found'],
  [453, 'busy'],
  [454, 'session-gone'],
  [457, 'range'],
  [461, 'transport'],
  [503, 'unavailable'],
  [504, 'timeout'],
]);

/** The error that an answer other than 200 stands for. */
export function errorOfStatus(method: string, originStatus: number): OriginError {
  const code = BY_STATUS.get(originStatus) ?? 'refused';
  return new OriginError(code, `${method} was answered with ${originStatus}`, { originStatus });
}

/** `cause` as an OriginError: itself if it is one; a breach of RTSP as `code`; anything else is our own defect. */
export function asOriginError(cause: unknown, code: OriginErrorCode, detail: string): OriginError {
  if (cause instanceof OriginError) return cause;
  return new OriginError(cause instanceof RtspError ? code : 'internal', detail, { cause });
}
