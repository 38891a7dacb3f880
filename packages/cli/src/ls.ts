import { formatSegmentName, type CacheListing, type SegmentMeta, type TitleRecord } from '@forebay/cache';
import { join } from 'node:path';
import { chosenDirectory, listChosen, titlePattern, type CacheFlags } from './cache-options.js';
import { formatBytes, formatSpan } from './quantity.js';
import { formatTable, printable, type Column } from './table.js';

export interface LsFlags extends CacheFlags {
  readonly json?: true | undefined;
  readonly segments?: true | undefined;
}

/** Two segments follow each other when no more than this lies between them. */
const JOINT_MICROS = 50_000;

/** Lists what the cache holds, also beside a running proxy: nothing is locked or changed. */
export async function ls(pattern: string | undefined, flags: LsFlags): Promise<void> {
  const directory = chosenDirectory(flags);
  const listing = await listChosen(directory);
  const titles = listing.titles
    .filter(pattern === undefined ? () => true : titlePattern(pattern))
    .toSorted((left, right) => right.bytes - left.bytes || (left.key < right.key ? -1 : 1));
  const text = flags.json
    ? `${JSON.stringify(listingObject(directory, titles, listing), undefined, 2)}\n`
    : listingText(directory, titles, listing, flags.segments === true);
  process.stdout.write(text);
}

/** How much of a title is held. */
export interface Coverage {
  /** Without a gap from the beginning. */
  readonly prefixSeconds: number;
  readonly heldSeconds: number;
  /** Stretches without a gap. */
  readonly stretches: number;
}

/** @param segments ascending start */
export function coverageOf(segments: readonly SegmentMeta[]): Coverage {
  let prefixMicros = 0;
  let heldMicros = 0;
  let stretches = 0;
  let endMicros = -Infinity;
  for (const { startMicros, durationMicros } of segments) {
    if (startMicros > endMicros + JOINT_MICROS) stretches++;
    const end = startMicros + durationMicros;
    if (stretches === 1 && (segments[0]?.startMicros ?? 0) <= JOINT_MICROS)
      prefixMicros = Math.max(prefixMicros, end);
    heldMicros += Math.max(0, end - Math.max(startMicros, endMicros));
    endMicros = Math.max(endMicros, end);
  }
  return { prefixSeconds: prefixMicros / 1e6, heldSeconds: heldMicros / 1e6, stretches };
}

const TITLE_COLUMNS: readonly Column[] = [
  { title: 'TITLE' },
  { title: 'LENGTH', align: 'right' },
  { title: 'PREFIX', align: 'right' },
  { title: 'HELD', align: 'right' },
  { title: 'SEGMENTS', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'GENERATION' },
];

const SEGMENT_COLUMNS: readonly Column[] = [
  { title: 'START', align: 'right' },
  { title: 'LENGTH', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'FILE' },
];

function listingText(
  directory: string,
  titles: readonly TitleRecord[],
  listing: CacheListing,
  withSegments: boolean,
): string {
  const parts: string[] = [];
  if (titles.length > 0) parts.push(formatTable(TITLE_COLUMNS, titles.map(titleRow)));
  if (withSegments) for (const title of titles) parts.push(segmentsText(directory, title));
  const segments = titles.reduce((sum, title) => sum + title.segments.length, 0);
  const bytes = titles.reduce((sum, title) => sum + title.bytes, 0);
  parts.push(
    `${counted(titles.length, 'title')}, ${counted(segments, 'segment')}, ${formatBytes(bytes)} in ${directory}\n`,
  );
  if (listing.setAside.length > 0) {
    parts.push(
      `set aside, because their content was wrong:\n${listing.setAside.map((file) => `  ${file}\n`).join('')}`,
    );
  }
  if (listing.orphans.length > 0) {
    parts.push(`of no use, safe to delete:\n${listing.orphans.map((folder) => `  ${folder}\n`).join('')}`);
  }
  return parts.join('\n');
}

function titleRow(title: TitleRecord): readonly string[] {
  const { prefixSeconds, heldSeconds } = coverageOf(title.segments);
  const length = title.durationSeconds;
  const window = title.windowSeconds;
  const unknown = window === undefined ? '?' : `live, ${formatSpan(window)}`;
  const share = length === undefined ? '' : ` ${Math.min(100, Math.round((100 * heldSeconds) / length))} %`;
  return [
    printable(title.key),
    length === undefined ? unknown : formatSpan(length),
    window === undefined ? formatSpan(prefixSeconds) : '-',
    `${formatSpan(heldSeconds)}${share}`,
    String(title.segments.length),
    formatBytes(title.bytes),
    `${title.generation.slice(0, 8)}${title.newest ? '' : ' (old)'}`,
  ];
}

function segmentsText(directory: string, title: TitleRecord): string {
  const rows = title.segments.map((meta) => [
    (meta.startMicros / 1e6).toFixed(3),
    (meta.durationMicros / 1e6).toFixed(3),
    formatBytes(meta.byteLength),
    join(directory, title.generation, formatSegmentName(meta)),
  ]);
  return `${printable(title.key)}\n${formatTable(SEGMENT_COLUMNS, rows)}`;
}

function listingObject(directory: string, titles: readonly TitleRecord[], listing: CacheListing): object {
  return {
    directory,
    titles: titles.map(({ key, generation, newest, durationSeconds, windowSeconds, bytes, segments }) => ({
      key,
      generation,
      newest,
      durationSeconds: durationSeconds ?? null,
      ...(windowSeconds === undefined ? {} : { windowSeconds }),
      ...coverageOf(segments),
      bytes,
      segments: segments.map((meta) => ({
        startSeconds: meta.startMicros / 1e6,
        durationSeconds: meta.durationMicros / 1e6,
        bytes: meta.byteLength,
        last: meta.last,
        file: join(generation, formatSegmentName(meta)),
      })),
    })),
    setAside: listing.setAside,
    orphans: listing.orphans,
  };
}

/** `1 title`, `2 titles`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
