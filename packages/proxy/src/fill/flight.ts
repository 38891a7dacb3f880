import { packetHash } from '@forebay/cache';
import { payloadEnd, payloadStart, ROLE, sequenceDelta, sequenceNumber, timestamp } from '@forebay/rtp';
import { OriginError } from '../origin/errors.js';
import type { OriginSession, OriginSink } from '../origin/session.js';
import { TimeAnchor } from './anchor.js';
import type { Arrival } from './arrival.js';
import { Ending, type EndingVerdict } from './ending.js';
import { Entrance } from './entrance.js';
import type { StreamJoin } from './join.js';
import { type Held, JOINT_MICROS } from './row.js';
import { type Head, headOf, joinsBehind } from './seam.js';
import { Segmenter, STANDSTILL_MS } from './segmenter.js';
import type { Title } from './title.js';

/** The origin is asked for this much before a seam, so that it starts at the key frame before it and the join finds overlap. */
const OVERLAP_MICROS = 200_000;
/** A start this close to the beginning asks for the beginning. */
const BEGINNING_MICROS = 300_000;
/** The head of held media is looked at when a flight comes this close. */
const APPROACH_MICROS = 3_000_000;
/** A flight whose origin answered a start this much earlier than asked shows that the origin cannot seek. */
const NO_SEEK_MICROS = 15_000_000;
/** Content is compared with the head of held media only this close to it. */
const HEAD_WINDOW_MICROS = 400_000;
/** After reaching held media, stragglers of other streams are awaited this long. */
const CLOSING_MS = 1000;

export type FlightState = 'opening' | 'joining' | 'filling' | 'closing' | 'over';
export type FlightEnd = 'title-end' | 'reached-held' | 'unneeded' | 'fault';

interface Lane {
  sequence: number | undefined;
  /** Joined, or needs no join. */
  joined: boolean;
}

