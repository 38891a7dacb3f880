import type { Test } from 'tap';
import { Framer } from '../src/index.js';
import type { RtspMessage, RtspParty } from '../src/index.js';
import { RtspError } from '../src/index.js';

/** What a framer made of a byte stream, as plain values that compare by structure. */
export interface Reading {
  readonly events: readonly string[];
  readonly error: string | undefined;
  readonly partial: boolean;
  readonly pendingBytes: number;
  readonly garbageBytes: number;
}

function describe(message: RtspMessage): string {
  const start = message.kind === 'request' ? [message.method, message.url] : [message.status, message.reason];
  const headers = ['Session', 'Transport', 'X-A', 'Content-Type'].map((name) => message.headers.all(name));
  return JSON.stringify([message.kind, ...start, message.cseq, headers, message.body.toString('latin1')]);
}

/** Pushes the chunks through a fresh framer. Errors other than RtspError pass through: they fail the test. */
export function read(from: RtspParty, chunks: Iterable<Buffer>): Reading {
  const events: string[] = [];
  let error: string | undefined;
  const framer = new Framer(
    {
      frame: (channel, bytes, start, end) =>
        events.push(`frame ${channel} ${bytes.toString('latin1', start, end)}`),
      message: (message) => events.push(describe(message)),
      refuse: (refusal) => events.push(`refuse ${refusal.status} ${refusal.code} ${refusal.cseq}`),
    },
    { from },
  );
  try {
    for (const chunk of chunks) framer.push(chunk);
  } catch (thrown) {
    if (!(thrown instanceof RtspError)) throw thrown;
    error = `${thrown.status} ${thrown.code}`;
  }
  const { partial, pendingBytes, garbageBytes } = framer;
  return { events, error, partial, pendingBytes, garbageBytes };
}

/** The bytes in pieces that end at the given offsets. */
export function* cutAt(bytes: Buffer, offsets: readonly number[]): Generator<Buffer> {
  let start = 0;
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    if (offset <= start || offset >= bytes.length) continue;
    yield Buffer.from(bytes.subarray(start, offset));
    start = offset;
  }
  yield Buffer.from(bytes.subarray(start));
}

export function* singly(bytes: Buffer): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i++) yield Buffer.from(bytes.subarray(i, i + 1));
}

/** The result of `parse` in a form that compares by structure, or the error's status and code. */
export function outcome(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RtspError) return `${error.status} ${error.code}`;
    throw error;
  }
}

export function frameOf(channel: number, payload: Buffer): Buffer {
  const prefix = Buffer.from([0x24, channel, 0, 0]);
  prefix.writeUInt16BE(payload.length, 2);
  return Buffer.concat([prefix, payload]);
}

/** `text` is read as `value`; where `formatted` is not null, `value` is written as `formatted ?? text`. */
export interface Row<T> {
  readonly name: string;
  readonly text: string;
  readonly value: T | string;
  readonly formatted?: string | null;
  readonly from?: RtspParty;
}

export type Tap = Pick<Test, 'equal' | 'strictSame'>;

/** Walks a table of header values in both directions. */
export function bothWays<T>(
  t: Tap,
  rows: readonly Row<T>[],
  parse: (text: string, from: RtspParty) => T,
  format: (value: T) => string,
): void {
  for (const { name, text, value, formatted = text, from = 'viewer' } of rows) {
    t.strictSame(
      outcome(() => parse(text, from)),
      value,
      `${name}: read`,
    );
    if (formatted !== null && typeof value !== 'string')
      t.equal(format(value), formatted, `${name}: written`);
  }
}
