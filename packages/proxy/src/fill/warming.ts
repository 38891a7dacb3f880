import type { Decision } from '@forebay/cache';
import type { Need } from '../origin/budget.js';
import type { Flights, Rider } from './flights.js';
import { bestFill, canCompare } from './haste.js';
import { JOINT_MICROS } from './row.js';
import type { Title } from './title.js';

/** Ranges of one title that are fetched at a time, where the origin plays no faster than the media. */
const MOST_RANGES = 4;
/** A range is only divided into parts that are at least this long. */
const LEAST_PART_MICROS = 8_000_000;
/** Ranges begin on the grid of segments. */
const GRID_MICROS = 4_000_000;
/** What is shorter is no gap: titles begin and end a little beside what is announced. */
const LEAST_GAP_MICROS = 300_000;
/** Gaps that are looked at, from the beginning on. */
const MOST_GAPS = 16;
/** Without any progress for so long it is given up. */
const STUCK_MS = 30_000;

export interface WarmingOptions {
  readonly title: Title;
  readonly flights: Flights;
  /** From the beginning so much; undefined: all of the title. */
  readonly prefixSeconds: number | undefined;
  /** What is fetched is no victim for so long. */
  readonly keepSeconds: number;
  /** `ahead`: it never takes the origin's last session. */
  readonly need: Need;
}

export interface WarmProgress {
  readonly state: 'running' | 'done' | 'failed';
  /** Of what is wished for, how much is on disk. */
  readonly storedSeconds: number;
  /** Undefined while the title's length is not known. */
  readonly wishedSeconds: number | undefined;
  /** Of the segments on disk. */
  readonly storedBytes: number;
  /** Origin sessions at present, and how media is asked for. */
  readonly sessions: number;
  readonly fill: string;
  /** Why it failed. */
  readonly reason?: string;
}

interface Gap {
  readonly fromMicros: number;
  readonly toMicros: number;
}

/**
 * Fetches the beginning of a title, or all of it, to the disk, ahead of any viewer. First a few seconds at the pace of the media;
 * then faster, where the origin does that and what comes is the same; else several ranges at a time.
 */
export class Warming {
  readonly #o: WarmingOptions;
  readonly #riders = new Set<Rider>();
  #reason: string | undefined;
  #isDone = false;
  #stored = { micros: 0, bytes: 0 };
  #progressMs: number;
  /** It was flown behind held media, so that it is known whether the origin seeks. */
  #hasRejoined = false;

