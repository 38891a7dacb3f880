import { IncomingMessage } from 'rtsp-stream';
import { RtspError } from './errors.js';
import type { RtspErrorCode, RtspParty } from './errors.js';
import { LIMITS } from './limits.js';
import { RtspHeaders } from './message.js';
import type { HeaderField } from './message.js';

/** Start line and headers of a message whose body has not been read yet. */
export interface Head {
  readonly start: StartLine;
  readonly cseq: number | undefined;
  readonly headers: RtspHeaders;
  /** Bytes of body that follow. */
  readonly bodyBytes: number;
  /** Set where the message is to be refused although its end is known: the connection goes on. */
  readonly refusal: RtspError | undefined;
}

export type StartLine =
  | { readonly kind: 'request'; readonly method: string; readonly url: string }
  | { readonly kind: 'response'; readonly status: number; readonly reason: string };

/** A header line that ends or frames the message must not be folded: readers disagree on what it then says. */
const UNFOLDABLE: ReadonlySet<string> = new Set([
  'cseq',
  'content-length',
  'session',
  'transport',
  'transfer-encoding',
]);

/** Headers that a viewer may not give twice with different values. */
const SINGLE = ['Session', 'Transport', 'Range', 'Authorization'] as const;

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Takes the lines of one head as they become complete, checks each at once, and makes the head of them. rtsp-stream's
 * IncomingMessage reads the start line; header lines are read here, because it joins repeated headers into one string
 * and loses names that exist on Object.prototype.
 *
 * Of a viewer everything is strict. Of an origin folding, blanks before the colon and lines without a colon are
 * tolerated, the last being left out.
 */
export class HeadReader {
  readonly #party: RtspParty;
  #start: StartLine | undefined;
  #refusal: RtspErrorCode | undefined;
  #fields: HeaderField[] = [];
  #lines = 0;

  constructor(party: RtspParty) {
    this.#party = party;
  }

  /** True before the start line. */
  get empty(): boolean {
    return this.#start === undefined && this.#refusal === undefined;
  }

