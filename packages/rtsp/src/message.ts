import { Encoder, STATUS_CODES } from 'rtsp-stream';
import type { OutgoingMessage } from 'rtsp-stream';

export interface RtspRequest {
  readonly kind: 'request';
  readonly method: string;
  /** As sent: for `parseRtspUrl`, or `*`. */
  readonly url: string;
  /** Of an origin's request without a readable CSeq: 0. */
  readonly cseq: number;
  readonly headers: RtspHeaders;
  readonly body: Buffer;
}

export interface RtspResponse {
  readonly kind: 'response';
  /** 100 to 599. */
  readonly status: number;
  readonly reason: string;
  /** Undefined when missing or unreadable. */
  readonly cseq: number | undefined;
  readonly headers: RtspHeaders;
  readonly body: Buffer;
}

export type RtspMessage = RtspRequest | RtspResponse;

/** Name and value of one header line, in the order sent, unfolded and trimmed. */
export type HeaderField = readonly [name: string, value: string];

/** Headers to send, in order. A name given twice makes two lines, at the place of the first. */
export type HeaderList = Iterable<readonly [string, string | number]>;

/** Headers of a received message. Names are case-insensitive (RFC 2326 section 4, RFC 2068 section 4.2). */
export class RtspHeaders {
  readonly #values = new Map<string, string[]>();

  constructor(fields: Iterable<HeaderField> = []) {
    for (const [name, value] of fields) {
      const key = name.toLowerCase();
      const values = this.#values.get(key);
      if (values === undefined) this.#values.set(key, [value]);
      else values.push(value);
    }
  }

  /** The value; of a header given several times the distinct values, joined by `, ` as RFC 2068 4.2 allows. */
  get(name: string): string | undefined {
    const values = this.#values.get(name.toLowerCase());
    if (values === undefined) return undefined;
    return values.length === 1 ? values[0] : [...new Set(values)].join(', ');
  }

  /** One string per header line, in the order sent. */
  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }
}

/** Reason phrases: RFC 2326 section 11, RFC 7826 section 17 for those that only later versions name. */
export const STATUS_REASONS: Readonly<Record<number, string>> = {
  ...STATUS_CODES,
  412: 'Precondition Failed',
  462: 'Destination Unreachable',
  463: 'Destination Prohibited',
  464: 'Data Transport Not Ready Yet',
  505: 'RTSP Version Not Supported',
  551: 'Option Not Supported',
  553: 'Proxy Unavailable',
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// oxlint-disable-next-line no-control-regex
const LINE_BREAK = /[\r\n\0]/;
// oxlint-disable-next-line no-control-regex
const URL_BREAK = /[\0-\x20\x7f]/;

export interface OutgoingRequest {
  readonly method: string;
  readonly url: string;
  readonly cseq: number;
  readonly headers?: HeaderList;
  readonly body?: Buffer | string;
}

export interface OutgoingResponse {
  readonly status: number;
  /** Default: the phrase of `STATUS_REASONS`. */
  readonly reason?: string;
  /** Left out when the request's own was unreadable. */
  readonly cseq?: number;
  readonly headers?: HeaderList;
  readonly body?: Buffer | string;
}

/**
 * One request as one buffer: request line, CSeq, the given headers, Content-Length where there is a body.
 * @throws {TypeError} where a value would break the message apart (CR, LF, NUL): our own bug, never a peer's.
 */
export function formatRequest(request: OutgoingRequest): Buffer {
  if (!TOKEN.test(request.method) || request.url === '' || URL_BREAK.test(request.url)) {
    throw new TypeError('method or URL would break the request line');
  }
  const encoder = new Encoder();
  const message = encoder.request({ method: request.method, uri: request.url });
  return encode(encoder, message, request);
}

/**
 * One response as one buffer: status line, CSeq, the given headers, Content-Length where there is a body.
 * @throws {TypeError} as `formatRequest`
 */
export function formatResponse(response: OutgoingResponse): Buffer {
  const reason = response.reason ?? STATUS_REASONS[response.status] ?? 'Unknown';
  if (LINE_BREAK.test(reason)) throw new TypeError('reason would break the status line');
  const encoder = new Encoder();
  const message = encoder.response();
  message.statusCode = response.status;
  message.statusMessage = reason;
  return encode(encoder, message, response);
}

interface Outgoing {
  readonly cseq?: number;
  readonly headers?: HeaderList;
  readonly body?: Buffer | string;
}

/**
 * One Encoder serves one message: it stalls when a second one is queued. The head is written explicitly, since a
 * message without a body would otherwise be emitted only in a later turn.
 */
function encode(encoder: Encoder, message: OutgoingMessage, outgoing: Outgoing): Buffer {
  if (outgoing.cseq !== undefined) message.setHeader('CSeq', String(outgoing.cseq));
  for (const [name, values] of grouped(outgoing.headers ?? [])) message.setHeader(name, values);
  const hasBody = outgoing.body !== undefined && outgoing.body.length > 0;
  if (hasBody) message.setHeader('Content-Length', String(Buffer.byteLength(outgoing.body)));
  message.writeHead();
  if (hasBody) message.end(outgoing.body);
  const parts: Buffer[] = [];
  for (let part = encoder.read() as Buffer | null; part !== null; part = encoder.read() as Buffer | null) {
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function grouped(headers: HeaderList): Iterable<[string, string[]]> {
  const groups = new Map<string, [string, string[]]>();
  for (const [name, value] of headers) {
    const text = String(value);
    if (!TOKEN.test(name) || LINE_BREAK.test(text))
      throw new TypeError(`header ${JSON.stringify(name)} would break the message`);
    const key = name.toLowerCase();
    if (key === 'cseq' || key === 'content-length') throw new TypeError(`${name} is set by the formatter`);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [name, [text]]);
    else group[1].push(text);
  }
  return groups.values();
}
