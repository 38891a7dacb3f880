import type { MemoryTier } from '@forebay/cache';
import type { Description, RtspUrl } from '@forebay/rtsp';
import type { TimerHandle } from '../clock.js';
import { OriginError } from '../origin/errors.js';
import type { Audience, AudienceStart } from '../read/audience.js';
import {
  type Enquirer,
  type Library,
  type Presentation,
  type Reader,
  type ReaderOptions,
  sdpForViewers,
} from '../read/library.js';
import type { Pacer } from '../read/pacer.js';
import type { Playable } from '../read/playable.js';
import { SegmentReader } from '../read/reader.js';
import { newTimeline } from '../read/timeline.js';
import type { Link } from './link.js';
import { MirrorTitle } from './mirror.js';
import { GLANCE_MS, type OwnerLine } from './protocol.js';
import { RemoteFlights } from './remote-flights.js';
import { RemotePassages } from './remote-passage.js';

const SWEEP_MS = 1000;
/** A title that nobody plays is kept up to date for so long after it was asked for. */
const REST_MS = 60_000;
/** Between two looks while nobody plays. */
const IDLE_MS = 100;
/** Titles that are remembered; beyond that those that nobody plays are forgotten. */
const MAX_TITLES = 4096;

export interface RemoteLibraryParts {
  readonly link: Link;
  readonly pacer: Pacer;
  readonly ram: MemoryTier;
  readonly shelves: Playable['shelves'];
}

class RemotePresentation implements Presentation {
  readonly route: string;
  readonly mirror: MirrorTitle;

  constructor(route: string, mirror: MirrorTitle) {
    this.route = route;
    this.mirror = mirror;
  }

  get key(): string {
    return this.mirror.key;
  }

  get description(): Description {
    return this.mirror.description;
  }

  get live(): boolean {
    return this.mirror.live;
  }

  get durationSeconds(): number | undefined {
    return this.mirror.durationSeconds;
  }

  sdp(): string {
    return sdpForViewers(this);
  }
}

/** The owner's catalogue, for the viewers of one worker. */
export class RemoteLibrary implements Library {
  readonly #p: RemoteLibraryParts;
  readonly #mirrors = new Map<number, MirrorTitle>();
  readonly #riding = new Map<SegmentReader, RemoteFlights>();
  readonly #passages: RemotePassages;
  #readers = 0;
  #timer: TimerHandle | undefined;
  #sweptMs = 0;

  constructor(parts: RemoteLibraryParts) {
    this.#p = parts;
    this.#passages = new RemotePassages(parts.link);
    this.#tick();
  }

  async find(url: RtspUrl, { account, signal }: Enquirer): Promise<Presentation> {
    const reply = await this.#p.link.ask({ is: 'find', url, account }, signal);
    if (signal.aborted) throw new OriginError('aborted', 'the viewer went away');
    const mirror = reply.is === 'found' ? this.#mirrors.get(reply.title) : undefined;
    if (reply.is !== 'found' || mirror === undefined)
      throw new OriginError('internal', 'the owner found a title without telling of it');
    mirror.watch();
    return new RemotePresentation(reply.route, mirror);
  }

  open(presentation: Presentation, options: ReaderOptions): Reader {
    if (!(presentation instanceof RemotePresentation))
      throw new TypeError('a presentation of another library');
    const { link, pacer } = this.#p;
    const { mirror } = presentation;
    if (this.#mirrors.get(mirror.number) !== mirror)
      throw new OriginError('unavailable', 'the title was forgotten meanwhile');
    const number = ++this.#readers;
    mirror.watch();
    mirror.readers++;
    if (this.#riding.size === 0) this.#tickIn(this.#glanceMs);
    link.tell({ op: 'opened', reader: number, title: mirror.number });
    const flights = new RemoteFlights(mirror, link, number);
    const reader = new SegmentReader({
      title: mirror,
      flights,
      passage: this.#passages.of(mirror, number),
      pacer,
      timeline: newTimeline(mirror.streams, options.streams),
      options,
      audience: audienceOf(link, number),
      onClosed: () => {
        mirror.readers--;
        mirror.usedMs = this.#p.shelves.clock.nowMs();
        this.#riding.delete(reader);
        link.tell({ op: 'closed', reader: number });
      },
    });
    this.#riding.set(reader, flights);
    return reader;
  }

  /** What the owner tells of titles, and of sessions that are passed on. */
  take(line: OwnerLine): void {
    if (line.op === 'identity') {
      const { identity, sdp, title: number } = line;
      const { link, ram, shelves } = this.#p;
      this.#mirrors.set(number, new MirrorTitle({ number, identity, sdp, link, ram, shelves }));
    } else if (line.op === 'title') this.#mirrors.get(line.title)?.take(line.about);
    else if (line.op === 'pass') this.#passages.take(line.pass, line.about);
  }

  close(): void {
    if (this.#timer !== undefined) this.#p.shelves.clock.clearTimeout(this.#timer);
  }

  get #glanceMs(): number {
    return GLANCE_MS[this.#p.pacer.latency];
  }

  #tickIn(ms: number): void {
    const { clock } = this.#p.shelves;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#tick(), ms);
  }

  #tick(): void {
    const nowMs = this.#p.shelves.clock.nowMs();
    for (const mirror of this.#mirrors.values()) if (mirror.readers > 0) mirror.poll();
    this.#passages.poll();
    if (nowMs - this.#sweptMs >= SWEEP_MS) this.#sweep(nowMs);
    this.#tickIn(this.#riding.size > 0 ? this.#glanceMs : IDLE_MS);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [reader, flights] of this.#riding) flights.tellPosition(reader);
    for (const mirror of this.#mirrors.values()) {
      if (mirror.readers > 0 || nowMs - mirror.usedMs < REST_MS) continue;
      mirror.rest();
      if (this.#mirrors.size <= MAX_TITLES) continue;
      this.#mirrors.delete(mirror.number);
      this.#p.link.tell({ op: 'forget', title: mirror.number });
    }
  }
}

function audienceOf(link: Link, reader: number): Audience {
  return {
    started: (start: AudienceStart) => link.tell({ op: 'started', reader, start }),
    reached: (seconds: number) => link.tell({ op: 'reached', reader, seconds }),
    ended: () => link.tell({ op: 'ended', reader }),
  };
}
