import type { Segment, SharedTier } from '@forebay/cache';
import type { Viewing } from '../access.js';
import type { Clock, TimerHandle } from '../clock.js';
import type { Rider } from '../fill/flights.js';
import { type Held, JOINT_MICROS } from '../fill/row.js';
import type { Title } from '../fill/title.js';
import type { Need } from '../origin/budget.js';
import { OriginError } from '../origin/errors.js';
import type { Audience } from '../read/audience.js';
import type { Catalogue } from '../read/catalogue.js';
import type { Shown } from '../read/shown.js';
import type { Entry } from '../read/entries.js';
import {
  tellError,
  type OwnerLine,
  type Question,
  type Reply,
  type ToldSegment,
  type WorkerLine,
} from './protocol.js';
import { Passings } from './passings.js';
import type { Publication, Watcher } from './publication.js';
import type { Publications } from './publications.js';

export interface DeskParts {
  readonly catalogue: Catalogue;
  readonly publications: Publications;
  readonly tier: SharedTier;
  readonly tell: (line: OwnerLine) => void;
  readonly onViewing: ((viewing: Viewing) => void) | undefined;
}

const NOT_NOW: Reply = { is: 'boarded', place: undefined, isRiding: false, isWaiting: false };
/** A worker that waits for a flight hears this often that it still does. */
const BOARDING_MS = 250;

/** A title as one worker knows it. */
interface Subject {
  readonly number: number;
  readonly watcher: Watcher;
  shown: Shown;
  /** While it is watched. */
  publication: Publication | undefined;
}

/** One viewer's cursor in a worker. */
interface RemoteReader extends Rider {
  positionMicros: number;
  need: Need;
  untilMicros: number | undefined;
  readonly entry: Entry;
  readonly audience: Audience;
}

/** What one worker asks of the owner. When the worker is gone, everything that it held is released. */
export class Desk {
  readonly #p: DeskParts;
  readonly #byGeneration = new Map<string, Subject>();
  readonly #subjects = new Map<number, Subject>();
  readonly #readers = new Map<number, RemoteReader>();
  /** Presentations that are looked for. */
  readonly #searches = new Map<number, AbortController>();
  readonly #passings: Passings;
  #numbers = 0;
  #isClosed = false;

  constructor(parts: DeskParts) {
    this.#p = parts;
    this.#passings = new Passings(() => parts.publications.newPath(), parts.tell);
  }

  receive(line: WorkerLine): void {
    switch (line.op) {
      case 'ask':
        void this.#answer(line.id, line.question);
        break;
      case 'unask':
        this.#searches.get(line.id)?.abort();
        break;
      case 'watch':
      case 'unwatch':
      case 'forget':
        this.#attend(line.op, line.title);
        break;
      case 'opened':
        this.#open(line.reader, line.title);
        break;
      case 'closed':
        this.#close(line.reader);
        break;
      case 'viewing':
        this.#p.onViewing?.(line.viewing);
        break;
      case 'passing':
        this.#passings.order(line.pass, line.order);
        break;
      case 'leave':
      case 'scales':
      case 'at':
      case 'started':
      case 'reached':
      case 'ended':
        this.#follow(line);
        break;
      default:
        break;
    }
  }

