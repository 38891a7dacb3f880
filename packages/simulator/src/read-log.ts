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

/** The rows of a log, by columns: a row by itself would be an object for each of millions. */
class Rows {
  readonly time: number[] = [];
  readonly title: number[] = [];
  readonly viewer: number[] = [];
  readonly duration: number[] = [];
  readonly from: number[] = [];
  readonly watched: number[] = [];
  readonly bitrate: number[] = [];
  readonly titles = new Map<string, number>();
  readonly #viewers = new Map<string, number>();

  get count(): number {
    return this.time.length;
  }

  /** Takes `time,object[,client]`. @returns false when it is no such row. */
  addRequest(cells: readonly string[]): boolean {
    const time = Number(cells[0]);
    const [, id, client] = cells;
    if (!Number.isFinite(time) || id === undefined || id === '') return false;
    this.time.push(time);
    this.title.push(numberOf(this.titles, id));
    this.viewer.push(client === undefined || client === '' ? 0 : 1 + numberOf(this.#viewers, client));
    return true;
  }

  /** Takes `time,title,duration,start,watched[,bitrate]`. @returns false when it is no such row. */
  addView(cells: readonly string[]): boolean {
    const [time, , duration, from, watched, bitrate] = cells.map(Number);
    const id = cells[1];
    if (!Number.isFinite(time) || id === undefined || id === '') return false;
    if (duration === undefined || from === undefined || watched === undefined) return false;
    if (!(duration > 0) || !(from >= 0) || !(watched >= 0)) return false;
    this.time.push(time!);
    this.title.push(numberOf(this.titles, id));
    this.viewer.push(0);
    this.duration.push(duration);
    this.from.push(Math.min(from, duration));
    this.watched.push(watched);
    this.bitrate.push(bitrate !== undefined && bitrate > 0 ? bitrate : DEFAULT_BITRATE_BPS);
    return true;
  }

  /** The order of the rows by time; where it is equal, as they came. */
  order(): Int32Array {
    const { time } = this;
    const order = new Int32Array(time.length);
    for (let row = 0; row < order.length; row++) order[row] = row;
    if (time.some((at, i) => i > 0 && at < time[i - 1]!)) order.sort((a, b) => time[a]! - time[b]! || a - b);
    return order;
  }
}

/** The column in that order, in `to`. */
function gather<T extends Float64Array | Int32Array>(column: readonly number[], order: Int32Array, to: T): T {
  for (let i = 0; i < order.length; i++) to[i] = column[order[i]!]!;
  return to;
}

function numberOf(names: Map<string, number>, name: string): number {
  const known = names.get(name);
  if (known !== undefined) return known;
  names.set(name, names.size);
  return names.size - 1;
}

/**
 * Reads a request log: `time_s,title_id,duration_s,start_s,watched_s[,bitrate_bps]`, or only `time_s,object_id[,client_id,...]`, for which durations
 * and viewed parts are drawn from the clip model. Lines that begin with `#` and a heading are skipped. Rows need not be in order of time.
 * @throws LogError with the line number on a line that is neither.
 */
export async function readLog(path: string, options: ReadLogOptions = {}): Promise<Workload> {
  const rows = new Rows();
  let number = 0;
  let full: boolean | undefined;
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      number += 1;
      if (line === '' || line.startsWith('#')) continue;
      const cells = line.split(',');
      if (rows.count === 0 && !Number.isFinite(Number(cells[0]))) {
        full = cells[2]?.trim().startsWith('duration') === true;
        continue;
      }
      full ??= cells.length >= 5;
      if (rows.count >= MOST_ROWS) throw new LogError(`line ${number}: more than ${MOST_ROWS} rows`);
      if (!(full ? rows.addView(cells) : rows.addRequest(cells)))
        throw new LogError(
          `line ${number}: expected ${full ? 'time,title,duration,start,watched' : 'time,object'}`,
        );
    }
  }
  if (rows.count === 0) throw new LogError('no requests');
  const name = basename(path).replace(/\.csv$/, '');
  return full === true ? fullWorkload(name, rows, options) : clipWorkload(name, rows, options);
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

function clipWorkload(name: string, rows: Rows, options: ReadLogOptions): Workload {
  const order = rows.order();
  const drawn = clipSessions(
    gather(rows.time, order, new Float64Array(rows.count)),
    gather(rows.title, order, new Int32Array(rows.count)),
    gather(rows.viewer, order, new Int32Array(rows.count)),
    options.seed ?? 1,
  );
  return workload({ name, segmentBytes: CLIP.segmentBytes, ...drawn });
}

function fullWorkload(name: string, rows: Rows, options: ReadLogOptions): Workload {
  const count = rows.titles.size;
  const durationSeconds = new Float64Array(count);
  const bitrate = new Float64Array(count);
  for (let row = 0; row < rows.count; row++) {
    const title = rows.title[row]!;
    durationSeconds[title] = Math.max(durationSeconds[title]!, rows.duration[row]!);
    bitrate[title] = Math.max(bitrate[title]!, rows.bitrate[row]!);
  }
  const median = bitrate.toSorted()[count >> 1]!;
  const segmentBytes = options.segmentBytes ?? Math.round((median * SEGMENT_SECONDS) / 8);
  const shortest = (t: number): number => durationSeconds[t]! / MOST_SEGMENTS_OF_A_TITLE;
  const titles: Titles = {
    durationSeconds,
    segmentSeconds: bitrate.map((b, t) => Math.max((segmentBytes * 8) / b, shortest(t))),
  };
  const order = rows.order();
  const sessions: Sessions = {
    startedSeconds: gather(rows.time, order, new Float64Array(rows.count)),
    title: gather(rows.title, order, new Int32Array(rows.count)),
    fromSeconds: gather(rows.from, order, new Float64Array(rows.count)),
    watchedSeconds: gather(rows.watched, order, new Float64Array(rows.count)),
    viewer: new Int32Array(rows.count),
  };
  return workload({ name, segmentBytes, titles, sessions });
}
