/** The part of rtsp-stream 1.0.0 that is used here. The package brings no types of its own. */
declare module 'rtsp-stream' {
  import type { PassThrough, Readable, Writable } from 'node:stream';

  export const STATUS_CODES: Readonly<Record<string, string>>;

  /** @throws {Error} when the start line of `head` is not RTSP. */
  export class IncomingMessage extends PassThrough {
    constructor(head: Buffer | string);
    readonly method?: string;
    readonly uri?: string;
    readonly rtspVersion: string;
    readonly statusCode?: number;
    readonly statusMessage?: string;
  }

  export class OutgoingMessage extends Writable {
    setHeader(name: string, value: string | readonly string[]): void;
    writeHead(): void;
  }

  export class Request extends OutgoingMessage {
    readonly method: string;
    readonly uri: string;
  }

  export class Response extends OutgoingMessage {
    statusCode: number;
    statusMessage: string;
  }

  export class Encoder extends Readable {
    request(options: { readonly method: string; readonly uri: string }): Request;
    response(): Response;
  }
}
