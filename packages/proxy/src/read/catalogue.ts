import { parseDescription, RtspError, type RtspUrl } from '@forebay/rtsp';
import { Flights } from '../fill/flights.js';
import { LiveTime } from '../fill/live-time.js';
import { Passage } from '../fill/passage.js';
import { standingAfter } from '../fill/standing.js';
import { type Shelves, Title } from '../fill/title.js';
import type { OriginDescription } from '../origin/description.js';
import type { Asker } from '../origin/description-line.js';
import { OriginError, type OriginErrorCode } from '../origin/errors.js';
import { type Audience, NO_AUDIENCE, PolicyAudience } from './audience.js';
import { type Entry, Entries } from './entries.js';
import { topTitles, type TitleState } from './title-state.js';
import { generationOf, isReplaced, validatorOf } from './generation.js';
import { parseTitleRecord, type TitleRecord } from './title-record.js';
import { remember } from './remembering.js';
import type { Enquirer, Library, Presentation, Reader, ReaderOptions } from './library.js';
import { Outages } from './outages.js';
import type { Pacer } from './pacer.js';
import { Questions, type Subject } from './questions.js';
import { SegmentReader } from './reader.js';
import { type Routed, type Routes, viewerPath } from './routes.js';
import { Shown } from './shown.js';
import { newTimeline } from './timeline.js';
import { failedWarming, Warmings, type WarmProgress, type WarmWish } from './warmings.js';

/** A description is used without asking for this long. */
const FRESH_MS = 60_000;
/** After that it is used while it is asked for again in the background, for this long. */
const REVALIDATE_MS = 24 * 3_600_000;
/** An origin that is down is stood in for up to this age. */
const STALE_IF_ERROR_MS = 7 * 24 * 3_600_000;
/** A running title's description is written down again after this long, for a process that starts while the origin is down. */
const REMEMBER_MS = 3_600_000;
/** Answers by which an origin says that a title is not to be had any more. */
const GONE: ReadonlySet<OriginErrorCode> = new Set(['not-found', 'unauthorized']);
/** Nobody waits for it. */
const REVALIDATION: Asker = { account: 'revalidation', need: 'ahead' };
/** Those who let a session be opened have counted it. */
const OPENING: Asker = { account: 'opening', need: 'playing' };

/** All titles that the proxy knows, by cache key. */
export class Catalogue implements Library {
  #routes: Routes;
  readonly #shelves: Shelves;
  readonly #pacer: Pacer;
  readonly #entries = new Entries();
  readonly #questions: Questions<Entry>;
  readonly #outages: Outages;
  readonly #warmings: Warmings;
  #sessions = 0;

  constructor(routes: Routes, shelves: Shelves, pacer: Pacer) {
    this.#routes = routes;
    this.#shelves = shelves;
    this.#pacer = pacer;
    this.#questions = new Questions(shelves.clock, shelves.metrics);
    this.#outages = new Outages(shelves);
    this.#warmings = new Warmings(shelves.clock);
  }

  async find(url: RtspUrl, { account, signal }: Enquirer): Promise<Shown> {
    const routed = this.#routes.find(url);
    if (routed === undefined) throw new RtspError('viewer', 'no-route');
    const entry = await this.#entry(routed, { account, need: 'starting', signal });
    if (signal.aborted) throw new OriginError('aborted', 'the viewer went away');
    return new Shown(entry, routed.route.id);
  }

  open(presentation: Presentation, options: ReaderOptions): Reader {
    if (!(presentation instanceof Shown)) throw new TypeError('a presentation of another library');
    const entry = this.occupy(presentation);
    return new SegmentReader({
      title: entry.title,
      flights: entry.flights,
      passage: entry.passage,
      pacer: this.#pacer,
      timeline: newTimeline(entry.title.streams, options.streams),
      options,
      audience: this.audienceOf(entry.title),
      onClosed: () => this.release(entry),
    });
  }

  /**
   * From now on viewers are led by these routes. What is known of the titles behind them stays, and their origin is asked by the
   * means of the new ones; who plays a title that no route leads to any more plays on.
   */
  reroute(routes: Routes): void {
    this.#routes = routes;
    for (const entry of this.#entries) {
      const { title } = entry;
      const routed = routes.wayTo(title.key, title.client);
      if (routed === undefined) continue;
      title.client = routed.route.client;
      this.#lead(entry, routed);
    }
  }

  /** What there is to play of a presentation that was found a while ago; kept until it is released as often. */
  occupy(presentation: Shown): Entry {
    const entry = this.#entries.inUse(presentation.entry);
    entry.readers++;
    return entry;
  }

  /** What is played of `entry`, as it stands now. */
  shownOf(entry: Entry, route: string): Shown {
    return new Shown(entry, route);
  }

  release(entry: Entry): void {
    entry.readers--;
  }

