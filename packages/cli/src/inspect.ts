import { CacheError, inspectSegmentFile, type SegmentInspection } from '@forebay/cache';
import { CommandError } from './command-error.js';
import { EXIT } from './exit.js';
import { formatBytes } from './quantity.js';
import { formatTable, printable, type Column } from './table.js';

export interface InspectFlags {
  readonly json?: true | undefined;
}

/**
 * Says what is in a segment file and whether it is sound; exit code 1 when it is not.
 *
 * @throws CommandError where there is no such file
 */
export async function inspect(path: string, flags: InspectFlags): Promise<void> {
  const found = await inspectSegmentFile(path).catch((error: unknown) => refuse(path, error));
  const isSound = found.checksumOk && found.nameAgrees;
  process.stdout.write(
    flags.json ? `${JSON.stringify(inspectionObject(found), undefined, 2)}\n` : inspectionText(found),
  );
  if (!isSound) process.exitCode = EXIT.failure;
}

/** The codes are about files of a cache that serves; whoever names a file may have named another one. */
function refuse(path: string, cause: unknown): never {
  const advice = 'forebay ls --segments lists those of the cache';
  const code = cause instanceof CacheError ? cause.code : undefined;
  if (code === 'vanished') throw new CommandError(`no such file: ${path}; ${advice}`, { cause });
  if (code === 'not-a-file')
    throw new CommandError(`${path} is a directory, or no regular file; ${advice}`, { cause });
  if (code === 'unreadable') throw new CommandError(`${path} may not be read`, { cause });
  throw cause;
}

const STREAM_COLUMNS: readonly Column[] = [
  { title: 'STREAM', align: 'right' },
  { title: 'PACKETS', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'ACCESS UNITS', align: 'right' },
  { title: 'RANDOM ACCESS', align: 'right' },
  { title: 'FIRST TICKS', align: 'right' },
  { title: 'END TICKS', align: 'right' },
  { title: 'DUE', align: 'right' },
];

function inspectionText(found: SegmentInspection): string {
  const verdict = found.checksumOk
    ? `sound: checksums, lengths and offsets agree`
    : `DAMAGED: ${found.error?.message ?? 'unknown'}`;
  const lines: (readonly [string, string])[] = [
    ['file', found.path],
    ['size', `${found.fileBytes} bytes`],
    ['verdict', verdict],
  ];
  const { header } = found;
  if (header !== undefined) {
    const { meta } = header;
    lines.push(
      ['name', found.nameAgrees ? 'agrees with the content' : 'DIFFERS from the content'],
      ['title', printable(header.key)],
      ['generation', meta.generation],
      ['cell', `${meta.index}`],
      [
        'start',
        `${seconds(meta.startMicros)} s${meta.randomAccess ? ', a random access point' : ', continues a group of pictures'}`,
      ],
      ['length', `${seconds(meta.durationMicros)} s${meta.last ? ', the end of the title' : ''}`],
      ['anchor', meta.anchor.toString(16).padStart(8, '0')],
      ['packets', `${header.packets}, ${formatBytes(header.payloadBytes)}`],
    );
  }
  const width = Math.max(...lines.map(([name]) => name.length));
  const head = lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
  return found.streams.length === 0
    ? head
    : `${head}\n${formatTable(STREAM_COLUMNS, found.streams.map(streamRow))}`;
}

function streamRow(stream: SegmentInspection['streams'][number], index: number): readonly string[] {
  return [
    String(index),
    String(stream.packets),
    formatBytes(stream.bytes),
    stream.accessUnits === 0 ? '-' : String(stream.accessUnits),
    stream.randomAccessPoints === 0 ? '-' : String(stream.randomAccessPoints),
    String(stream.firstTicks),
    String(stream.endTicks),
    `${seconds(stream.firstDueMicros)}-${seconds(stream.lastDueMicros)} s`,
  ];
}

function inspectionObject(found: SegmentInspection): object {
  const { error, ...rest } = found;
  return { ...rest, error: error === undefined ? null : { code: error.code, message: error.message } };
}

function seconds(micros: number): string {
  return (micros / 1e6).toFixed(3);
}
