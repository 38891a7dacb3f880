import {
  type CachePolicy,
  type Decision,
  PACKET_FLAG,
  type RamTier,
  type Segment,
  type SegmentFacts,
  type SegmentMeta,
  type SegmentStore,
} from '@forebay/cache';
import { classifierFor } from '@forebay/rtp';
import type { Description } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { OriginClient } from '../origin/client.js';
import type { OriginDescription } from '../origin/description.js';
import { type Held, Row } from './row.js';
import type { SegmenterStream } from './segmenter.js';

/** An open segment that no flight goes on with is dropped after this long. */
const ABANDONED_MS = 300_000;

/** A stored segment that could not be read in time is looked for again after this. */
const MISSED_MS = 5000;
/** Least overlap that a join is given, seconds. */
const INITIAL_OVERLAP_SECONDS = 0.5;
const MAX_OVERLAP_SECONDS = 20;

/** Where segments are kept, shared by all titles. */
export interface Shelves {
  readonly ram: RamTier;
  readonly store: SegmentStore | undefined;
  readonly policy: CachePolicy;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

export interface TitleOptions {
  readonly key: string;
  readonly generation: string;
  readonly client: OriginClient;
  readonly origin: OriginDescription;
  /** Learned earlier, when the description does not tell it. */
  readonly durationSeconds: number | undefined;
  readonly shelves: Shelves;
}

/** One generation of one title: what is held of it, and where its origin is. */
export class Title {
  readonly key: string;
  readonly generation: string;
  readonly client: OriginClient;
  readonly row = new Row();
  readonly shelves: Shelves;
  readonly streams: readonly SegmenterStream[];
  /** The stream whose random access points cut segments. */
  readonly reference: number;
  origin: OriginDescription;
  #durationSeconds: number | undefined;
  #anchors = 0;
  readonly #offers = new Set<Promise<void>>();
  /** A stored segment could not be read. */
  #missedMs: number | undefined;
  #overlapSeconds = INITIAL_OVERLAP_SECONDS;
  /** Called when the length was learned. */
  onLearned: (() => void) | undefined;
  /** Called before a segment is offered to the disk: the title must be known there first. */
  onStoring: (() => Promise<void>) | undefined;

  constructor(options: TitleOptions) {
    this.key = options.key;
    this.generation = options.generation;
    this.client = options.client;
    this.origin = options.origin;
    this.shelves = options.shelves;
    this.#durationSeconds = options.durationSeconds ?? options.origin.description.durationSeconds;
    const streams = options.origin.description.streams;
    this.streams = streams.map((s) => ({
      clockRate: s.clockRate,
      classifier: classifierFor(s.encoding, s.media, s.fmtp),
    }));
    const video = streams.findIndex((s) => s.media === 'video');
    const audio = streams.findIndex((s) => s.media === 'audio');
    this.reference = video >= 0 ? video : Math.max(0, audio);
    this.rescan();
  }

  /** Takes in the segments that the disk has. */
  rescan(): void {
    for (const meta of this.shelves.store?.segments(this.generation) ?? []) this.#found(meta);
  }

  get description(): Description {
    return this.origin.description;
  }

  get live(): boolean {
    return !this.description.onDemand;
  }

  get durationSeconds(): number | undefined {
    return this.#durationSeconds;
  }

