import { SEGMENT_LIMITS, type SegmentMeta } from './segment.js';

/*
 * Names in the cache directory. They carry everything that the index needs, so that it is rebuilt without
 * opening a segment file.
 *
 *     lock                                      who uses the directory (lock.ts)
 *     popularity.state                          what the policy learned (kept-state.ts)
 *     origins.state                             what the proxy learned of its origins (kept-state.ts)
 *     <generation>/title.json                   key and description (title-file.ts)
 *     <generation>/<segment>.seg                a segment (segment-file.ts)
 *     <generation>/<segment>.seg.bad            set aside: its content was wrong
 *     .../<any of these>.tmp                    being written
 *
 *     generation = 32 lower-case hexadecimal digits
 *     segment    = <index>-<startMicros>-<durationMicros>-<bytes>-<flags>-<anchor>
 *     flags      = 'k' starts at a random access point | 'c' continues, then 'e' if the title ends with it
 *     anchor     = 8 lower-case hexadecimal digits
 *
 * Numbers are decimal without leading zeros, so that a segment has exactly one name.
 */

/** What a name inside a generation's folder stands for. */
export type FolderEntry =
  | { readonly kind: 'segment'; readonly meta: SegmentMeta }
  | { readonly kind: 'set-aside'; readonly meta: SegmentMeta }
  | { readonly kind: 'title' }
  /** Left by a write that was cut short; at most `bytes` long, as far as its name says. */
  | { readonly kind: 'temporary'; readonly bytes: number }
  /** None of ours: left alone. */
  | { readonly kind: 'foreign' };

export const TITLE_NAME = 'title.json';
export const LOCK_NAME = 'lock';
export const STATE_NAME = 'popularity.state';
export const NOTES_NAME = 'origins.state';

const TEMPORARY = '.tmp';
const SET_ASIDE = '.bad';
const GENERATION = /^[0-9a-f]{32}$/;
const NUMBER = '(0|[1-9][0-9]{0,15})';
const SEGMENT = new RegExp(`^${NUMBER}-${NUMBER}-${NUMBER}-${NUMBER}-([kc])(e?)-([0-9a-f]{8})\\.seg$`);
const MOVED_LOCK = /^lock\.[0-9a-f]{16}\.tmp$/;
const FOREIGN: FolderEntry = { kind: 'foreign' };

export function isGeneration(name: string): boolean {
  return GENERATION.test(name);
}

export function formatSegmentName(meta: SegmentMeta): string {
  const flags = (meta.randomAccess ? 'k' : 'c') + (meta.last ? 'e' : '');
  const anchor = meta.anchor.toString(16).padStart(8, '0');
  return `${meta.index}-${meta.startMicros}-${meta.durationMicros}-${meta.byteLength}-${flags}-${anchor}.seg`;
}

/** The segment of that name in the folder of `generation`; undefined when it is no segment's name. */
export function parseSegmentName(name: string, generation: string): SegmentMeta | undefined {
  const parts = SEGMENT.exec(name);
  if (parts === null) return undefined;
  const [index, startMicros, durationMicros, byteLength] = parts.slice(1, 5).map(Number);
  if (index === undefined || startMicros === undefined) return undefined;
  if (durationMicros === undefined || byteLength === undefined) return undefined;
  if (index > 0xffff_ffff || byteLength > SEGMENT_LIMITS.fileBytes) return undefined;
  if (!Number.isSafeInteger(startMicros + durationMicros)) return undefined;
  return {
    generation,
    index,
    startMicros,
    durationMicros,
    byteLength,
    randomAccess: parts[5] === 'k',
    last: parts[6] === 'e',
    anchor: Number.parseInt(parts[7] ?? '', 16),
  };
}

export function temporaryName(name: string): string {
  return name + TEMPORARY;
}

export function setAsideName(name: string): string {
  return name + SET_ASIDE;
}

/** True for what only a write or a take-over of the lock that was cut short leaves in the cache directory itself. */
export function isRootTemporary(name: string): boolean {
  return name === temporaryName(STATE_NAME) || name === temporaryName(NOTES_NAME) || MOVED_LOCK.test(name);
}

/** @param nonce 16 lower-case hexadecimal digits. */
export function movedLockName(nonce: string): string {
  return temporaryName(`${LOCK_NAME}.${nonce}`);
}

/** Reads a name found in the folder of `generation`. */
export function parseFolderEntry(name: string, generation: string): FolderEntry {
  if (name === TITLE_NAME) return { kind: 'title' };
  if (name.endsWith(TEMPORARY)) {
    const inner = parseFolderEntry(name.slice(0, -TEMPORARY.length), generation);
    if (inner.kind === 'title') return { kind: 'temporary', bytes: 0 };
    return inner.kind === 'segment' ? { kind: 'temporary', bytes: inner.meta.byteLength } : FOREIGN;
  }
  if (name.endsWith(SET_ASIDE)) {
    const bad = parseSegmentName(name.slice(0, -SET_ASIDE.length), generation);
    return bad === undefined ? FOREIGN : { kind: 'set-aside', meta: bad };
  }
  const meta = parseSegmentName(name, generation);
  return meta === undefined ? FOREIGN : { kind: 'segment', meta };
}
