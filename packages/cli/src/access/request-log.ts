import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** One viewing of a log. */
export interface LoggedViewing {
  readonly timeSeconds: number;
  readonly title: string;
  readonly durationSeconds: number;
  readonly startSeconds: number;
  readonly watchedSeconds: number;
  /** Undefined: not logged. */
  readonly bitrateBps: number | undefined;
}

/** A log, looked through line by line. */
export interface LogSurvey {
  /** Lines that say something. */
  readonly viewings: number;
  /** Lines that were skipped because they cannot be read. */
  readonly skipped: number;
  /** What is wrong with the first of them, `line 7: ...`. */
  readonly complaints: readonly string[];
  /** Whether it tells lengths and viewed parts, or only times and titles. */
  readonly isFull: boolean;
}

/** The log as a whole is of no use. */
export class RequestLogError extends Error {
  override readonly name = 'RequestLogError';
  readonly code = 'bad-log';
}

const MOST_COMPLAINTS = 5;
const MOST_LINE_CHARS = 8192;
/** Three years: more is a clock that was wrong. */
const MOST_SECONDS = 1e8;
const FULL_COLUMNS = 5;
const COLUMNS = 'time_s,title_id,duration_s,start_s,watched_s[,bitrate_bps]';

/**
 * Looks through a log: what it has, and what is wrong in it.
 *
 * @param onLine called with each line that is good, and for a full log with what it says
 * @throws RequestLogError when no line is good; the system's error when it cannot be read
 */
export async function surveyLog(
  path: string,
  onLine?: (line: string, viewing: LoggedViewing | undefined) => void,
): Promise<LogSurvey> {
  const complaints: string[] = [];
  let [number, viewings, skipped] = [0, 0, 0];
  let isFull: boolean | undefined;
  let first = { seconds: Infinity, line: 0 };
  let last = { seconds: -Infinity, line: 0 };
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number++;
    if (line.trim() === '' || line.startsWith('#')) continue;
    const cells = line.split(',');
    if (isFull === undefined && isHeading(cells)) {
      isFull = cells[2]?.trim().startsWith('duration') === true;
      onLine?.(line, undefined);
      continue;
    }
    isFull ??= cells.length >= FULL_COLUMNS;
    const viewing = line.length > MOST_LINE_CHARS ? 'more than 8192 characters' : readCells(cells, isFull);
    if (typeof viewing === 'string') {
      skipped++;
      if (complaints.length < MOST_COMPLAINTS) complaints.push(`line ${number}: ${viewing}`);
      continue;
    }
    viewings++;
    if (viewing.timeSeconds < first.seconds) first = { seconds: viewing.timeSeconds, line: number };
    if (viewing.timeSeconds > last.seconds) last = { seconds: viewing.timeSeconds, line: number };
    onLine?.(line, isFull ? viewing : undefined);
  }
  if (viewings === 0) throw new RequestLogError(emptyText(path, complaints));
  if (last.seconds - first.seconds > MOST_SECONDS) {
    throw new RequestLogError(
      `${path}: time_s of line ${last.line} is more than three years after that of line ${first.line}`,
    );
  }
  return { viewings, skipped, complaints, isFull: isFull === true };
}

/** Copies what is good of a log to `target`. */
export async function cleanLog(path: string, target: string): Promise<void> {
  const file = await open(target, 'w');
  const stream = file.createWriteStream();
  await surveyLog(path, (line) => void stream.write(`${line}\n`));
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject);
    stream.end(resolve);
  });
}

/** For people: `line 3: ...`, one a line, and how many were skipped. */
export function complaintText(path: string, survey: LogSurvey): string {
  if (survey.skipped === 0) return '';
  const more = survey.skipped - survey.complaints.length;
  const lines = survey.complaints.map((complaint) => `${path}: ${complaint}\n`).join('');
  const rest = more > 0 ? `${path}: and ${more} more\n` : '';
  return `${lines}${rest}${path}: ${survey.skipped} of ${survey.skipped + survey.viewings} lines skipped\n`;
}

function emptyText(path: string, complaints: readonly string[]): string {
  if (complaints.length === 0) return `${path}: no viewings; lines are ${COLUMNS}`;
  return `${path}: no line can be read; lines are ${COLUMNS}. ${complaints.join('; ')}`;
}

function isHeading(cells: readonly string[]): boolean {
  return /^[a-z]/i.test(cells[0]?.trim() ?? '') && cells.length >= 2;
}

/** What a line says, or what is wrong with it. */
function readCells(cells: readonly string[], isFull: boolean): LoggedViewing | string {
  const [time = '', title = '', duration = '', start = '', watched = '', bitrate = ''] = cells.map((cell) =>
    cell.trim(),
  );
  if (isFull && cells.length < FULL_COLUMNS)
    return `${cells.length} of at least ${FULL_COLUMNS} columns: ${COLUMNS}`;
  const figures = {
    time_s: time,
    ...(isFull ? { duration_s: duration, start_s: start, watched_s: watched } : {}),
  };
  for (const [name, text] of Object.entries(figures)) {
    if (text === '' || !Number.isFinite(Number(text))) return `${name} is no number: '${shown(text)}'`;
    if (name !== 'time_s' && Number(text) < 0) return `${name} is negative: ${text}`;
  }
  if (title === '') return 'title_id is empty';
  if (isFull && Number(duration) === 0) return 'duration_s is 0';
  if (isFull && bitrate !== '' && !(Number(bitrate) >= 0))
    return `bitrate_bps is no number: '${shown(bitrate)}'`;
  return {
    timeSeconds: Number(time),
    title,
    durationSeconds: Number(duration),
    startSeconds: Number(start),
    watchedSeconds: Number(watched),
    bitrateBps: isFull && Number(bitrate) > 0 ? Number(bitrate) : undefined,
  };
}

/** The beginning of a cell, harmless on a terminal. */
function shown(text: string): string {
  return text.slice(0, 40).replace(/\p{Cc}/gu, '\ufffd');
}
