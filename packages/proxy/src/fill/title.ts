import { type Decision, type Segment, type SegmentFacts, type SegmentMeta } from '@forebay/cache';
import { type AccessUnitClassifier, classifierFor } from '@forebay/rtp';
import type { Description, RtspRange } from '@forebay/rtsp';
import type { OriginSource } from '../origin/client.js';
import type { OriginDescription } from '../origin/description.js';
import type { OriginProfile } from '../origin/profile.js';
import { referenceOf, type SegmenterStream, streamsOf } from './filling.js';
import { Followers } from './followers.js';
import { Offers } from './offers.js';
import { Lead } from './lead.js';
import { LiveTime } from './live-time.js';
import { type Held, heldOf, JOINT_MICROS, Row } from './row.js';
import type { Shelves } from './shelves.js';
import type { Standing } from './standing.js';
import { TitleFindings } from './title-findings.js';

export type { Shelves } from './shelves.js';

/** An open segment that no flight goes on with is dropped after this long. */
const ABANDONED_MS = 300_000;
/** A stored segment that could not be read in time is looked for again after this. */
const MISSED_MS = 5000;
/** What is left of a flight that was broken off is kept when it is this long. */
const SCRAP_MICROS = 1_000_000;

export interface TitleOptions {
  readonly key: string;
  readonly generation: string;
  readonly client: OriginSource;
  readonly origin: OriginDescription;
  /** Learned earlier, when the description does not tell it. */
  readonly durationSeconds: number | undefined;
  /** Live: how much of it is kept on disk; and where its NPT begins, if that was settled earlier. */
  readonly windowSeconds?: number | undefined;
  readonly zeroMicros?: number | undefined;
  /** Flights have been joined to it by content. */
  readonly joinsByContent?: boolean;
  readonly shelves: Shelves;
}

/** One generation of one title: what is held of it, and where its origin is. */
export class Title {
  readonly key: string;
  readonly generation: string;
  /** By which its origin is asked next. */
  client: OriginSource;
  readonly row = new Row();
  readonly shelves: Shelves;
  readonly streams: readonly SegmenterStream[];
  readonly followers = new Followers();
  /** The stream whose random access points cut segments. */
  readonly reference: number;
  /** Undefined on demand. */
  readonly liveTime: LiveTime | undefined;
  /** Tells the slices of its pictures from what comes before them. */
  readonly slices: AccessUnitClassifier | undefined;
  origin: OriginDescription;
  standing: Standing = 'current';
  /** What its origin has shown of it. */
  readonly findings: TitleFindings;
  #anchors = 0;
  /** Told what became of each segment that was offered to the disk. */
  onDecided: ((decision: Decision) => void) | undefined;
  readonly #offers: Offers;
  readonly #filling = new Set<Held>();
  #stored = 0;
  readonly #lead: Lead;
  /** A stored segment could not be read. */
  #missedMs: number | undefined;
  /** A flight has failed: whether the origin still has this title is asked before the next one. */
  isDoubted = false;
  /**
   * Called before a session is opened: sees to it that the description is the origin's.
   * @throws OriginError `changed` when it is not, or why it cannot be asked for
   */
  onOpening: (() => Promise<void>) | undefined;
  /** Called when a segment could not be kept, as packets of it are missing. */
  onDamaged: ((held: Held) => void) | undefined;
  /** Called before a segment is offered to the disk: the title must be known there first. */
  onStoring: (() => Promise<void>) | undefined;

  constructor(options: TitleOptions) {
    this.key = options.key;
    this.generation = options.generation;
    this.client = options.client;
    this.origin = options.origin;
    this.shelves = options.shelves;
    this.#offers = new Offers(options.shelves);
    const profile = (): OriginProfile => this.client.profile;
    this.#lead = new Lead(profile, options.shelves.clock);
    this.findings = new TitleFindings({
      profile,
      shelves: options.shelves,
      description: () => this.description,
      durationSeconds: options.durationSeconds,
      joinsByContent: options.joinsByContent === true,
    });
    const streams = options.origin.description.streams;
    this.streams = streamsOf(options.origin.description);
    this.reference = referenceOf(options.origin.description);
    const { windowSeconds = 0, zeroMicros } = options;
    this.liveTime = this.live ? new LiveTime(options.shelves.clock, windowSeconds, zeroMicros) : undefined;
    const reference = streams[this.reference];
    this.slices = reference && classifierFor(reference.encoding, reference.media, reference.fmtp);
    this.rescan();
  }

  /** Takes in the segments that the disk has. */
  rescan(): void {
    if (this.liveTime?.windowMicros === 0) return;
    for (const meta of this.shelves.store?.segments(this.generation) ?? []) this.#found(meta);
  }

  get description(): Description {
    return this.origin.description;
  }

  get range(): RtspRange | undefined {
    return this.description.range;
  }

  get isVideo(): boolean {
    return this.description.streams[this.reference]?.media === 'video';
  }

