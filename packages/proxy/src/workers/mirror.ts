import { open, rm } from 'node:fs/promises';
import { decodeSegment, GrowthReader, type MemoryTier, type PacketRun, type Segment } from '@forebay/cache';
import { type Description, parseDescription, type RtspRange } from '@forebay/rtsp';
import { streamsOf } from '../fill/filling.js';
import { type Outlook, outlookAt } from '../fill/flights.js';
import { Followers } from '../fill/followers.js';
import { LiveTime } from '../fill/live-time.js';
import { type Place, Row } from '../fill/row.js';
import type { Loaded, Playable } from '../read/playable.js';
import type { Link } from './link.js';
import type { TitleFacts, TitleIdentity, TitleLine, ToldPlace, ToldSegment } from './protocol.js';

/** Times that a segment is asked for whose file is gone when it is opened: it had to make room meanwhile. */
const LOADS = 3;
const UNKNOWN: TitleFacts = {
  durationSeconds: undefined,
  leadSeconds: 0,
  seeks: undefined,
  scales: undefined,
  zeroMicros: undefined,
  prospects: { flights: [], setbacks: [], otherwise: 'none' },
};

type Told<T> = { -readonly [K in keyof T]: T[K] };

/** A segment as a worker knows it. */
interface MirroredPlace extends Place {
  readonly id: number;
  growth: Growth | undefined;
}

/** The packets of a segment that grows in the owner; they are followed from when they are first asked for. */
class Growth {
  readonly #path: string;
  #reader: GrowthReader | undefined;
  #counted = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get run(): PacketRun {
    return this.#follow().run;
  }

  get isFollowed(): boolean {
    return this.#reader !== undefined;
  }

  /** Packets have come since this was last asked. */
  hasMore(): boolean {
    const count = this.#reader?.run.count ?? 0;
    const hasMore = count > this.#counted;
    this.#counted = count;
    return hasMore;
  }

  /** Takes in what has come. @returns NPT of the newest picture; NaN before the first */
  poll(): number {
    return this.#follow().endMicros;
  }

  close(): void {
    this.#reader?.close();
  }

  #follow(): GrowthReader {
    const reader = (this.#reader ??= new GrowthReader(this.#path));
    reader.poll();
    return reader;
  }
}

export interface MirrorParts {
  readonly number: number;
  readonly identity: TitleIdentity;
  readonly sdp: string;
  readonly link: Link;
  readonly ram: MemoryTier;
  readonly shelves: Playable['shelves'];
}

/** What a worker knows of a title: as the owner tells it, and packets as the owner shares them. */
export class MirrorTitle implements Playable {
  readonly number: number;
  readonly description: Description;
  readonly streams: Playable['streams'];
  readonly row = new Row<MirroredPlace>();
  readonly followers = new Followers();
  readonly shelves: Playable['shelves'];
  liveTime: LiveTime | undefined;
  /** Readers that are open. */
  readers = 0;
  /** Clock reading when it was last asked for. */
  usedMs: number;
  /** `untold`: what is held is not known yet. */
  #state: 'untold' | 'told' | 'idle' = 'untold';
  readonly #p: MirrorParts;
  readonly #places = new Map<number, MirroredPlace>();
  readonly #growing = new Set<MirroredPlace>();
  readonly #loading = new Map<number, Promise<Loaded | undefined>>();
  #facts = UNKNOWN;

  constructor(parts: MirrorParts) {
    this.#p = parts;
    this.number = parts.number;
    this.shelves = parts.shelves;
    this.description = parseDescription(parts.sdp);
    this.streams = streamsOf(this.description);
    this.usedMs = parts.shelves.clock.nowMs();
    this.liveTime = this.#liveTime();
  }

  get key(): string {
    return this.#p.identity.key;
  }

  get generation(): string {
    return this.#p.identity.generation;
  }

  get live(): boolean {
    return this.#p.identity.live;
  }

  get reference(): number {
    return this.#p.identity.reference;
  }

  get isVideo(): boolean {
    return this.#p.identity.isVideo;
  }

  get durationSeconds(): number | undefined {
    return this.#facts.durationSeconds;
  }

  get range(): RtspRange | undefined {
    return this.description.range;
  }

  get seeks(): boolean | undefined {
    return this.#facts.seeks;
  }

  /** Whether the origin scales it; undefined while that is worth a try. */
  get scales(): boolean | undefined {
    return this.#facts.scales;
  }

  /** What is held is known, and kept up to date. */
  get isCurrent(): boolean {
    return this.#state === 'told';
  }

  leadSeconds(): number {
    return this.#facts.leadSeconds;
  }

