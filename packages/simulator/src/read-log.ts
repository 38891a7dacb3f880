import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { CLIP, clipSessions } from './clips.js';
import { type Sessions, type Titles, type Workload, workload } from './workload.js';

const DEFAULT_BITRATE_BPS = 2_000_000;
/** Media time that a segment of default size holds at the median bitrate. */
const SEGMENT_SECONDS = 12.5;
const READ_BYTES = 256 * 1024;
const LONGEST_LINE = 1024 * 1024;
const MOST_ROWS = 20_000_000;
const MOST_SEGMENTS_OF_A_TITLE = 20_000;

export class LogError extends Error {
  override readonly name = 'LogError';
}

export interface ReadLogOptions {
  /** Default: 512 KiB for clips, else what the median bitrate fills in 12.5 s. */
  readonly segmentBytes?: number;
  /** Seed of durations and viewed parts where the log has none. */
  readonly seed?: number;
}

interface Row {
  readonly time: number;
  readonly title: number;
  readonly duration: number;
  readonly from: number;
  readonly watched: number;
  readonly bitrate: number;
  readonly viewer: number;
}

/**
 * Reads a request log: `time_s,title_id,duration_s,start_s,watched_s[,bitrate_bps]`, or only `time_s,object_id[,client_id,...]`, for which durations
 * and viewed parts are drawn from the clip model. Lines that begin with `#` and a heading are skipped. Rows need not be in order of time.
 * @throws LogError with the line number on a line that is neither.
 */
export async function readLog(path: string, options: ReadLogOptions = {}): Promise<Workload> {
  const titles = new Map<string, number>();
  const viewers = new Map<string, number>();
  const rows: Row[] = [];
  let number = 0;
  let full: boolean | undefined;
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      number += 1;
      if (line === '' || line.startsWith('#')) continue;
      const cells = line.split(',');
      const time = Number(cells[0]);
      if (rows.length === 0 && !Number.isFinite(time)) {
        full = cells[2]?.trim().startsWith('duration') === true;
        continue;
      }
      full ??= cells.length >= 5;
      if (rows.length >= MOST_ROWS) throw new LogError(`line ${number}: more than ${MOST_ROWS} rows`);
      const row = parseRow(cells, full, { titles, viewers });
      if (row === undefined)
        throw new LogError(
          `line ${number}: expected ${full ? 'time,title,duration,start,watched' : 'time,object'}`,
        );
      rows.push(row);
    }
  }
  if (rows.length === 0) throw new LogError('no requests');
  rows.sort((a, b) => a.time - b.time);
  const name = basename(path).replace(/\.csv$/, '');
  return full === true ? fullWorkload(name, rows, titles.size, options) : clipWorkload(name, rows, options);
}

/** The lines of a file, many at a time. */
async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: READ_BYTES })) {
    const lines = `${rest}${String(chunk)}`.split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new LogError(`a line is longer than ${LONGEST_LINE} characters`);
    yield lines;
  }
  yield [rest];
}

interface Names {
  readonly titles: Map<string, number>;
  readonly viewers: Map<string, number>;
}

function numberOf(names: Map<string, number>, name: string): number {
  const known = names.get(name) ?? names.size;
  names.set(name, known);
  return known;
}

function parseRow(cells: readonly string[], full: boolean, names: Names): Row | undefined {
  const time = Number(cells[0]);
  const id = cells[1];
  if (!Number.isFinite(time) || id === undefined || id === '') return undefined;
  if (!full) {
    const client = cells[2];
    const viewer = client === undefined || client === '' ? 0 : 1 + numberOf(names.viewers, client);
    return { time, title: numberOf(names.titles, id), duration: 0, from: 0, watched: 0, bitrate: 0, viewer };
  }
  const [, , duration, from, watched, bitrate] = cells.map(Number);
  if (duration === undefined || from === undefined || watched === undefined) return undefined;
  if (!(duration > 0) || !(from >= 0) || !(watched >= 0)) return undefined;
  const rate = bitrate !== undefined && bitrate > 0 ? bitrate : DEFAULT_BITRATE_BPS;
  return {
    time,
    title: numberOf(names.titles, id),
    duration,
    from: Math.min(from, duration),
    watched,
    bitrate: rate,
    viewer: 0,
  };
}

function clipWorkload(name: string, rows: readonly Row[], options: ReadLogOptions): Workload {
  const drawn = clipSessions(
    Float64Array.from(rows, (r) => r.time),
    Int32Array.from(rows, (r) => r.title),
    Int32Array.from(rows, (r) => r.viewer),
    options.seed ?? 1,
  );
  return workload({ name, segmentBytes: CLIP.segmentBytes, ...drawn });
}

function fullWorkload(name: string, rows: readonly Row[], count: number, options: ReadLogOptions): Workload {
  const durationSeconds = new Float64Array(count);
  const bitrate = new Float64Array(count);
  for (const row of rows) {
    durationSeconds[row.title] = Math.max(durationSeconds[row.title]!, row.duration);
    bitrate[row.title] = Math.max(bitrate[row.title]!, row.bitrate);
  }
  const median = bitrate.toSorted()[count >> 1]!;
  const segmentBytes = options.segmentBytes ?? Math.round((median * SEGMENT_SECONDS) / 8);
  const shortest = (t: number): number => durationSeconds[t]! / MOST_SEGMENTS_OF_A_TITLE;
  const titles: Titles = {
    durationSeconds,
    segmentSeconds: bitrate.map((b, t) => Math.max((segmentBytes * 8) / b, shortest(t))),
  };
  const sessions: Sessions = {
    startedSeconds: Float64Array.from(rows, (r) => r.time),
    title: Int32Array.from(rows, (r) => r.title),
    fromSeconds: Float64Array.from(rows, (r) => r.from),
    watchedSeconds: Float64Array.from(rows, (r) => r.watched),
    viewer: new Int32Array(rows.length),
  };
  return workload({ name, segmentBytes, titles, sessions });
}