  /** A new session, as the policy counts them. */
  audienceOf({ key, live }: Title): Audience {
    if (live) return NO_AUDIENCE;
    return new PolicyAudience(this.#shelves, { key, session: ++this.#sessions });
  }

  /**
   * Fetches a title, or its beginning, to the disk. Resolves with how that ended.
   * @param url as a viewer would ask for it, or as the origin has it
   * @throws OriginError, RtspError 404 where no route leads; why `signal` aborted
   */
  async warm(
    url: RtspUrl,
    wish: WarmWish,
    o: { signal: AbortSignal; report: (progress: WarmProgress) => void },
  ): Promise<WarmProgress> {
    const routed = this.#routes.locate(url);
    if (routed === undefined) throw new RtspError('viewer', 'no-route');
    const entry = await this.#entry(routed, { account: 'warming', need: 'ahead', signal: o.signal });
    if (entry.title.live) return failedWarming('a live presentation cannot be fetched ahead of time');
    if (this.#shelves.store === undefined) return failedWarming('nothing is kept on disk');
    return await this.#warmings.run(this.#entries.inUse(entry), wish, o);
  }

  /** Called a few times a second: drives flights and forgets what nobody uses. */
  tick(nowMs: number): void {
    for (const entry of this.#entries) {
      entry.flights.tick(nowMs);
      entry.title.sweep(nowMs);
    }
    this.#warmings.tick(nowMs);
    this.#entries.prune();
  }

  /** Live windows on disk: what has passed leaves. Those that nobody uses go by the wall clock. */
  passWindows(): void {
    const { store, clock } = this.#shelves;
    for (const { generation, windowSeconds } of store?.windows() ?? []) {
      const title = this.titleOf(generation);
      if (title?.liveTime !== undefined && title.liveTime.windowMicros > 0) title.passWindow(title.liveTime);
      else {
        const live = new LiveTime(clock, windowSeconds, undefined);
        store?.keepWindow(generation, live.passedMicros(undefined), live.aheadMicros());
      }
    }
  }

  /** The title of a generation, if it is in use. */
  titleOf(generation: string): Title | undefined {
    return this.#entries.titleOf(generation);
  }

  /** The index of the disk is complete: segments that were not known before can be used. */
  rescan(): void {
    for (const { title } of this.#entries) title.rescan();
  }

  /** Those that most viewers play, so many at most. */
  titles(most: number): TitleState[] {
    return topTitles(this.#entries, most);
  }

  /** Segments by state, for the metrics. */
  countSegments(): { filling: number; sealed: number } {
    let filling = 0;
    let sealed = 0;
    for (const { title } of this.#entries) {
      filling += title.counts.filling;
      sealed += title.counts.sealed;
    }
    return { filling, sealed };
  }

  /** Ends all flights. Resolves when the segments that were on their way to the disk have arrived. */
  async close(): Promise<void> {
    this.#warmings.close();
    for (const { flights } of this.#entries) flights.close();
    await Promise.all(Array.from(this.#entries, ({ title }) => title.settled()));
  }

  async #entry(routed: Routed, asker: Asker): Promise<Entry> {
    const known = this.#entries.get(routed.key) ?? this.#restore(routed);
    if (known === undefined || known.standing === 'refused') return this.#ask(routed, asker);
    if (known.title.standing === 'superseded') return this.#ask(routed, asker);
    const ageMs = this.#ageMs(known);
    if (ageMs >= 0 && ageMs < FRESH_MS) return known;
    if (ageMs >= REVALIDATE_MS) return this.#askFirst(routed, known, asker);
    this.#revalidate(routed, known);
    return this.#served(routed, known);
  }

  /** What was described long ago is served when the origin does not answer, and for a limited time. */
  async #askFirst(routed: Routed, known: Entry, asker: Asker): Promise<Entry> {
    try {
      return await this.#ask(routed, asker);
    } catch (error) {
      if (this.#ageMs(known) > STALE_IF_ERROR_MS || isGone(error)) throw error;
      return this.#served(routed, known);
    }
  }

  #served(routed: Routed, entry: Entry): Entry {
    if (entry.standing === 'unconfirmed') this.#outages.served(routed.route.id);
    return entry;
  }

  #ageMs({ describedUnixMs }: Entry): number {
    return this.#shelves.clock.unixMs() - describedUnixMs;
  }

  #revalidate(routed: Routed, entry: Entry): void {
    if (entry.revalidating) return;
    entry.revalidating = true;
    this.#ask(routed, REVALIDATION)
      .catch((error: unknown) => {
        this.#shelves.log.debug({ route: routed.route.id, error: String(error) }, 'revalidation failed');
      })
      .finally(() => {
        entry.revalidating = false;
      });
  }

  /**
   * Before a session is opened: what is described there must be what is held here.
   * @throws OriginError `changed` when other streams are, or why it cannot be asked
   */
  async #confirm(routed: Routed, entry: Entry): Promise<void> {
    const { title } = entry;
    const ageMs = this.#ageMs(entry);
    if (!title.isDoubted && ageMs >= 0 && ageMs < FRESH_MS) return;
    await this.#questions.askAnew(subjectOf(routed), OPENING, () => this.#describe(routed));
    if (title.standing === 'superseded') throw new OriginError('changed', 'the title has other streams now');
    title.isDoubted = false;
  }

  /** Asks the origin, once for all who want to know, when it is their turn. */
  #ask(routed: Routed, asker: Asker): Promise<Entry> {
    return this.#questions.ask(subjectOf(routed), asker, () => this.#describe(routed));
  }

  async #describe(routed: Routed): Promise<Entry> {
    const { route, originPath, key } = routed;
    try {
      const origin = await route.client.describe(originPath, new AbortController().signal);
      this.#outages.ended(route.id);
      // Routes may have changed while it was asked.
      return this.#described(this.#routes.wayTo(key, route.client) ?? routed, origin);
    } catch (error) {
      const known = this.#entries.get(key);
      if (known !== undefined) known.standing = isGone(error) ? 'refused' : 'unconfirmed';
      if (known !== undefined && !isGone(error)) this.#outages.began(route.id, error);
      throw error;
    }
  }