  outlook(atMicros: number): Outlook {
    return outlookAt(this.#facts.prospects, atMicros);
  }

  place(id: number | undefined): Place | undefined {
    return id === undefined ? undefined : this.#places.get(id);
  }

  /** Sees to it that it is kept up to date. */
  watch(): void {
    this.usedMs = this.shelves.clock.nowMs();
    if (this.#state !== 'idle') return;
    this.#state = 'untold';
    this.#p.link.tell({ op: 'watch', title: this.number });
  }

  /** Nobody uses it for now. */
  rest(): void {
    if (this.#state === 'idle') return;
    this.#state = 'idle';
    this.#clear();
    this.#p.link.tell({ op: 'unwatch', title: this.number });
  }

  take(line: TitleLine): void {
    // The owner begins anew by itself, too, when the title is asked for again.
    if (this.#state === 'idle' && line.is !== 'anew') return;
    switch (line.is) {
      case 'facts':
        this.#facts = line.facts;
        if (this.liveTime?.zeroMicros !== line.facts.zeroMicros) this.liveTime = this.#liveTime();
        break;
      case 'place':
        this.#put(line.place);
        break;
      case 'gone':
        this.#remove(line.id);
        break;
      case 'anew':
        this.#clear();
        this.#state = 'untold';
        break;
      case 'current':
        this.#state = 'told';
        break;
    }
  }

  /** Takes in what has come of segments that grow. Cost: a system call each. */
  poll(): void {
    for (const place of this.#growing) this.#pollOne(place);
  }

  resident(held: Place): Segment | undefined {
    return this.#p.ram.get(this.generation, held.startMicros);
  }

  load(held: Place, use?: 'skim'): Promise<Loaded | undefined> {
    const segment = this.resident(held);
    if (segment !== undefined) return Promise.resolve({ segment, source: 'ram' });
    const { id } = held as MirroredPlace;
    const running = this.#loading.get(id);
    if (running !== undefined) return running;
    const loading = this.#load(held as MirroredPlace, use).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #load(held: MirroredPlace, use: 'skim' | undefined): Promise<Loaded | undefined> {
    for (let i = 0; i < LOADS; i++) {
      const reply = await this.#p.link.ask({ is: 'load', title: this.number, place: held.id, use });
      if (reply.is !== 'segment' || reply.segment === undefined) break;
      const file = await readShared(reply.segment);
      if (file === undefined) continue;
      const { key, generation } = this;
      const segment = decodeSegment(file, { key, generation, startMicros: held.startMicros });
      if (use !== 'skim') this.#p.ram.put(segment, key);
      return { segment, source: reply.segment.source };
    }
    return undefined;
  }

  #liveTime(): LiveTime | undefined {
    const { live, windowSeconds } = this.#p.identity;
    return live ? new LiveTime(this.shelves.clock, windowSeconds, this.#facts.zeroMicros) : undefined;
  }

  #put(told: ToldPlace): void {
    const known = this.#places.get(told.id);
    if (known !== undefined) {
      this.#change(known, told);
      return;
    }
    const { id, startMicros, randomAccess, endMicros, state, last, flying, headless } = told;
    const place: MirroredPlace = {
      id,
      startMicros,
      randomAccess,
      endMicros,
      state,
      last,
      flying,
      headless,
      growth: undefined,
    };
    this.#places.set(id, place);
    this.#change(place, told);
    this.row.insert(place);
  }

  #change(place: Told<MirroredPlace>, told: ToldPlace): void {
    if (told.growth !== undefined && place.growth === undefined) {
      place.growth = new Growth(told.growth);
      this.#growing.add(place);
    }
    // Whoever follows it has all of it before it counts as complete.
    if (place.growth?.isFollowed === true) this.#pollOne(place);
    place.state = told.state;
    place.last = told.last;
    place.flying = told.flying;
    place.endMicros = told.state === 'open' ? Math.max(place.endMicros, told.endMicros) : told.endMicros;
    if (told.state !== 'sealed') return;
    this.#endGrowth(place);
    this.followers.tell(this.shelves.clock.nowMs());
  }

  #pollOne(place: MirroredPlace): void {
    const endMicros = place.growth?.poll() ?? NaN;
    if (place.growth?.hasMore() === true) this.followers.tell(this.shelves.clock.nowMs());
    if (place.state === 'open' && endMicros > place.endMicros) place.endMicros = endMicros;
  }

  #endGrowth(place: MirroredPlace): void {
    if (!this.#growing.delete(place)) return;
    place.growth?.close();
    place.growth = undefined;
  }

  #remove(id: number): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.row.remove(place);
    this.#endGrowth(place);
  }

  #clear(): void {
    for (const id of this.#places.keys()) this.#remove(id);
    this.#facts = UNKNOWN;
  }
}

/** Undefined when the file is gone. @throws the system's error */
async function readShared({ path, bytes, isLent }: ToldSegment): Promise<Buffer | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.allocUnsafeSlow(bytes);
      let filled = 0;
      for (let read = 1; read > 0 && filled < bytes; filled += read)
        read = (await file.read(buffer, filled)).bytesRead;
      return filled === bytes ? buffer : undefined;
    } finally {
      await file.close();
      if (isLent) await rm(path, { force: true });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
