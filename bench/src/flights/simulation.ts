import { PopularityPolicy, RamTier, type Segment, type SegmentMeta } from '@forebay/cache';
import {
  Catalogue,
  type Disk,
  type MediaSink,
  Metrics,
  Pacer,
  type Reader,
  Routes,
  type Shelves,
  silentLog,
} from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import { Random } from '@forebay/simulator';
import { ModelledOrigin } from './modelled-origin.js';
import type { Demand } from './theory.js';
import { VirtualClock } from './virtual-clock.js';

const STEP_MS = 500;
const SWEEP_MS = 1000;
const URL = 'rtsp://proxy/title';
const NOBODY = new AbortController().signal;

export interface SimulatedRun {
  readonly arrivals: number;
  /** Mean bandwidth of the origin, in streams. */
  readonly originStreams: number;
  /** Viewers who were never without media that was due. */
  readonly smoothShare: number;
  /** Mean of what the proxy held beyond the prefix, seconds of media. */
  readonly heldSeconds: number;
  readonly originSessions: number;
}

export interface SimulationOptions extends Demand {
  /** Viewers that come, of which those of the first title length are not counted. */
  readonly arrivals: number;
  readonly seed: number;
}

/**
 * The proxy's own readers and flights over one title on a virtual clock. What is kept is not its policy's choice but that of
 * the model: the prefix, and whatever a viewer who is there will still need.
 */
export async function simulate(options: SimulationOptions): Promise<SimulatedRun> {
  return await new World(options).run();
}

/** What is read behind the position that is computed of a viewer. */
const BEHIND_SECONDS = 2;

interface Viewer {
  readonly reader: Reader;
  /** Undefined while it waits for its first picture. */
  startedMs: number | undefined;
}

class World {
  readonly #o: SimulationOptions;
  readonly #clock = new VirtualClock();
  readonly #origin: ModelledOrigin;
  readonly #kept = new Map<number, Segment>();
  readonly #viewers = new Set<Viewer>();
  readonly #catalogue: Catalogue;
  readonly #pacer: Pacer;
  readonly #random: Random;
  #smooth = 0;
  #ended = 0;
  #generation = '';

  constructor(options: SimulationOptions) {
    this.#o = options;
    this.#random = new Random(options.seed);
    this.#origin = new ModelledOrigin(this.#clock, options.seconds);
    this.#pacer = new Pacer(this.#clock);
    const baseUrl = parseRtspUrl('rtsp://origin/');
    const route = { id: 'model', pathPrefix: '/', baseUrl, allowHosts: [], client: this.#origin };
    this.#catalogue = new Catalogue(new Routes([route]), this.#shelves(), this.#pacer);
  }

  async run(): Promise<SimulatedRun> {
    const { seconds, arrivalsPerSecond, arrivals } = this.#o;
    const warmUpMs = seconds * 1000;
    const clock = this.#clock;
    let nextMs = this.#gapMs();
    let come = 0;
    let before: { sentSeconds: number; opened: number; atMs: number } | undefined;
    let held = { sum: 0, looks: 0 };
    const lastMs = warmUpMs + (arrivals / arrivalsPerSecond) * 1000;
    for (let nowMs = 0; nowMs < lastMs; nowMs += STEP_MS) {
      for (; nextMs <= nowMs; nextMs += this.#gapMs()) {
        come++;
        void this.#arrive();
      }
      await clock.advance(nowMs);
      this.#origin.send(nowMs);
      this.#catalogue.tick(nowMs);
      if (nowMs % SWEEP_MS === 0) {
        this.#forget();
        if (before !== undefined) held = { sum: held.sum + this.#heldSeconds(), looks: held.looks + 1 };
      }
      if (before === undefined && nowMs >= warmUpMs) {
        const { sentSeconds, opened } = this.#origin;
        before = { sentSeconds, opened, atMs: nowMs };
        come = 0;
      }
    }
    const elapsedSeconds = (clock.nowMs() - before!.atMs) / 1000;
    const result = {
      arrivals: come,
      originStreams: (this.#origin.sentSeconds - before!.sentSeconds) / elapsedSeconds,
      smoothShare: this.#ended === 0 ? 1 : this.#smooth / this.#ended,
      heldSeconds: held.sum / Math.max(1, held.looks),
      originSessions: this.#origin.opened - before!.opened,
    };
    for (const { reader } of this.#viewers) reader.close();
    await this.#catalogue.close();
    this.#pacer.close();
    return result;
  }

  async #arrive(): Promise<void> {
    const presentation = await this.#catalogue.find(parseRtspUrl(URL), {
      account: 'viewers',
      signal: NOBODY,
    });
    const sink: MediaSink = {
      writable: () => true,
      send: (run, from, to) => run.offsets[to]! - run.offsets[from]!,
      ended: () => this.#leave(viewer),
    };
    const reader = this.#catalogue.open(presentation, {
      streams: [{ stream: 0, ssrc: 1 }],
      sink,
      viewerAddress: '127.0.0.1',
      transport: 'tcp',
    });
    const viewer: Viewer = { reader, startedMs: undefined };
    this.#viewers.add(viewer);
    await reader.play({ unit: 'npt', start: 0 }, NOBODY);
    reader.start();
    viewer.startedMs = this.#clock.nowMs();
  }

  #leave(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    this.#ended++;
    if (viewer.reader.stats.gapSeconds === 0) this.#smooth++;
    viewer.reader.close();
  }

  /** Drops what is neither prefix nor still to be played by somebody who is there. */
  #forget(): void {
    let needed = Infinity;
    for (const viewer of this.#viewers) needed = Math.min(needed, this.#positionMicros(viewer));
    for (const [startMicros, { meta }] of this.#kept) {
      if (this.#isPrefix(meta) || startMicros + meta.durationMicros > needed) continue;
      this.#kept.delete(startMicros);
      this.#catalogue.titleOf(this.#generation)?.offDisk(startMicros);
    }
  }

  /** NPT that a viewer has certainly played. */
  #positionMicros({ reader, startedMs }: Viewer): number {
    if (startedMs === undefined) return 0;
    return ((this.#clock.nowMs() - startedMs) / 1000 - reader.stats.gapSeconds - BEHIND_SECONDS) * 1e6;
  }

  #heldSeconds(): number {
    let micros = 0;
    for (const { meta } of this.#kept.values()) if (!this.#isPrefix(meta)) micros += meta.durationMicros;
    return micros / 1e6;
  }

  #isPrefix(meta: SegmentMeta): boolean {
    return meta.startMicros < this.#o.prefixSeconds * 1e6;
  }

  #gapMs(): number {
    return (-Math.log(1 - this.#random.next()) * 1000) / this.#o.arrivalsPerSecond;
  }

  #shelves(): Shelves {
    const clock = this.#clock;
    const disk: Disk = {
      title: () => undefined,
      segments: () => Array.from(this.#kept.values(), ({ meta }) => meta),
      saveTitle: () => Promise.resolve(),
      windows: () => [],
      keepWindow: () => undefined,
      wish: () => false,
      indexing: false,
      read: (meta) => Promise.resolve(this.#kept.get(meta.startMicros)),
      offer: (segment) => {
        this.#generation = segment.meta.generation;
        this.#kept.set(segment.meta.startMicros, segment);
        return Promise.resolve({ admitted: true, reason: 'free-space', victims: [] });
      },
    };
    return {
      ram: new RamTier(0),
      store: disk,
      policy: new PopularityPolicy(),
      clock,
      policySeconds: () => clock.nowMs() / 1000,
      metrics: new Metrics(),
      log: silentLog,
    };
  }
}