  /** The origin said, or showed, where the title ends. */
  learnDuration(seconds: number): void {
    if (this.live || !(seconds > 0) || this.#durationSeconds === seconds) return;
    if (this.#durationSeconds !== undefined && this.description.durationSeconds !== undefined) return;
    this.#durationSeconds = seconds;
    this.onLearned?.();
  }

  /** How long before a seam the origin must be asked, seconds: its own start-up, and the overlap that the join needs. */
  leadSeconds(): number {
    if (this.live || this.client.profile.seeks === false) return Infinity;
    return this.client.profile.leadSeconds() + this.#overlapSeconds;
  }

  /**
   * A flight that goes on behind this segment starts at the last random access point in it, at real time: so much longer
   * the origin must be asked before the seam.
   */
  #learnOverlap({ meta, run }: Segment): void {
    let start = 0;
    for (let i = 0; i < run.count; i++) {
      if ((run.flags[i]! & PACKET_FLAG.randomAccess) !== 0) start = run.dueMicros[i]!;
    }
    const seconds = (meta.durationMicros - start) / 1e6;
    this.#overlapSeconds = Math.max(this.#overlapSeconds, Math.min(seconds, MAX_OVERLAP_SECONDS));
  }

  /** A number for one exact time base: sessions that joined by content share it. */
  newAnchor(): number {
    this.#anchors = (this.#anchors + 1) >>> 0;
    return ((this.shelves.clock.unixMs() >>> 0) ^ (this.#anchors << 8)) >>> 0;
  }

  /** The packets of a sealed segment if they are in RAM. */
  resident(held: Held): Segment | undefined {
    return held.meta === undefined ? undefined : this.shelves.ram.get(this.generation, held.startMicros);
  }

  /**
   * The packets of a sealed segment from RAM, else from disk; undefined and no longer held if they are nowhere. A disk that
   * was only slow is asked again later.
   */
  async load(held: Held): Promise<{ segment: Segment; source: 'ram' | 'disk' } | undefined> {
    const resident = this.resident(held);
    if (resident !== undefined) return { segment: resident, source: 'ram' };
    const meta = held.meta;
    const store = this.shelves.store;
    if (meta === undefined || store === undefined || !held.onDisk) {
      if (held.state === 'sealed') this.row.remove(held);
      return undefined;
    }
    const segment = (await store.read(meta)) ?? (held.onDisk ? await store.read(meta) : undefined);
    if (segment === undefined) {
      held.onDisk = false;
      this.row.remove(held);
      this.#missedMs ??= this.shelves.clock.nowMs();
      return undefined;
    }
    this.#learnOverlap(segment);
    this.shelves.ram.put(segment);
    return { segment, source: 'disk' };
  }

  /** All packets of a segment are there: it becomes immutable, goes to RAM, and is offered to the disk. */
  complete(held: Held): void {
    const growth = held.growth;
    if (growth === undefined || held.state === 'sealed') return;
    held.flying = false;
    held.growth = undefined;
    if (growth.damaged || growth.builder.run.count === 0) {
      held.state = 'sealed';
      this.row.remove(held);
      return;
    }
    const segment = growth.builder.seal(
      {
        generation: this.generation,
        index: held.index,
        startMicros: held.startMicros,
        durationMicros: Math.max(1, held.endMicros - held.startMicros),
        randomAccess: held.randomAccess,
        last: held.last,
        anchor: held.anchor,
      },
      growth.extents,
    );
    held.meta = segment.meta;
    held.state = 'sealed';
    if (held.last) this.learnDuration(held.endMicros / 1e6);
    this.#learnOverlap(segment);
    this.shelves.ram.put(segment);
    const offer = this.#offer(held, segment).finally(() => this.#offers.delete(offer));
    this.#offers.add(offer);
  }

  /** Resolves when no segment is on its way to the disk. */
  async settled(): Promise<void> {
    await Promise.all(this.#offers);
  }

  #facts(held: Held, bytes: number): SegmentFacts {
    return {
      title: this.key,
      segment: held.index,
      startSeconds: held.startMicros / 1e6,
      durationSeconds: (held.endMicros - held.startMicros) / 1e6,
      bytes,
      titleDurationSeconds: this.#durationSeconds,
    };
  }

  /** The store dropped a file. */
  offDisk(startMicros: number): void {
    for (const held of this.row) {
      if (held.startMicros !== startMicros || !held.onDisk) continue;
      held.onDisk = false;
      if (this.resident(held) === undefined) this.row.remove(held);
      return;
    }
  }

  /** RAM dropped a segment. */
  offRam(startMicros: number): void {
    for (const held of this.row) {
      if (held.startMicros !== startMicros || held.state !== 'sealed') continue;
      if (!held.onDisk) this.row.remove(held);
      return;
    }
  }

  /** Drops open segments that nobody went on with for long, and finds stored ones again. */
  sweep(nowMs: number): void {
    if (this.#missedMs !== undefined && nowMs - this.#missedMs > MISSED_MS) {
      this.#missedMs = undefined;
      this.rescan();
    }
    for (const held of Array.from(this.row)) {
      if (held.state === 'open' && !held.flying && nowMs - held.touchedMs > ABANDONED_MS)
        this.row.remove(held);
    }
  }

  async #offer(held: Held, segment: Segment): Promise<void> {
    const store = this.shelves.store;
    if (store === undefined || this.live) return;
    await this.onStoring?.();
    const decision: Decision = await store.offer(segment, this.#facts(held, segment.meta.byteLength));
    this.shelves.metrics.admissions.inc({
      decision: decision.admitted ? 'admitted' : 'rejected',
      reason: decision.reason,
    });
    if (decision.admitted) held.onDisk = true;
    else if (this.resident(held) === undefined) this.row.remove(held);
  }

  #found(meta: SegmentMeta): void {
    const end = meta.startMicros + meta.durationMicros;
    const overlapping = this.row.covering(meta.startMicros) ?? this.row.covering(end - 1);
    if (overlapping !== undefined) return;
    this.row.insert({
      startMicros: meta.startMicros,
      index: meta.index,
      randomAccess: meta.randomAccess,
      anchor: meta.anchor,
      endMicros: end,
      state: 'sealed',
      last: meta.last,
      growth: undefined,
      meta,
      flying: false,
      onDisk: true,
      touchedMs: 0,
    });
  }
}
