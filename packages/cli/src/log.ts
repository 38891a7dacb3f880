import type { Log } from '@forebay/proxy';
import { pino, type DestinationStream } from 'pino';
import { titleName } from './access/access-line.js';
import { redactor } from './redact.js';
import type { LogLevel } from './settings.js';

/** A {@link Log} for the whole process. */
export interface ProcessLog extends Log {
  /** What ends the process. */
  fatal(fields: object, message: string): void;
  /** From now on these must not appear in a line either. */
  hide(secrets: readonly string[]): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** JSON lines for programs, or text for people. */
  readonly format: 'json' | 'text';
  /** Literals that must never appear in a line. */
  readonly secrets: readonly string[];
  /** Whether a hash stands for the title of a line, as in the access log. */
  readonly hashTitles?: boolean;
  /** Takes whole lines, synchronously: what was logged before the process dies is not lost. */
  readonly write: (line: string) => void;
}

/**
 * Opens the log. A JSON line has `level`, `time` (ISO 8601, UTC), `msg` and the fields; nothing secret passes,
 * see {@link redactor}.
 */
export function openLog(options: LogOptions): ProcessLog {
  const secrets = new Set(options.secrets);
  let redact = redactor([...secrets]);
  const destination: DestinationStream = {
    write: options.format === 'json' ? options.write : (line) => options.write(readableLine(line)),
  };
  const named = (fields: object): object =>
    'title' in fields && typeof fields.title === 'string'
      ? { ...fields, title: titleName(fields.title, options.hashTitles === true) }
      : { ...fields };
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: (error: unknown) => error },
  };
  const logger = pino(settings, destination);
  const line =
    (level: LogLevel | 'fatal') =>
    (fields: object, message: string): void => {
      if (!logger.isLevelEnabled(level)) return;
      logger[level](redact(named(fields)) as object, redact(message) as string);
    };
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    fatal: line('fatal'),
    hide: (more) => {
      for (const secret of more) secrets.add(secret);
      redact = redactor([...secrets]);
    },
  };
}

/** `12:03:04.567 WARN  origin refused a session  origin=nvr status=453`, an error's stack below it. */
function readableLine(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${readableValue(value)}`);
  const head = `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${pairs.length > 0 ? ' ' : ''}${pairs.join('')}\n`;
  if (typeof err !== 'object' || err === null) return head;
  const { stack, message } = err as { stack?: unknown; message?: unknown };
  return `${head}${String(stack ?? message).replace(/^/gm, '    ')}\n`;
}

function readableValue(value: unknown): string {
  if (typeof value === 'string' && value !== '' && !/[\s"=]/.test(value)) return value;
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'number' ? Number(item.toFixed(3)) : item,
  );
}
