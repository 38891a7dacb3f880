import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Test } from 'tap';

import {
  formatSegmentName,
  SegmentStore,
  type Schedule,
  type Segment,
  type SegmentMeta,
  type SegmentStoreOptions,
  type StoreEvent,
} from '../src/index.js';
import { parseFolderEntry } from '../src/names.js';
import { FifoPolicy } from './fifo-policy.js';
import { factsOf, GENERATION, KEY, makeSegment } from './making.js';

export const TITLE = { key: KEY, generation: GENERATION, description: '{"sdp":"v=0"}', durationSeconds: 60 };
export const OTHER = { ...TITLE, key: 'rtsp://origin.example:554/b', generation: 'b'.repeat(32) };
export const ADMITTED = { admitted: true };

export function segmentAt(number: number, seed = number): Segment {
  return makeSegment({ startSeconds: 6 * number, seed });
}

export async function offerAll(store: SegmentStore, segments: readonly Segment[]): Promise<void> {
  for (const segment of segments) await store.offer(segment, factsOf(segment));
}

export function starts(store: SegmentStore, generation = GENERATION): number[] {
  return store.segments(generation).map((meta) => meta.startMicros / 6e6);
}

/** A store with one title and some segments, and its events. */
export async function filled(
  t: Test,
  segments: readonly Segment[],
  capacityBytes = 1e6,
): Promise<{ store: SegmentStore; directory: string; policy: FifoPolicy; events: StoreEvent[] }> {
  const directory = join(t.testdir(), 'cache');
  const events: StoreEvent[] = [];
  const policy = new FifoPolicy();
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = await openStore(directory, { policy, capacityBytes, onEvent });
  t.teardown(() => store.close());
  await store.saveTitle(TITLE);
  await offerAll(store, segments);
  return { store, directory, policy, events };
}

/** A cache directory in which a store that was closed has left one segment. */
export async function leftDirectory(t: Test): Promise<string> {
  const directory = join(t.testdir(), 'cache');
  const store = await openStore(directory);
  await store.saveTitle(TITLE);
  await offerAll(store, [segmentAt(0)]);
  await store.close();
  return directory;
}

export function pathOf(directory: string, meta: SegmentMeta): string {
  return join(directory, meta.generation, formatSegmentName(meta));
}

export function eventTypes(events: readonly StoreEvent[]): string[] {
  return events.map((event) => event.type);
}

/** A clock that stands still until it is told otherwise, and deadlines that pass when the test says so. */
export class TestTime {
  seconds = 1000;
  readonly #deadlines = new Set<() => void>();

  readonly nowSeconds = (): number => this.seconds;

  readonly schedule: Schedule = (callback) => {
    this.#deadlines.add(callback);
    return () => void this.#deadlines.delete(callback);
  };

  get pending(): number {
    return this.#deadlines.size;
  }

  /** Lets every deadline that has been set pass, with those that they set in turn. */
  passDeadlines(): void {
    while (this.#deadlines.size > 0) {
      const due = Array.from(this.#deadlines);
      this.#deadlines.clear();
      for (const callback of due) callback();
    }
  }
}

/** Deadlines that never pass: a slow machine is no slow disk. */
const noDeadlines: Schedule = () => () => undefined;

export function openStore(
  directory: string,
  options: Partial<SegmentStoreOptions> = {},
): Promise<SegmentStore> {
  return SegmentStore.open({
    directory,
    capacityBytes: 1e6,
    policy: new FifoPolicy(),
    nowSeconds: () => 1000,
    schedule: noDeadlines,
    ...options,
  });
}

/** Every file below a directory, as paths relative to it, with sizes. */
export async function filesBelow(directory: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length + 1), (await lstat(path)).size);
  }
  return files;
}

/**
 * The invariants of docs/segment-format.md, for a store at rest whose disk works: what is indexed is on disk and
 * what is on disk is indexed, nothing is left of interrupted writes, everything held can be read, and the bytes
 * are counted and within the capacity.
 */
export async function checkInvariants(t: Test, store: SegmentStore, directory: string): Promise<void> {
  const indexed = new Set<string>();
  for (const title of store.titles()) {
    for (const meta of title.segments) {
      indexed.add(join(title.generation, formatSegmentName(meta)));
      const segment = await store.read(meta);
      if (segment === undefined) t.fail(`cannot read ${formatSegmentName(meta)}`);
      else if (segment.meta.byteLength !== meta.byteLength) t.fail('read another segment');
    }
  }
  let bytes = 0;
  const found = new Set<string>();
  for (const [path, size] of await filesBelow(directory)) {
    const [generation = '', name = ''] = path.split('/');
    const kind = name === '' ? 'root' : parseFolderEntry(name, generation).kind;
    if (path !== 'lock') bytes += size;
    if (kind === 'segment') found.add(path);
    if (kind === 'temporary' || path.endsWith('.tmp')) t.fail(`${path} was left behind`);
  }
  t.strictSame([...found].sort(), [...indexed].sort(), 'the index is what is on disk');
  t.equal(store.segmentCount, found.size);
  if (bytes > store.bytes) t.fail(`${bytes} bytes on disk, ${store.bytes} counted`);
  if (store.bytes > store.capacityBytes) t.fail(`${store.bytes} bytes of ${store.capacityBytes}`);
}