  /** The worker is gone. */
  close(): void {
    this.#isClosed = true;
    for (const search of this.#searches.values()) search.abort();
    for (const reader of this.#readers.keys()) this.#close(reader);
    for (const subject of this.#subjects.values()) subject.publication?.remove(subject.watcher);
    this.#subjects.clear();
    this.#byGeneration.clear();
    this.#passings.close();
  }

  #follow(line: Extract<WorkerLine, { reader: number }>): void {
    const reader = this.#readers.get(line.reader);
    if (reader === undefined) return;
    switch (line.op) {
      case 'leave':
        reader.entry.flights.leave(reader);
        break;
      case 'scales':
        reader.entry.passage.learn(line.scales);
        break;
      case 'at':
        Object.assign(reader, line.rider);
        break;
      case 'started':
        reader.audience.started(line.start);
        break;
      case 'reached':
        reader.audience.reached(line.seconds);
        break;
      case 'ended':
        reader.audience.ended();
        break;
      default:
        break;
    }
  }

  async #answer(id: number, question: Question): Promise<void> {
    const reply = await this.#replyTo(id, question).catch((error: unknown): Reply => ({
      is: 'error',
      error: tellError(error),
    }));
    if (!this.#isClosed) this.#p.tell({ op: 'reply', id, reply });
  }

  async #replyTo(id: number, question: Question): Promise<Reply> {
    if (question.is === 'find') return this.#find(id, question);
    if (question.is === 'load') return { is: 'segment', segment: await this.#load(question) };
    if (question.is === 'pass') return this.#pass(question);
    return this.#board(question);
  }

  /** @throws OriginError */
  async #pass({ pass, reader, wish }: Extract<Question, { is: 'pass' }>): Promise<Reply> {
    const entry = this.#readers.get(reader)?.entry;
    if (entry === undefined) throw new OriginError('aborted', 'the viewer went away');
    return { is: 'passing', reply: await this.#passings.open(pass, entry.passage, wish) };
  }

  async #find(id: number, { url, account }: Extract<Question, { is: 'find' }>): Promise<Reply> {
    const search = new AbortController();
    this.#searches.set(id, search);
    const shown = await this.#p.catalogue
      .find(url, { account, signal: search.signal })
      .finally(() => this.#searches.delete(id));
    if (this.#isClosed) throw new OriginError('aborted', 'the worker is gone');
    return { is: 'found', title: this.#subjectOf(shown).number, route: shown.route };
  }

  /** The title as this worker knows it, told in full if it was not watched. */
  #subjectOf(shown: Shown): Subject {
    const { title } = shown.entry;
    const known = this.#byGeneration.get(title.generation);
    if (known !== undefined) {
      known.shown = shown;
      this.#watch(known);
      return known;
    }
    const number = ++this.#numbers;
    const watcher: Watcher = (about) => this.#p.tell({ op: 'title', title: number, about });
    const subject: Subject = { number, watcher, shown, publication: undefined };
    this.#subjects.set(number, subject);
    this.#byGeneration.set(title.generation, subject);
    const { key, generation, live, reference, isVideo } = title;
    const windowSeconds = (title.liveTime?.windowMicros ?? 0) / 1e6;
    const identity = { key, generation, live, windowSeconds, reference, isVideo };
    this.#p.tell({ op: 'identity', title: number, identity, sdp: title.description.text });
    this.#watch(subject);
    return subject;
  }

  #attend(op: 'watch' | 'unwatch' | 'forget', number: number): void {
    const subject = this.#subjects.get(number);
    if (subject === undefined) return;
    if (op === 'watch') this.#watch(subject);
    else {
      subject.publication?.remove(subject.watcher);
      subject.publication = undefined;
    }
    if (op !== 'forget') return;
    this.#subjects.delete(number);
    this.#byGeneration.delete(subject.shown.entry.title.generation);
  }

  /** Sees to it that what is watched is what is played: a title that was forgotten meanwhile is another object now. */
  #watch(subject: Subject): void {
    const publication = this.#p.publications.of(subject.shown.entry);
    if (subject.publication === publication) return;
    subject.publication?.remove(subject.watcher);
    subject.publication = publication;
    publication.add(subject.watcher);
  }

  #open(number: number, title: number): void {
    const subject = this.#subjects.get(title);
    if (subject === undefined) return;
    const { catalogue } = this.#p;
    const entry = catalogue.occupy(subject.shown);
    subject.shown = catalogue.shownOf(entry, subject.shown.route);
    this.#watch(subject);
    this.#readers.set(number, {
      positionMicros: 0,
      need: 'starting',
      untilMicros: undefined,
      entry,
      audience: catalogue.audienceOf(entry.title),
    });
  }

  #close(number: number): void {
    const reader = this.#readers.get(number);
    if (reader === undefined) return;
    this.#readers.delete(number);
    reader.entry.flights.leave(reader);
    reader.audience.ended();
    this.#p.catalogue.release(reader.entry);
  }

  async #load({
    title: number,
    place,
    use,
  }: Extract<Question, { is: 'load' }>): Promise<ToldSegment | undefined> {
    const publication = this.#subjects.get(number)?.publication;
    const held = publication?.held(place);
    if (publication === undefined || held === undefined || held.state !== 'sealed') return undefined;
    const { title } = publication;
    const { tier } = this.#p;
    const shared = tier.file(title.generation, held.startMicros);
    if (shared !== undefined)
      return { path: shared.path, bytes: shared.meta.byteLength, source: 'ram', isLent: false };
    const loaded = await title.load(held, use);
    publication.publish(true);
    return loaded === undefined || this.#isClosed
      ? undefined
      : this.#share(loaded.segment, held, publication, loaded.source);
  }

  /** A segment that the tier does not keep goes to this one worker. */
  #share(
    segment: Segment,
    { startMicros }: Held,
    { title }: Publication,
    source: 'ram' | 'disk',
  ): ToldSegment | undefined {
    const { tier, publications } = this.#p;
    const kept = tier.file(title.generation, startMicros);
    const file = kept ?? tier.lend(segment, title.key);
    if (file === undefined) return undefined;
    if (kept === undefined) publications.discard(file.path);
    return { path: file.path, bytes: file.meta.byteLength, source, isLent: kept === undefined };
  }

  /** @throws OriginError */
  async #board(question: Extract<Question, { is: 'board' }>): Promise<Reply> {
    const { atMicros, rider } = question;
    const reader = this.#readers.get(question.reader);
    if (reader === undefined) return NOT_NOW;
    Object.assign(reader, rider);
    const { title, flights } = reader.entry;
    const publication = this.#p.publications.of(reader.entry);
    const come = comeMeanwhile(title, atMicros);
    if (come !== undefined) {
      publication.publish(true);
      return { is: 'boarded', place: publication.idOf(come), isRiding: false, isWaiting: false };
    }
    const boarding = flights.board(atMicros, reader);
    if (boarding.kind === 'later') {
      if (boarding.error !== undefined) throw boarding.error;
      return NOT_NOW;
    }
    const opened = await withinMs(title.shelves.clock, BOARDING_MS, boarding.opened);
    publication.publish(true);
    const place = opened === undefined ? undefined : publication.idOf(opened as Held);
    return { is: 'boarded', place, isRiding: place !== undefined, isWaiting: flights.isWaiting(reader) };
  }
}

/**
 * What a worker lacks has come while it asked for NPT `atMicros`: it is held, or a segment ends there with which the title
 * ends, or that another one follows. Undefined where it is lacking indeed, or grows.
 */
function comeMeanwhile({ live, row }: Title, atMicros: number): Held | undefined {
  if (live) return undefined;
  const there = row.covering(atMicros) ?? row.endingAt(atMicros);
  if (there === undefined || there.state === 'open') return undefined;
  const isInside = atMicros < there.endMicros - JOINT_MICROS;
  return isInside || there.last || row.following(there) !== undefined ? there : undefined;
}

/** What `promise` brings, or undefined after `ms`. */
async function withinMs<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: TimerHandle | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = clock.setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    if (timer !== undefined) clock.clearTimeout(timer);
  }
}