  get seeks(): boolean | undefined {
    return this.findings.seeks;
  }

  get live(): boolean {
    return !this.description.onDemand;
  }

  get durationSeconds(): number | undefined {
    return this.findings.durationSeconds;
  }

  /** Live: where a pull that begins now is placed. What the wall clock has left behind by being set back is given up. */
  beginPull(live: LiveTime): number {
    const endMicros = this.row.last?.endMicros ?? -Infinity;
    if (endMicros > live.aheadMicros()) {
      this.shelves.log.warn(
        { route: this.client.profile.route },
        'the clock was set back: a live window is given up',
      );
      this.#sweepLive(Infinity);
      this.shelves.store?.keepWindow(this.generation, Infinity, Infinity);
      return live.begin(-Infinity);
    }
    return live.begin(endMicros);
  }

  /** What has passed of the window leaves the disk. */
  passWindow(live: LiveTime): void {
    this.shelves.store?.keepWindow(this.generation, live.passedMicros(this.row.last), Infinity);
  }

  /** How long before a seam the origin must be asked, seconds. */
  leadSeconds(): number {
    return this.live || this.findings.probablySeeks === false ? Infinity : this.#lead.seconds();
  }

  /** A number for one exact time base: sessions that joined by content share it. */
  newAnchor(): number {
    this.#anchors = (this.#anchors + 1) >>> 0;
    return ((this.shelves.clock.unixMs() >>> 0) ^ (this.#anchors << 8)) >>> 0;
  }

  /** Segments of the row, by where they are; `sealed`: nowhere but in RAM. */
  get counts(): { readonly filling: number; readonly sealed: number } {
    const filling = this.#filling.size;
    return { filling, sealed: this.row.length - filling - this.#stored };
  }

  /** Segments that are not sealed. */
  get filling(): Iterable<Held> {
    return this.#filling;
  }

  /** A flight comes from before NPT `micros`: a segment there whose head is missing makes way. */
  makeWay(micros: number): void {
    const held = this.row.firstFrom(micros - JOINT_MICROS);
    const isThere = held !== undefined && held.startMicros <= micros + JOINT_MICROS;
    if (isThere && held.headless && !held.flying) this.#drop(held);
  }

  /** A flight from NPT `fromMicros` to `toMicros` was broken off: what it began is no use if it is so short that a viewer meets the hole behind it at once. */
  forgo(fromMicros: number, toMicros: number): void {
    for (const held of this.#filling) {
      const isItsOwn =
        held.startMicros >= fromMicros - JOINT_MICROS && held.endMicros <= toMicros + JOINT_MICROS;
      if (isItsOwn && !held.flying && held.endMicros - held.startMicros < SCRAP_MICROS) this.#drop(held);
    }
  }

  /** A flight has begun a segment, and put it into the row. */
  begun(held: Held): void {
    this.#filling.add(held);
  }

  /** The packets of a sealed segment if they are in memory. */
  resident(held: Held): Segment | undefined {
    if (held.meta === undefined) return undefined;
    return this.shelves.ram.get(this.generation, held.startMicros) ?? this.#offers.segment(held);
  }

  /**
   * The packets of a sealed segment from RAM, else from disk; undefined and no longer held if they are nowhere. A disk that
   * was only slow is asked again later.
   */
  async load(held: Held, use?: 'skim'): Promise<{ segment: Segment; source: 'ram' | 'disk' } | undefined> {
    const resident = this.resident(held);
    if (resident !== undefined) return { segment: resident, source: 'ram' };
    const { meta } = held;
    if (meta === undefined || !held.onDisk) {
      if (held.state === 'sealed') this.#drop(held);
      return undefined;
    }
    const segment = (await this.#read(meta)) ?? (held.onDisk ? await this.#read(meta) : undefined);
    if (segment === undefined) {
      this.#drop(held);
      this.#missedMs ??= this.shelves.clock.nowMs();
      return undefined;
    }
    this.#lead.learn(segment);
    if (this.row.has(held) && use !== 'skim') this.shelves.ram.put(segment, this.key);
    return { segment, source: 'disk' };
  }

  /** All packets of a segment are there: it becomes immutable, goes to RAM, and is offered to the disk. */
  complete(held: Held): void {
    const growth = held.growth;
    if (growth === undefined || held.state === 'sealed') return;
    this.#filling.delete(held);
    held.flying = false;
    held.growth = undefined;
    held.state = 'sealed';
    // Whoever has all of it goes on into what follows.
    this.followers.tell(this.shelves.clock.nowMs());
    if (held.last) this.findings.learnDuration(held.endMicros / 1e6);
    // What is missing of a live segment cannot be fetched again: it is passed on as lost.
    if ((growth.damaged && !this.live) || growth.builder.run.count === 0) {
      this.#drop(held);
      // What is shown before its first picture would be missing again: only a flight from before brings it.
      if (growth.damaged && !this.live && !held.headless) this.onDamaged?.(held);
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
    this.#lead.learn(segment);
    this.shelves.ram.put(segment, this.key);
    if (this.shelves.store === undefined || this.liveTime?.windowMicros === 0) this.#dropUnlessHeld(held);
    else this.#offer(held, segment);
  }

  /** The origin has nothing behind `held`: the title ends with it. */
  endsWith(held: Held): void {
    held.last = true;
    this.findings.learnDuration(held.endMicros / 1e6);
  }

  /** Bytes that are on their way to the disk. */
  get offeredBytes(): number {
    return this.#offers.bytes;
  }

  /**
   * Wishes that what is stored of this title in NPT [0, endMicros), and what will be, is kept until then, on the policy's
   * clock; what is in RAM alone is offered to the disk again. Undefined: nothing more is wished for.
   */
  wish(untilSeconds: number | undefined, endMicros = 0): void {
    this.#offers.wishedUntilSeconds = untilSeconds;
    if (untilSeconds === undefined) return;
    for (const held of this.row) {
      if (held.startMicros >= endMicros || held.meta === undefined) continue;
      const resident = held.onDisk ? undefined : this.resident(held);
      if (held.onDisk) this.shelves.store?.wish(held.meta, untilSeconds);
      else if (resident !== undefined && !this.#offers.has(held)) this.#offer(held, resident);
    }
  }

  /** Resolves when no segment is on its way to the disk. */
  async settled(): Promise<void> {
    await this.#offers.settled();
  }

  /** The store dropped a file. */
  offDisk(startMicros: number): void {
    const held = this.row.startingAt(startMicros);
    if (held === undefined || !held.onDisk) return;
    this.#setStored(held, false);
    this.#dropUnlessHeld(held);
  }

  /** RAM dropped a segment. */
  offRam(startMicros: number): void {
    const held = this.row.startingAt(startMicros);
    if (held?.state === 'sealed') this.#dropUnlessHeld(held);
  }

  /** Drops open segments that nobody went on with for long, and live ones that have passed; finds stored ones again. */
  sweep(nowMs: number): void {
    if (this.liveTime !== undefined) this.#sweepLive(this.liveTime.passedMicros(this.row.last));
    if (this.#missedMs !== undefined && nowMs - this.#missedMs > MISSED_MS) {
      this.#missedMs = undefined;
      this.rescan();
    }
    for (const held of this.#filling) {
      if (held.state === 'open' && !held.flying && nowMs - held.touchedMs > ABANDONED_MS) this.#drop(held);
    }
  }

  /** The disk drops the same segments by itself. */
  #sweepLive(passedMicros: number): void {
    for (
      let first = this.row.first;
      first !== undefined && first.endMicros <= passedMicros;
      first = this.row.first
    )
      this.#pass(first);
  }

  #pass(held: Held): void {
    this.shelves.ram.drop(this.generation, held.startMicros);
    this.#drop(held);
  }

  async #read(meta: SegmentMeta): Promise<Segment | undefined> {
    try {
      return await this.shelves.store?.read(meta);
    } catch (error) {
      this.shelves.log.error({ error: String(error) }, 'a stored segment could not be asked for');
      return undefined;
    }
  }

  #offer(held: Held, segment: Segment): void {
    const facts: SegmentFacts = {
      title: this.key,
      segment: held.index,
      startSeconds: held.startMicros / 1e6,
      durationSeconds: (held.endMicros - held.startMicros) / 1e6,
      bytes: segment.meta.byteLength,
      titleDurationSeconds: this.durationSeconds,
    };
    this.#offers.make(
      held,
      { segment, facts },
      () => this.onStoring?.(),
      (isStored, decision) => {
        this.onDecided?.(decision);
        if (isStored && this.row.has(held)) this.#setStored(held, true);
        else this.#dropUnlessHeld(held);
      },
    );
  }

  #setStored(held: Held, isStored: boolean): void {
    if (held.onDisk === isStored) return;
    held.onDisk = isStored;
    this.#stored += isStored ? 1 : -1;
  }

  #dropUnlessHeld(held: Held): void {
    const isInMemory =
      this.shelves.ram.has(this.generation, held.startMicros) || this.#offers.segment(held) !== undefined;
    if (!held.onDisk && !isInMemory) this.#drop(held);
  }

  #drop(held: Held): void {
    this.#filling.delete(held);
    if (this.row.remove(held)) this.#setStored(held, false);
  }

  /** Takes in a stored segment, unless something is held in its place. */
  #found(meta: SegmentMeta): void {
    const held = heldOf(meta);
    const next = this.row.firstFrom(held.startMicros);
    const isOverlapping = next !== undefined && next.startMicros < held.endMicros - JOINT_MICROS;
    if (isOverlapping || !this.row.isFree(held.startMicros)) return;
    this.row.insert(held);
    this.#setStored(held, true);
  }
}