  /**
   * @param line one line without its line end, not empty
   * @throws {RtspError} where the byte stream cannot be trusted any more
   */
  line(line: string): void {
    if (this.empty) {
      this.#start = this.#startLine(line);
      return;
    }
    this.#lines += 1;
    const most = this.#party === 'viewer' ? LIMITS.headerLines : LIMITS.originHeaderLines;
    if (this.#lines > most) throw this.#fault('too-many-headers');
    if (line.startsWith(' ') || line.startsWith('\t')) this.#fold(line.trim());
    else this.#field(line);
  }

  /** The head, and an empty reader for the next one. */
  finish(): Head {
    const start = this.#start ?? { kind: 'request', method: '', url: '' };
    const headers = new RtspHeaders(this.#fields);
    const bodyBytes = this.#bodyBytes(start, headers);
    const cseqs = [...new Set(headers.all('CSeq'))];
    const cseq = cseqs.length === 1 && /^\d{1,9}$/.test(cseqs[0] ?? '') ? Number(cseqs[0]) : undefined;
    const code = this.#refusal ?? this.#refusalOf(start, headers, cseq);
    const refusal = code === undefined ? undefined : new RtspError(this.#party, code, { cseq });
    this.#start = undefined;
    this.#refusal = undefined;
    this.#fields = [];
    this.#lines = 0;
    return { start, cseq, headers, bodyBytes, refusal };
  }

  #fault(code: RtspErrorCode, detail?: string): RtspError {
    return new RtspError(this.#party, code, detail === undefined ? {} : { detail });
  }

  #startLine(line: string): StartLine {
    if (line.startsWith('RTSP/')) return this.#statusLine(line);
    const parts = line.split(' ', 4);
    const [method = '', url = '', version = ''] = parts;
    if (method.length > LIMITS.methodBytes) throw this.#fault('method-too-long');
    if (url.length > LIMITS.urlBytes) throw this.#fault('url-too-long');
    if (/^(?:GET|POST)$/.test(method) && version.startsWith('HTTP/')) throw this.#fault('tunnel');
    const [, protocol] = /^RTSP\/(\d\.\d)$/.exec(version) ?? [];
    if (parts.length !== 3 || !NAME.test(method) || protocol === undefined) throw this.#fault('start-line');
    if (protocol !== '1.0') this.#refusal = 'version';
    else if (url === '' || CONTROL.test(url)) this.#refusal = 'url';
    else if (!/^[A-Z_]+$/.test(method)) this.#refusal = 'method-unknown';
    const message = this.#refusal === undefined ? this.#read(line) : undefined;
    return { kind: 'request', method: message?.method ?? method, url: message?.uri ?? url };
  }

  /** `RTSP/1.0 200` without a reason and doubled spaces are put right first. */
  #statusLine(line: string): StartLine {
    const match = /^RTSP\/1\.\d +([1-5]\d\d)(?: (.*)|)$/.exec(line);
    if (match === null || line.length > LIMITS.statusLineBytes) throw this.#fault('start-line');
    const [, digits = '', reason = ''] = match;
    const { statusCode, statusMessage } = this.#read(`RTSP/1.0 ${digits} ${reason}`);
    return { kind: 'response', status: statusCode ?? Number(digits), reason: statusMessage?.trim() ?? '' };
  }

  #read(line: string): IncomingMessage {
    try {
      return new IncomingMessage(Buffer.from(`${line}\r\n\r\n`));
    } catch (cause) {
      throw new RtspError(this.#party, 'start-line', { cause });
    }
  }

  #fold(text: string): void {
    const last = this.#fields.pop();
    const name = last?.[0] ?? '';
    if (this.#party === 'viewer') {
      if (last === undefined || UNFOLDABLE.has(name.toLowerCase())) throw this.#fault('header-folded');
      this.#checkValue(name, text);
    }
    if (last === undefined) return;
    const value = text === '' ? last[1] : `${last[1]} ${text}`.trimStart();
    if (value.length > LIMITS.headerValueBytes) throw this.#fault('header-too-long');
    this.#fields.push([name, value]);
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    const strict = this.#party === 'viewer';
    if (colon < 0 && strict) throw this.#fault('header-line', 'no colon');
    if (colon < 0) return;
    const name = strict ? line.slice(0, colon) : line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (strict && value.length > LIMITS.headerValueBytes && name.toLowerCase() === 'transport') {
      // More alternatives than anybody looks at: none is acceptable, but the stream of bytes is sound.
      this.#refusal ??= 'transport-unsupported';
      return;
    }
    if (name.length > LIMITS.headerNameBytes || value.length > LIMITS.headerValueBytes)
      throw this.#fault('header-too-long');
    if (!NAME.test(name)) {
      if (strict) throw this.#fault('header-line', 'name');
      return;
    }
    this.#checkValue(name, value);
    // Blanks around a length: readers disagree about them, and no player sends any.
    const isLength = strict && name.toLowerCase() === 'content-length';
    if (isLength && !/^ ?\d+$/.test(line.slice(colon + 1))) throw this.#fault('content-length');
    this.#fields.push([name, value]);
  }

  /** A malformed CSeq is refused without closing, so control characters in it are left to that check. */
  #checkValue(name: string, value: string): void {
    const pattern = name.toLowerCase() === 'cseq' ? /[\r\n]/ : CONTROL;
    if (pattern.test(value)) throw this.#fault('header-line', 'control character');
  }

  #bodyBytes(start: StartLine, headers: RtspHeaders): number {
    if (headers.has('Transfer-Encoding')) throw this.#fault('transfer-encoding');
    const [first, ...others] = new Set(headers.all('Content-Length'));
    if (first === undefined) return 0;
    if (others.length > 0 || !/^\d+$/.test(first)) throw this.#fault('content-length');
    const bytes = Number(first);
    if (bytes > LIMITS.bodyBytes) throw this.#fault('body-too-large');
    const bodiless =
      start.kind === 'response' && (start.status < 200 || start.status === 204 || start.status === 304);
    return bodiless ? 0 : bytes;
  }

  #refusalOf(start: StartLine, headers: RtspHeaders, cseq: number | undefined): RtspErrorCode | undefined {
    if (start.kind === 'response' || this.#party === 'origin') return undefined;
    if (cseq === undefined) return headers.all('CSeq').length > 1 ? 'header-duplicated' : 'cseq';
    return SINGLE.some((name) => new Set(headers.all(name)).size > 1) ? 'header-duplicated' : undefined;
  }
}
