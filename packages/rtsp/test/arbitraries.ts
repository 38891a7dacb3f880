import * as fc from 'fast-check';
import { formatRequest, formatResponse } from '../src/index.js';
import { frameOf } from './support.js';

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
const value = fc.stringMatching(/^[!-~](?:[ -~]{0,40}[!-~])?$/);
const header = fc.tuple(
  token.filter(
    (name) =>
      !/^(?:cseq|content-length|transfer-encoding|session|transport|range|authorization)$/i.test(name),
  ),
  value,
);
const body = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
);
const cseq = fc.integer({ min: 0, max: 999_999_999 });
/** What a viewer may send as a request. */
export const request = fc.record({
  method: fc.stringMatching(/^[A-Z][A-Z_]{0,20}$/),
  url: fc.stringMatching(/^rtsp:\/\/[!-~]{1,60}$/),
  cseq,
  headers: fc.array(header, { maxLength: 6 }),
  body,
});
/** What an origin may send as a response. */
export const response = fc.record({
  status: fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
  reason: value,
  cseq,
  headers: fc.array(header, { maxLength: 6 }),
  body,
});

const frame = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }))
  .map(([channel, payload]) => frameOf(channel, Buffer.from(payload)));
const blank = fc.constant(Buffer.from('\r\n'));
/** One thing on a viewer's connection. */
export const viewerItem = fc.oneof(frame, blank, request.map(formatRequest));
const garbage = fc.uint8Array({ minLength: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes));
/** One thing on an origin's connection, garbage among it. */
export const originItem = fc.oneof(frame, blank, response.map(formatResponse), garbage);
/** Offsets at which a stream is cut into chunks. */
export const cuts = fc.array(fc.nat(3000), { maxLength: 12 });
