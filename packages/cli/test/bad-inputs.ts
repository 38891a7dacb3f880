/**
 * What comes of it: the connection answers on (`keep`), it is closed (`close`), or it is closed once the viewer has closed its
 * side (`fin`).
 */
export type Outcome = 'keep' | 'close' | 'fin';

/** Statuses of the answers, in order; in a list: any of these. */
export type Statuses = readonly (number | readonly number[])[];

export interface BadInput {
  readonly name: string;
  /** `{U}` is the URL of a title, `{H}` host and port, `{S}` a session whose first stream was set up over TCP; `{P}` nothing, but that there is one. */
  readonly bytes: string;
  readonly outcome: Outcome;
  readonly statuses: Statuses;
  /** Reason under which it is counted in `forebay_rejects_total`. */
  readonly counted?: string;
  /** Headers that the last answer must have. */
  readonly has?: readonly string[];
}

export type Row = readonly [
  name: string,
  bytes: string,
  outcome: Outcome,
  statuses: Statuses,
  counted?: string | undefined,
  has?: string,
];

/** One request: a head and what is in it. */
export const ask = (line: string, ...headers: string[]): string =>
  `${line}\r\n${['CSeq: 1', ...headers].join('\r\n')}\r\n\r\n`;
export const options = (...headers: string[]): string => ask('OPTIONS {U} RTSP/1.0', ...headers);
export const describe = (url: string): string => ask(`DESCRIBE ${url} RTSP/1.0`);
export const play = (...headers: string[]): string => ask('PLAY {U} RTSP/1.0', 'Session: {S}', ...headers);
export const setup = (transport: string, ...headers: string[]): string =>
  ask('SETUP {U}/trackID=0 RTSP/1.0', `Transport: ${transport}`, ...headers);
/** The head as it is written here, CSeq included or not. */
export const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
export const frame = (channel: number, payload: string, length = payload.length): string =>
  `$${String.fromCharCode(channel, length >> 8, length & 0xff)}${payload}`;
export const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => `X-${i}: y`);

/** Rows as inputs, by section. */
export function inputsOf(
  sections: Readonly<Record<string, readonly Row[]>>,
): Readonly<Record<string, readonly BadInput[]>> {
  return Object.fromEntries(Object.entries(sections).map(([name, rows]) => [name, rows.map(fromRow)]));
}

function fromRow([name, bytes, outcome, statuses, counted, has]: Row): BadInput {
  return {
    name,
    bytes,
    outcome,
    statuses,
    ...(counted === undefined ? {} : { counted }),
    ...(has === undefined ? {} : { has: [has] }),
  };
}