  #described(routed: Routed, origin: OriginDescription): Entry {
    const describedUnixMs = this.#shelves.clock.unixMs();
    const known = this.#entries.get(routed.key);
    const { edition = 0 } = known ?? {};
    const isAlike = known?.title.description.fingerprint === origin.description.fingerprint;
    if (known !== undefined && isAlike && isReplaced(known, origin)) known.title.standing = 'superseded';
    if (known !== undefined && isAlike && known.title.standing !== 'superseded') {
      this.#confirmed(known, origin, describedUnixMs);
      return known;
    }
    if (known !== undefined) {
      this.#shelves.log.info({ route: routed.route.id }, 'the title changed: a new generation');
      if (!isAlike) known.title.standing = standingAfter(known.title.description, origin.description);
    }
    const { zeroMicros } = known?.title.liveTime ?? {};
    const fresh = {
      origin,
      describedUnixMs,
      durationSeconds: undefined,
      zeroMicros,
      edition: isAlike ? edition + 1 : edition,
      joinsByContent: false,
      keepsValidator: false,
    };
    return this.#adopt(routed, fresh, 'origin');
  }

  /** The origin describes a title as before. */
  #confirmed(known: Entry, origin: OriginDescription, describedUnixMs: number): void {
    const ageMs = this.#ageMs(known);
    const isOld = ageMs >= REMEMBER_MS;
    const validator = validatorOf(origin);
    const isSame = validator !== undefined && validator === validatorOf(known.title.origin);
    // Some origins name the second in which they answer.
    const isKept = isSame && ageMs >= FRESH_MS;
    const isNews = isKept && !known.keepsValidator;
    known.title.origin = origin;
    known.describedUnixMs = describedUnixMs;
    known.standing = 'confirmed';
    known.keepsValidator ||= isKept;
    if (isOld || isNews) known.title.findings.onLearned?.();
  }

  /** What the disk knows of a title from an earlier run. */
  #restore(routed: Routed): Entry | undefined {
    const record = this.#shelves.store?.title(routed.key);
    const saved = record === undefined ? undefined : parseTitleRecord(record.description);
    if (record === undefined || saved === undefined) return undefined;
    try {
      const origin = { ...saved.origin, description: parseDescription(saved.sdp) };
      const generation = generationOf(routed.key, origin.description.fingerprint, saved.edition);
      if (generation !== record.generation) return undefined;
      return this.#adopt(routed, { ...saved, origin }, 'disk');
    } catch {
      return undefined;
    }
  }

  #adopt(
    routed: Routed,
    known: Omit<TitleRecord, 'sdp' | 'origin'> & { readonly origin: OriginDescription },
    from: 'origin' | 'disk',
  ): Entry {
    const title = new Title({
      key: routed.key,
      generation: generationOf(routed.key, known.origin.description.fingerprint, known.edition),
      client: routed.route.client,
      origin: known.origin,
      durationSeconds: known.durationSeconds,
      windowSeconds: this.#shelves.store === undefined ? 0 : routed.route.timeshiftSeconds,
      zeroMicros: known.zeroMicros,
      joinsByContent: known.joinsByContent,
      shelves: this.#shelves,
    });
    const entry: Entry = {
      title,
      path: '',
      flights: new Flights(title),
      passage: new Passage(title),
      edition: known.edition,
      keepsValidator: known.keepsValidator,
      describedUnixMs: known.describedUnixMs,
      revalidating: false,
      standing: 'confirmed',
      readers: 0,
    };
    this.#lead(entry, routed);
    remember(entry, this.#shelves, from);
    this.#entries.enter(entry);
    return entry;
  }

  /** How viewers ask for a title, and how its origin is asked. */
  #lead(entry: Entry, routed: Routed): void {
    entry.path = viewerPath(routed.route, routed.originPath);
    entry.title.onOpening = () => this.#confirm(routed, entry);
  }
}

function subjectOf({ key, route }: Routed): Subject {
  return { key, origin: route.id };
}

function isGone(error: unknown): boolean {
  return error instanceof OriginError && GONE.has(error.code);
}