/** One origin session that fills segments of a title from some NPT onward. */
export class Flight implements OriginSink {
  /** The first segment it fills, or goes on with; rejected when it fails before. */
  readonly opened: Promise<Held>;
  /** Where it was asked to fill from. */
  readonly fromMicros: number;
  readonly #title: Title;
  readonly #onOver: (end: FlightEnd, error: OriginError | undefined) => void;
  readonly #abort = new AbortController();
  readonly #lanes: Lane[];
  readonly #arrival: Arrival = {
    stream: 0,
    bytes: Buffer.alloc(0),
    start: 0,
    end: 0,
    ticks: 0,
    lost: 0,
    hash: 0,
    nowMs: 0,
  };
  readonly #passPlaced = (p: Arrival): void => this.#place(p);
  #resolveOpened!: (held: Held) => void;
  #rejectOpened!: (error: Error) => void;
  #state: FlightState = 'opening';
  #session: OriginSession | undefined;
  #anchor!: TimeAnchor;
  #entrance: Entrance | undefined;
  #joins: StreamJoin[] | undefined;
  /** What the title begins with, while nobody knows whether the origin seeks: it may play that and say otherwise. */
  #beginning: Head | undefined;
  #coasting = false;
  #segmenter!: Segmenter;
  #ending: Ending;
  #head: Head | undefined;
  #headSought: Held | undefined;
  #positionMicros: number;
  #closingDeadlineMs = 0;
  #heardMs = -Infinity;

  constructor(
    title: Title,
    fromMicros: number,
    onOver: (end: FlightEnd, error: OriginError | undefined) => void,
  ) {
    this.#title = title;
    this.fromMicros = fromMicros;
    this.#positionMicros = fromMicros;
    this.#onOver = onOver;
    this.#lanes = title.streams.map(() => ({ sequence: undefined, joined: false }));
    this.#ending = new Ending(title.shelves.clock.nowMs());
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    this.opened.catch(() => undefined);
    this.#open().catch((error: unknown) => this.#over('fault', asOriginError(error)));
  }

  get state(): FlightState {
    return this.#state;
  }

  /** NPT up to which it has filled. */
  get positionMicros(): number {
    return this.#positionMicros;
  }

  /** Stops taking packets from an origin that runs far ahead of its readers, and goes on. */
  throttle(held: boolean): void {
    if (held) this.#session?.pauseReading();
    else this.#session?.resumeReading();
  }

  /** Ends the flight because nobody needs what it would fetch next. */
  close(): void {
    this.#over('unneeded', undefined);
  }

  /** Called now and then: releases what waits, and looks whether the origin is done. */
  tick(nowMs: number): void {
    if (this.#state === 'over' || this.#session === undefined) return;
    if (this.#state === 'closing') {
      this.#segmenter.tick(nowMs);
      if (nowMs >= this.#closingDeadlineMs) this.#segmenter.settle();
      if (!this.#segmenter.draining) this.#over('reached-held', undefined);
      return;
    }
    if (nowMs - this.#heardMs <= STANDSTILL_MS) this.#segmenter.tick(nowMs);
    const verdict = this.#verdict(nowMs);
    if (verdict === 'end') this.#over('title-end', undefined);
    else if (verdict === 'fault')
      this.#over('fault', new OriginError('origin-silent', 'the origin stopped sending'));
  }

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    const lane = this.#lanes[stream];
    if (lane === undefined || this.#state === 'over') return;
    const nowMs = this.#title.shelves.clock.nowMs();
    this.#ending.packet(stream, nowMs);
    this.#heardMs = nowMs;
    const sequence = sequenceNumber(bytes, start);
    const step = lane.sequence === undefined ? 1 : sequenceDelta(lane.sequence, sequence);
    if (step <= 0) return;
    lane.sequence = sequence;
    const p = this.#arrival;
    p.stream = stream;
    p.bytes = bytes;
    p.start = start;
    p.end = end;
    p.lost = step - 1;
    p.nowMs = nowMs;
    const entrance = this.#entrance?.opened(stream) === false ? this.#entrance : undefined;
    p.hash = entrance !== undefined || !lane.joined ? packetHash(bytes, start, end) : 0;
    if (entrance === undefined) this.#place(p);
    else entrance.admit(p, timestamp(bytes, start), this.#passPlaced);
  }

  senderReport(stream: number, report: { packetCount: number }): void {
    this.#ending.senderReport(stream, report.packetCount);
  }

  bye(stream: number): void {
    this.#ending.bye(stream);
    this.tick(this.#title.shelves.clock.nowMs());
  }

  closed(error: OriginError | undefined): void {
    if (this.#state === 'over') return;
    const verdict = this.#verdict(this.#title.shelves.clock.nowMs());
    if (verdict === 'end') this.#over('title-end', undefined);
    else this.#over('fault', error ?? new OriginError('origin-closed', 'the origin closed the session'));
  }

  async #open(): Promise<void> {
    const title = this.#title;
    const touching = title.row.endingAt(this.fromMicros) !== undefined;
    let askMicros = touching ? this.fromMicros - OVERLAP_MICROS : this.fromMicros;
    const fromStart = askMicros < BEGINNING_MICROS || title.client.profile.seeks === false;
    if (fromStart && !title.live) askMicros = 0;
    const session = await title.client.open(
      {
        origin: title.origin,
        streams: title.streams.map((_, i) => i),
        startSeconds: title.live ? undefined : askMicros / 1e6,
        signal: this.#abort.signal,
      },
      this,
    );
    if (this.#isOver()) {
      await session.close();
      return;
    }
    this.#session = session;
    const startMicros = this.#startOf(session, askMicros);
    const behind = title.live ? undefined : this.#stretchEnd(title.row.covering(startMicros));
    this.#joins = behind === undefined ? undefined : await joinsBehind(title, behind);
    const first = title.row.covering(0);
    const isSeekProven = title.live || startMicros === 0 || title.client.profile.seeks === true;
    this.#beginning = first === undefined || isSeekProven ? undefined : await headOf(title, first);
    if (!this.#isOver()) this.#begin(session, startMicros, this.#joins === undefined ? undefined : behind);
  }

  /** Where the origin says that it starts; it may be wrong. */
  #startOf(session: OriginSession, askMicros: number): number {
    const range = session.reply.range;
    if (this.#title.live || range?.unit !== 'npt') return askMicros;
    if (range.end !== undefined) this.#title.learnDuration(range.end);
    if (typeof range.start !== 'number') return askMicros;
    const told = Math.round(range.start * 1e6);
    if (told < askMicros - NO_SEEK_MICROS) this.#title.client.profile.seeks = false;
    return told;
  }

  #begin(session: OriginSession, startMicros: number, behind: Held | undefined): void {
    const title = this.#title;
    const clockRates = title.streams.map((s) => s.clockRate);
    const anchor = new TimeAnchor({
      startSeconds: startMicros / 1e6,
      rtpInfo: session.reply.rtpInfo,
      clockRates,
    });
    this.#anchor = anchor;
    if (behind === undefined) {
      this.#entrance = new Entrance({
        seek: startMicros > 0 && !title.live,
        clockRates,
        reference: title.reference,
        confirms: (p, ts) => anchor.confirms(p.stream, ts, sequenceNumber(p.bytes, p.start)),
        role: (p) => this.#role(p),
      });
    }
    for (const lane of this.#lanes) lane.joined = behind === undefined;
    const asTold = title.live || (behind === undefined && startMicros === 0);
    this.#segmenter = new Segmenter({
      key: title.key,
      streams: title.streams,
      reference: title.reference,
      row: title.row,
      anchor: behind?.anchor ?? title.newAnchor(),
      startMicros: asTold ? startMicros : undefined,
      onOpen: (held) => this.#resolveOpened(held),
      onComplete: (held) => title.complete(held),
    });
    if (behind?.state === 'open' && !behind.flying) this.#segmenter.resume(behind);
    this.#ending = new Ending(title.shelves.clock.nowMs());
    this.#state = behind === undefined ? 'filling' : 'joining';
    session.start();
  }

  /** The last segment of the unbroken stretch that `held` is in. */
  #stretchEnd(held: Held | undefined): Held | undefined {
    let last = held;
    for (let next = held; next !== undefined; next = this.#title.row.following(next)) last = next;
    return last;
  }

  /** Gives a packet its media time, joins it to what is held, and hands it to the segmenter. */
  #place(p: Arrival): void {
    const ts = timestamp(p.bytes, p.start);
    const lane = this.#lanes[p.stream]!;
    p.ticks = this.#anchor.place(p.stream, ts, sequenceNumber(p.bytes, p.start));
    if (!lane.joined && !this.#joinLane(p, lane)) return;
    if (this.#reachedHeld(p)) return;
    if (p.stream === this.#title.reference) this.#advance(p);
    this.#segmenter.packet(p);
  }

  #joinLane(p: Arrival, lane: Lane): boolean {
    const join = this.#joins?.[p.stream];
    if (join === undefined) return false;
    const reference = p.stream === this.#title.reference;
    const role = reference ? this.#role(p) : ROLE.randomAccess;
    if (reference && role === ROLE.randomAccess) this.#unmask(p, join);
    const verdict = join.judge(p.hash, p.ticks, role !== ROLE.randomAccess && role !== ROLE.parameter);
    if (verdict === 'before') return false;
    lane.joined = true;
    p.lost = 0;
    this.#anchor.shift(p.stream, join.offsetTicks);
    p.ticks += join.offsetTicks;
    if (reference) {
      this.#state = 'filling';
      if (this.#coasting) this.#segmenter.reopen();
      else if (verdict === 'content') this.#title.client.profile.seeks ??= true;
      this.#headSought = undefined;
      this.#title.shelves.metrics.seams.inc({ result: verdict });
      if (this.#segmenter.current !== undefined) this.#resolveOpened(this.#segmenter.current);
    }
    return true;
  }

  /** An origin that plays the title's first picture when asked for another cannot seek, whatever it says. */
  #unmask(p: Arrival, join: StreamJoin): void {
    const beginning = this.#beginning;
    this.#beginning = undefined;
    if (beginning?.hash === undefined || beginning.hash !== p.hash || join.holds(p.hash)) return;
    this.#title.client.profile.seeks = false;
    const clockRates = this.#title.streams.map((s) => s.clockRate);
    this.#anchor = new TimeAnchor({ startSeconds: 0, rtpInfo: [], clockRates });
    p.ticks = this.#anchor.place(p.stream, timestamp(p.bytes, p.start), sequenceNumber(p.bytes, p.start));
  }

  #advance(p: Arrival): void {
    const micros = this.#micros(p.stream, p.ticks);
    if (micros > this.#positionMicros) this.#positionMicros = micros;
    const current = this.#segmenter.current;
    const next =
      current === undefined ? undefined : this.#title.row.firstFrom(current.startMicros + 1, current);
    if (next === undefined || next === this.#headSought) return;
    if (next.startMicros - micros > APPROACH_MICROS) return;
    this.#headSought = next;
    void headOf(this.#title, next).then((head) => {
      if (this.#headSought === next) this.#head = head;
    });
  }

  /** True when the packet belongs to held media in front: the flight has arrived there. */
  #reachedHeld(p: Arrival): boolean {
    const next = this.#headSought;
    if (next === undefined) return false;
    const micros = this.#micros(p.stream, p.ticks);
    if (p.stream !== this.#title.reference) {
      const first = this.#head?.firstTicks[p.stream];
      const reached = first === undefined ? micros >= next.startMicros : p.ticks >= first - 1;
      if (reached && this.#coasting) this.#lanes[p.stream]!.joined = false;
      return reached;
    }
    if (this.#state === 'closing') return true;
    const near = Math.abs(micros - next.startMicros) <= HEAD_WINDOW_MICROS;
    const same =
      near && this.#head?.hash !== undefined && packetHash(p.bytes, p.start, p.end) === this.#head.hash;
    if (!same && micros < next.startMicros - JOINT_MICROS) return false;
    if (!same && near && this.#role(p) === ROLE.parameter) return true;
    this.#segmenter.closeAt(next.startMicros, p.nowMs);
    const last = this.#stretchEnd(next)!;
    if (this.#title.client.profile.seeks === false && !last.last) {
      this.#coast(last);
    } else {
      this.#state = 'closing';
      this.#closingDeadlineMs = p.nowMs + CLOSING_MS;
    }
    return true;
  }

  /** An origin that cannot seek goes on through held media; what it sends is dropped until the next hole. */
  #coast(last: Held): void {
    this.#state = 'joining';
    this.#coasting = true;
    this.#joins = undefined;
    this.#lanes[this.#title.reference]!.joined = false;
    void joinsBehind(this.#title, last).then((joins) => {
      this.#joins = joins;
      if (joins === undefined) this.#over('reached-held', undefined);
    });
  }

  /** Live media has no end that an origin could announce: it is tried again. */
  #verdict(nowMs: number): EndingVerdict {
    const verdict = this.#ending.verdict(nowMs, this.#positionMicros / 1e6, this.#title.durationSeconds);
    return verdict === 'end' && this.#title.live ? 'fault' : verdict;
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #over(end: FlightEnd, error: OriginError | undefined): void {
    if (this.#state === 'over') return;
    const state = this.#state;
    this.#state = 'over';
    this.#abort.abort();
    if (this.#session !== undefined) {
      const nowMs = this.#title.shelves.clock.nowMs();
      if (end === 'title-end' || this.#title.live) this.#segmenter.finish(nowMs, end === 'title-end');
      else this.#segmenter.suspend();
    }
    if (state === 'joining') this.#title.shelves.metrics.seams.inc({ result: 'failed' });
    this.#rejectOpened(error ?? new OriginError('origin-closed', 'the flight ended before it delivered'));
    void this.#session?.close();
    this.#onOver(end, error);
  }

  #role(p: Arrival): number {
    const classifier = this.#title.streams[p.stream]?.classifier;
    if (classifier === undefined) return ROLE.randomAccess;
    return classifier.classify(
      p.bytes,
      payloadStart(p.bytes, p.start, p.end),
      payloadEnd(p.bytes, p.start, p.end),
    );
  }

  #micros(stream: number, ticks: number): number {
    return Math.round((ticks * 1e6) / this.#title.streams[stream]!.clockRate);
  }
}

function asOriginError(error: unknown): OriginError {
  if (error instanceof OriginError) return error;
  return new OriginError('origin-closed', 'the origin session failed', { cause: error });
}