  constructor(options: WarmingOptions) {
    const { title, keepSeconds } = options;
    this.#o = options;
    this.#progressMs = title.shelves.clock.nowMs();
    title.wish(title.shelves.policySeconds() + keepSeconds, this.#endMicros);
    title.onDecided = (decision) => this.#decided(decision);
    this.#survey();
  }

  get progress(): WarmProgress {
    const { flights, title } = this.#o;
    const flying = [...this.#riders].flatMap((rider) => flights.flightOf(rider) ?? []);
    const end = this.#endMicros;
    return {
      state: this.#reason !== undefined ? 'failed' : this.#isDone ? 'done' : 'running',
      storedSeconds: this.#stored.micros / 1e6,
      wishedSeconds: Number.isFinite(end) ? end / 1e6 : undefined,
      storedBytes: this.#stored.bytes,
      sessions: flying.length,
      fill: flying[0]?.fill ?? bestFill(title, 'proven') ?? 'real-time',
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  /** Called a few times a second until it is over. */
  tick(nowMs: number): void {
    const { title, flights } = this.#o;
    if (this.#isOver || title.shelves.store?.indexing === true) return;
    const before = this.#stored.micros;
    this.#survey();
    if (this.#stored.micros > before) this.#progressMs = nowMs;
    for (const rider of this.#riders) if (flights.flightOf(rider) === undefined) this.#riders.delete(rider);
    const gaps = this.#gaps();
    if (gaps.length === 0) this.#finish();
    else if (nowMs - this.#progressMs > STUCK_MS) this.#fail(this.#complaint());
    else this.#fly(gaps);
  }

  /** Nothing more is fetched. What is stored stays, and is kept as was wished. */
  close(): void {
    const { title, flights } = this.#o;
    for (const rider of this.#riders) flights.alight(rider);
    this.#riders.clear();
    title.onDecided = undefined;
    title.wish(undefined);
  }

  get #isOver(): boolean {
    return this.#isDone || this.#reason !== undefined;
  }

  get #endMicros(): number {
    const { title, prefixSeconds } = this.#o;
    return Math.min((prefixSeconds ?? Infinity) * 1e6, (title.durationSeconds ?? Infinity) * 1e6);
  }

  /** What is on disk of what is wished for. */
  #survey(): void {
    const end = this.#endMicros;
    const stored = { micros: 0, bytes: 0 };
    for (const held of this.#o.title.row) {
      if (!held.onDisk || held.startMicros >= end) continue;
      stored.micros += Math.min(held.endMicros, end) - held.startMicros;
      stored.bytes += held.meta?.byteLength ?? 0;
    }
    this.#stored = stored;
  }

  /** Where nothing is held, in play order. An open segment ends where the next flight would go on. */
  #gaps(): Gap[] {
    const { row } = this.#o.title;
    const end = this.#endMicros;
    const gaps: Gap[] = [];
    let at = 0;
    while (at < end - LEAST_GAP_MICROS && gaps.length < MOST_GAPS) {
      const held = row.covering(at) ?? row.endingAt(at);
      if (held?.last === true) break;
      const isCovered = held !== undefined && held.endMicros > at + JOINT_MICROS;
      if (isCovered) {
        at = held.endMicros;
        // The last one that is wished for, too, must come to its end.
        if (held.state === 'open' && at >= end) gaps.push({ fromMicros: at, toMicros: at + GRID_MICROS });
        continue;
      }
      const next = row.firstFrom(at + JOINT_MICROS);
      const to = Math.min(next?.startMicros ?? end, end);
      if (to > at + LEAST_GAP_MICROS) gaps.push({ fromMicros: at, toMicros: to });
      at = next?.startMicros ?? Infinity;
    }
    return gaps;
  }

  #fly(gaps: readonly Gap[]): void {
    const { title, flights } = this.#o;
    const method = bestFill(title, 'to try');
    const [only] = this.#riders;
    if (this.#riders.size === 1 && only !== undefined) this.#change(only, method);
    const missing = gaps.find(({ fromMicros }) => !flights.isOnTheWay(fromMicros));
    const mayDivide = title.findings.probablySeeks === true && method === undefined;
    if (this.#riders.size >= (mayDivide ? MOST_RANGES : 1) || !this.#hasRoom()) return;
    if (missing !== undefined) this.#board(missing.fromMicros);
    else if (mayDivide) this.#divide(gaps);
  }

  /** Ends the only flight for one that asks in another way, once there is enough to compare that with. */
  #change(rider: Rider, method: string | undefined): void {
    const { flights, title } = this.#o;
    const flight = flights.flightOf(rider);
    if (flight?.state !== 'flying') return;
    const isUnknown = title.findings.probablySeeks === undefined && !this.#hasRejoined;
    if (flight.fill === method && !isUnknown) return;
    if (!flight.hasFilled || !canCompare(title, flight.positionMicros)) return;
    this.#hasRejoined = true;
    flights.alight(rider);
    this.#riders.delete(rider);
  }

  /** Fetches the second half of the longest stretch that a flight has before it. */
  #divide(gaps: readonly Gap[]): void {
    const longest = gaps.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a));
    const middle = longest.fromMicros + lengthOf(longest) / 2;
    const from = Math.ceil(middle / GRID_MICROS) * GRID_MICROS;
    const isWorth =
      from - longest.fromMicros >= LEAST_PART_MICROS && longest.toMicros - from >= LEAST_PART_MICROS;
    if (isWorth) this.#board(from);
  }

  #board(atMicros: number): void {
    const { flights, need } = this.#o;
    const untilMicros = this.#endMicros;
    const rider: Rider = { positionMicros: Infinity, need, isPrefetch: true, untilMicros };
    const boarding = flights.board(atMicros, rider);
    if (boarding.kind === 'riding') this.#riders.add(rider);
  }

  /** The origin has a session to spare. */
  #hasRoom(): boolean {
    const { title, need } = this.#o;
    const { used, waiting, most } = title.client.sessions;
    const spare = need === 'ahead' ? 1 : 0;
    if (most <= spare) this.#fail('the origin takes one session at a time, and that is left for viewers');
    return waiting === 0 && used < most - spare;
  }

  /** Everything is held; done once all of it is on the disk. */
  #finish(): void {
    const { title, keepSeconds } = this.#o;
    if (title.offeredBytes > 0) return;
    const end = this.#endMicros;
    for (const held of title.row) if (held.startMicros < end && held.state !== 'sealed') return;
    if (this.#stored.micros < this.#heldMicros()) {
      title.wish(title.shelves.policySeconds() + keepSeconds, end);
      return;
    }
    this.close();
    this.#survey();
    this.#isDone = true;
  }

  #heldMicros(): number {
    const end = this.#endMicros;
    let micros = 0;
    for (const held of this.#o.title.row)
      if (held.startMicros < end) micros += Math.min(held.endMicros, end) - held.startMicros;
    return micros;
  }

  /** One that waits for a slow disk is offered again later. */
  #decided(decision: Decision): void {
    if (!decision.admitted && decision.reason !== 'held' && decision.reason !== 'write-budget')
      this.#fail(`the disk did not take a segment: ${decision.reason}`);
  }

  #complaint(): string {
    const { flights, title } = this.#o;
    if (flights.lastError !== undefined) return flights.lastError.message;
    const { used, waiting } = title.client.sessions;
    return used + waiting > this.#riders.size
      ? 'the sessions of the origin are needed for viewers'
      : 'nothing more came from the origin';
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#reason = reason;
    this.close();
  }
}

const lengthOf = ({ fromMicros, toMicros }: Gap): number => toMicros - fromMicros;
