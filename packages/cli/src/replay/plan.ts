import { parseRtspUrl } from '@forebay/rtsp';
import { RequestLogError, surveyLog, type LoggedViewing, type LogSurvey } from '../access/request-log.js';
import { ConfigError } from '../config-error.js';

const MOST_VIEWINGS = 1_000_000;

/** One viewing as it will be played. */
export interface PlannedViewing {
  /** After the beginning of the replay. */
  readonly atSeconds: number;
  readonly title: string;
  readonly url: string;
  readonly startSeconds: number;
  readonly seconds: number;
}

export interface Plan {
  readonly survey: LogSurvey;
  /** In order of time. */
  readonly viewings: readonly PlannedViewing[];
  /** From the first beginning to the last end, if all goes well. */
  readonly seconds: number;
}

/**
 * The log on a smaller scale: `speed` times faster, and each viewing `speed` times shorter and nearer to the start of its
 * title. So as many viewers play at a time as they did, two viewings share media exactly where they did in the log, and
 * a cache of a `speed`-th of the size stands for the whole one.
 *
 * @param base URL of the proxy that the log's titles are below
 * @throws RequestLogError for a log that cannot be replayed, ConfigError for a base that is no RTSP URL
 */
export async function planReplay(path: string, base: string, speed: number): Promise<Plan> {
  const root = baseUrl(base);
  const logged: LoggedViewing[] = [];
  const survey = await surveyLog(path, (_line, viewing) => {
    if (viewing !== undefined && logged.push(viewing) > MOST_VIEWINGS)
      throw new RequestLogError(`${path}: more than ${MOST_VIEWINGS} viewings`);
  });
  if (!survey.isFull)
    throw new RequestLogError(`${path}: tells no lengths: it can be simulated, not replayed`);
  const nameless = logged.find((viewing) => !viewing.title.startsWith('/'));
  if (nameless !== undefined) {
    throw new RequestLogError(
      `${path}: '${nameless.title.slice(0, 40)}' is no path; a log with hashed titles can be simulated, not replayed`,
    );
  }
  logged.sort((a, b) => a.timeSeconds - b.timeSeconds);
  const zeroSeconds = logged[0]?.timeSeconds ?? 0;
  const viewings = logged.map((viewing): PlannedViewing => ({
    atSeconds: (viewing.timeSeconds - zeroSeconds) / speed,
    title: viewing.title,
    url: `${root}${viewing.title}`,
    startSeconds: viewing.startSeconds / speed,
    seconds: viewing.watchedSeconds / speed,
  }));
  const seconds = viewings.reduce(
    (last, { atSeconds, seconds: long }) => Math.max(last, atSeconds + long),
    0,
  );
  return { survey, viewings, seconds };
}

function baseUrl(text: string): string {
  try {
    parseRtspUrl(text);
  } catch (error) {
    throw new ConfigError('--origin', `'${text}' is no RTSP URL such as rtsp://proxy:8554`, { cause: error });
  }
  return text.replace(/\/+$/, '');
}
