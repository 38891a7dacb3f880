/** A request of a viewer is answered with something else than success. Not an error of ours, nor a breach of RTSP by the viewer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** RTSP status. */
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Close the connection after the answer. */
  readonly close: boolean;

  constructor(status: number, o: { headers?: readonly (readonly [string, string])[]; close?: boolean } = {}) {
    super(`refused with ${status}`);
    this.status = status;
    this.headers = o.headers ?? [];
    this.close = o.close ?? false;
  }
}

/** Overloaded or leaving: the viewer may try again. Source: RFC 2326 section 11.3.4, 12.31 and RFC 2068 section 14.38. */
export function tryLater(): Refusal {
  return new Refusal(503, { headers: [['Retry-After', '5']] });
}
