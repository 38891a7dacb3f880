/** Who broke the protocol: the player in front of us or the server behind us. */
export type RtspParty = 'viewer' | 'origin';

interface Fault {
  /** Status of the answer to a viewer. An origin's faults are always 502 for the viewer. */
  readonly status: number;
  /** The byte stream can no longer be trusted: close the connection after the answer. */
  readonly close: boolean;
  /** Close without any answer: nothing that looks like a request was seen. */
  readonly silent?: true;
  readonly text: string;
}

/** Every way in which a peer can break RTSP or SDP, with the answer that it gets. */
export const RTSP_FAULTS = {
  'not-rtsp': { status: 400, close: true, silent: true, text: 'the bytes are no RTSP' },
  'blank-lines': { status: 400, close: true, silent: true, text: 'empty lines instead of a request' },
  'start-line': { status: 400, close: true, text: 'malformed start line' },
  'method-too-long': { status: 400, close: true, text: 'method longer than its limit' },
  'url-too-long': { status: 414, close: true, text: 'URL longer than its limit' },
  version: { status: 505, close: false, text: 'RTSP version other than 1.0' },
  tunnel: { status: 405, close: true, text: 'RTSP over HTTP is not offered' },
  'header-line': { status: 400, close: true, text: 'malformed header line' },
  'header-folded': { status: 400, close: true, text: 'header that frames the message is folded' },
  'header-too-long': { status: 400, close: true, text: 'header name or value longer than its limit' },
  'too-many-headers': { status: 400, close: true, text: 'more header lines than the limit' },
  'head-too-large': { status: 400, close: true, text: 'start line and headers larger than their limit' },
  'header-duplicated': { status: 400, close: false, text: 'header given twice with different values' },
  'content-length': { status: 400, close: true, text: 'unusable Content-Length' },
  'transfer-encoding': { status: 400, close: true, text: 'Transfer-Encoding does not exist in RTSP' },
  'body-too-large': { status: 413, close: true, text: 'body larger than its limit' },
  cseq: { status: 400, close: false, text: 'missing or malformed CSeq' },
  garbage: { status: 400, close: true, text: 'too many bytes between frames that belong to nothing' },
  'method-unknown': { status: 501, close: false, text: 'unknown method' },
  'method-refused': { status: 405, close: false, text: 'method that a play-only server does not offer' },
  'method-state': { status: 455, close: false, text: 'method not valid in this state' },
  url: { status: 400, close: false, text: 'malformed URL' },
  'url-scheme': { status: 400, close: false, text: 'URL scheme other than rtsp and rtsps' },
  'no-route': { status: 404, close: false, text: 'URL that no route leads to an origin' },
  'url-traversal': { status: 404, close: false, text: 'URL path with dot segments' },
  transport: { status: 400, close: false, text: 'malformed Transport' },
  'transport-unsupported': { status: 461, close: false, text: 'no acceptable transport' },
  'transport-record': { status: 405, close: false, text: 'transport for recording' },
  range: { status: 400, close: false, text: 'malformed Range' },
  'range-unit': { status: 501, close: false, text: 'Range unit not understood' },
  'range-invalid': { status: 457, close: false, text: 'empty, reversed or unreachable Range' },
  scale: { status: 400, close: false, text: 'malformed Scale' },
  speed: { status: 400, close: false, text: 'malformed Speed' },
  session: { status: 400, close: false, text: 'malformed Session' },
  description: { status: 502, close: false, text: 'unusable session description' },
  'description-too-large': { status: 502, close: false, text: 'session description larger than its limits' },
  control: { status: 502, close: false, text: 'unusable control URL in the session description' },
} as const satisfies Record<string, Fault>;

export type RtspErrorCode = keyof typeof RTSP_FAULTS;

export interface RtspErrorOptions {
  /** What exactly was wrong. Never put peer bytes in here that could hold credentials. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** Methods for the Allow header of 405 and 455. */
  readonly allow?: readonly string[];
  /** CSeq to echo in the answer, where one was readable. */
  readonly cseq?: number | undefined;
  /** Close although the fault alone would not ask for it. */
  readonly close?: boolean;
}

/** A peer broke RTSP or SDP. The peer can act on it; `status` is what the viewer is told. */
export class RtspError extends Error {
  override readonly name = 'RtspError';
  readonly party: RtspParty;
  readonly code: RtspErrorCode;
  /** Answer to give to the viewer: the fault's own status, or 502 when the origin is to blame. */
  readonly status: number;
  /** Close the connection to `party` after the answer. */
  readonly close: boolean;
  /** Close without an answer. */
  readonly silent: boolean;
  readonly allow: readonly string[] | undefined;
  readonly cseq: number | undefined;

  constructor(party: RtspParty, code: RtspErrorCode, options: RtspErrorOptions = {}) {
    const fault: Fault = RTSP_FAULTS[code];
    const detail = options.detail === undefined ? '' : `: ${options.detail}`;
    super(`${party}: ${fault.text}${detail}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.party = party;
    this.code = code;
    this.status = party === 'origin' ? 502 : fault.status;
    this.close = options.close ?? fault.close;
    this.silent = fault.silent === true;
    this.allow = options.allow;
    this.cseq = options.cseq;
  }
}
