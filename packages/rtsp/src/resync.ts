/** Where reading can go on in a stretch of garbage, and whether more bytes are needed to be sure. */
export interface Resync {
  /** Offset; the bytes before it are garbage. */
  readonly at: number;
  readonly certain: boolean;
}

const DOLLAR = 0x24;
const PREFIX_BYTES = 4;
/** An RTCP BYE. */
const LEAST_PAYLOAD_BYTES = 8;
const STATUS_LINE = 'RTSP/1.';
/** What an origin may start a message with: a status line, or one of the requests that servers send. */
const STARTS: readonly string[] = [
  STATUS_LINE,
  ...[
    'OPTIONS',
    'ANNOUNCE',
    'REDIRECT',
    'GET_PARAMETER',
    'SET_PARAMETER',
    'TEARDOWN',
    'PLAY_NOTIFY',
    'DESCRIBE',
    'PLAY',
    'PAUSE',
    'SETUP',
    'RECORD',
  ].map((method) => `${method} `),
];

/** Enough to know whether something is the start line of an origin's message. */
export const OPENING_BYTES = 16;

/** Whether `line`, the beginning of something, is or can become the start line of an origin's message. */
export function canStart(line: Buffer): boolean {
  const text = line.toString('latin1', 0, OPENING_BYTES);
  return STARTS.some((start) => text.startsWith(start) || start.startsWith(text));
}

/**
 * The first place in `bytes[from...]` that can be a frame (dollar sign, a channel that frames came on before, room for an RTCP
 * packet, RTP version 2) or a status line. A candidate that is cut off by the end of `bytes` is uncertain; the decision
 * never needs more than 6 bytes after its first.
 * @param channels 1 for each channel that frames came on
 */
export function findNext(bytes: Buffer, from: number, channels: Uint8Array): Resync {
  for (let at = from; at < bytes.length; at++) {
    const first = bytes[at];
    if (first !== DOLLAR && first !== STATUS_LINE.charCodeAt(0)) continue;
    const verdict = first === DOLLAR ? frameAt(bytes, at, channels) : statusAt(bytes, at);
    if (verdict !== 'no') return { at, certain: verdict === 'yes' };
  }
  return { at: bytes.length, certain: false };
}

type Verdict = 'yes' | 'no' | 'more';

function statusAt(bytes: Buffer, at: number): Verdict {
  const text = bytes.toString('latin1', at, at + STATUS_LINE.length);
  if (text === STATUS_LINE) return 'yes';
  return STATUS_LINE.startsWith(text) ? 'more' : 'no';
}

function frameAt(bytes: Buffer, at: number, channels: Uint8Array): Verdict {
  const payload = at + PREFIX_BYTES;
  if (payload >= bytes.length) return 'more';
  const isKnown = channels[bytes[at + 1] ?? 0] === 1;
  const isRtp = (bytes[payload] ?? 0) >> 6 === 2;
  return isKnown && isRtp && bytes.readUInt16BE(at + 2) >= LEAST_PAYLOAD_BYTES ? 'yes' : 'no';
}
