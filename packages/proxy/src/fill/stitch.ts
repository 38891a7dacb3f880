import { packetHash } from '@forebay/cache';
import { ROLE, sequenceNumber, timestamp } from '@forebay/rtp';
import type { RtpInfoEntry } from '@forebay/rtsp';
import { OriginError } from '../origin/errors.js';
import { TimeAnchor } from './anchor.js';
import { Approach } from './approach.js';
import type { Arrival } from './arrival.js';
import { Entrance } from './entrance.js';
import { type Joined, Joining } from './joining.js';
import { Numbering } from './numbering.js';
import { mayLead, roleOf } from './role.js';
import { type Held, JOINT_MICROS, markHeadless } from './row.js';
import { beginningOf } from './start-point.js';
import { Segmenter, STANDSTILL_MS } from './segmenter.js';
import { StoppedClocks } from './stopped-clock.js';
import type { Title } from './title.js';

/** `joining`: before the seam, or passing through held media; `held`: the media that follows is held. */
export type StitchState = 'joining' | 'filling' | 'held';

export interface StitchOptions {
  readonly title: Title;
  /** Where the flight was to fill from, and where the origin says that it starts. */
  readonly fromMicros: number;
  readonly startMicros: number;
  /** Clock reading of the start. */
  readonly startMs: number;
  readonly rtpInfo: readonly (RtpInfoEntry | undefined)[];
  /** Undefined where there is nothing to join. */
  readonly joining: Joining | undefined;
  /** The session must prove that it plays as others did before anything of it is kept. */
  readonly isTrial: boolean;
  /** It does not. */
  readonly onUnfit: () => void;
  /** A segment is being filled: readers may follow it. */
  readonly onFill: (held: Held) => void;
  /** Nothing more is wanted of this session: what follows is held. */
  readonly onHeld: (nowMs: number) => void;
  /** It cannot go on: what it passes through is gone or could not be looked at, or what it sends cannot be kept. */
  readonly onLost: (error?: unknown) => void;
}

interface Lane {
  readonly numbering: Numbering;
  /** Joined, or needs no join. */
  joined: boolean;
}

/** Puts the packets of one session where they belong in a title: behind the held media before them, up to the next. */
export class Stitch {
  /** Clock reading at which the packets that it takes arrive. */
  arrivalMs = -Infinity;
  readonly #o: StitchOptions;
  readonly #title: Title;
  readonly #lanes: readonly Lane[];
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
  readonly #place = (p: Arrival): void => this.#put(p);
  readonly #roleOf = (p: Arrival): number => roleOf(this.#title.streams[p.stream]?.classifier, p);
  readonly #approach: Approach;
  readonly #entrance: Entrance | undefined;
  readonly #segmenter: Segmenter;
  #anchor: TimeAnchor;
  /** Of a live title. */
  readonly #stoppedClocks: StoppedClocks | undefined;
  /** Undefined also while the held media before a hole is being looked at. */
  #joining: Joining | undefined;
  #state: StitchState;
  #isCoasting = false;
  #hasFilled = false;
  #positionMicros: number;

  constructor(options: StitchOptions) {
    const { title, startMicros, joining } = options;
    this.#o = options;
    this.#title = title;
    this.#joining = joining;
    this.#state = joining === undefined ? 'filling' : 'joining';
    this.#positionMicros =
      joining === undefined ? Math.min(options.fromMicros, startMicros) : options.fromMicros;
    this.#lanes = title.streams.map(() => ({
      numbering: new Numbering(),
      joined: joining === undefined,
    }));
    this.#approach = new Approach(title);
    this.#anchor = this.#anchorAt(startMicros);
    this.#stoppedClocks = title.live ? this.#newStoppedClocks() : undefined;
    this.#entrance = joining === undefined ? this.#newEntrance() : undefined;
    this.#segmenter = this.#newSegmenter();
  }

  get state(): StitchState {
    return this.#state;
  }

  /** NPT up to which it has filled. */
  get positionMicros(): number {
    return this.#positionMicros;
  }

  /** It has brought something. */
  get hasFilled(): boolean {
    return this.#hasFilled;
  }

  /** The segment that grows. */
  get current(): Held | undefined {
    return this.#hasFilled ? this.#segmenter.current : undefined;
  }

  /** Stragglers of a segment that was cut are still awaited. */
  get draining(): boolean {
    return this.#segmenter.draining;
  }

  /** Takes the next packet of a stream: bytes[start, end). */
  packet(stream: number, bytes: Buffer, start: number, end: number): void {
    const lane = this.#lanes[stream];
    const lost = lane?.numbering.take(sequenceNumber(bytes, start)) ?? -1;
    if (lane === undefined || lost < 0) return;
    const p = this.#arrival;
    p.stream = stream;
    p.bytes = bytes;
    p.start = start;
    p.end = end;
    p.lost = lost;
    p.nowMs = this.arrivalMs;
    const entrance = this.#entrance?.opened(stream) === false ? this.#entrance : undefined;
    p.hash = entrance !== undefined || !lane.joined ? packetHash(bytes, start, end) : 0;
    if (entrance === undefined) this.#put(p);
    else entrance.admit(p, timestamp(bytes, start), this.#place);
  }

  /** Lets go what has waited long enough, unless nothing comes at all. */
  tick(nowMs: number): void {
    if (this.#state === 'held' || nowMs - this.arrivalMs <= STANDSTILL_MS) this.#segmenter.tick(nowMs);
  }

  /** Stragglers that have not come by now will not come. */
  settle(): void {
    this.#segmenter.settle();
  }

  /**
   * The session ends in mid-title: what it fills stays open for the next.
   * @param wanted it was still needed: a seam that it had not come to has failed
   */
  suspend(wanted: boolean): void {
    if (wanted) this.#noteSeam();
    this.#segmenter.suspend();
  }

  /**
   * The session ends, and nothing follows. Where the title ends before anything behind the seam came, the held media was all of it.
   * @param last the title ends here; `believed`: as it seems
   */
  finish(nowMs: number, last: 'told' | 'believed' | 'no'): void {
    if (last === 'no') this.#noteSeam();
    const behind = this.#state === 'joining' ? this.#joining?.behind : undefined;
    if (last !== 'no') this.#entrance?.flush(this.#place);
    const current = this.#segmenter.current;
    this.#segmenter.finish(nowMs, last === 'told');
    const end = current ?? (behind?.state === 'sealed' ? behind : undefined);
    if (last !== 'no' && end !== undefined) this.#title.endsWith(end);
  }

  #noteSeam(): void {
    if (this.#state === 'joining') this.#title.shelves.metrics.seams.inc({ result: 'failed' });
  }

  #anchorAt(startMicros: number, rtpInfo = this.#o.rtpInfo): TimeAnchor {
    const clockRates = this.#title.streams.map((s) => s.clockRate);
    const startMs = this.#title.live ? this.#o.startMs : undefined;
    return new TimeAnchor({ startSeconds: startMicros / 1e6, startMs, rtpInfo, clockRates });
  }

  #newStoppedClocks(): StoppedClocks {
    const { client, shelves, streams } = this.#title;
    const { route } = client.profile;
    return new StoppedClocks({
      clockRates: streams.map((s) => s.clockRate),
      onStopped: (stream) => {
        shelves.metrics.originFaults.inc({ origin: route, reason: 'timestamps' });
        shelves.log.warn({ route, stream }, 'timestamps do not advance: media is placed by when it comes');
      },
    });
  }

  #newEntrance(): Entrance {
    const title = this.#title;
    return new Entrance({
      seek: this.#o.startMicros > 0 && !title.live,
      clockRates: title.streams.map((s) => s.clockRate),
      pictures: title.isVideo ? title.reference : undefined,
      confirms: (p, ts) => this.#anchor.confirms(p.stream, ts, sequenceNumber(p.bytes, p.start)),
      role: this.#roleOf,
      mayLead: (p) => mayLead(title.streams[p.stream]?.classifier, p),
      begins: (p, ts) => void this.#anchor.place(p.stream, ts, sequenceNumber(p.bytes, p.start), p.nowMs),
    });
  }

  #newSegmenter(): Segmenter {
    const title = this.#title;
    const { startMicros } = this.#o;
    const behind = this.#joining?.behind;
    const first = beginningOf(startMicros);
    const asTold = !title.live && behind === undefined && first === 0;
    const segmenter = new Segmenter({
      key: title.key,
      streams: title.streams,
      reference: title.reference,
      row: title.row,
      followers: title.followers,
      isLive: title.live,
      anchor: behind?.anchor ?? title.newAnchor(),
      startMicros: asTold ? first : undefined,
      onOpen: (held) => {
        if (!this.#hasFilled && this.#entrance?.isHeadless === true) markHeadless(held);
        title.begun(held);
        this.#fill(held);
      },
      onComplete: (held) => title.complete(held),
      onHeld: (micros, nowMs) => this.#meetHeld(this.#heldAt(micros), nowMs),
      onFull: () => this.#o.onLost(new OriginError('timestamps', 'no place to end a segment that is full')),
    });
    if (behind?.state === 'open' && !behind.flying) segmenter.resume(behind);
    return segmenter;
  }

  #fill(held: Held): void {
    this.#hasFilled = true;
    this.#o.onFill(held);
  }

  /** Gives a packet its media time, joins it to what is held, and hands it to the segmenter. */
  #put(p: Arrival): void {
    const lane = this.#lanes[p.stream]!;
    p.ticks = this.#ticksOf(p);
    if (!lane.joined && !this.#join(p, lane)) return;
    if (this.#isHeld(p)) this.#segmenter.passed(p.stream, p.nowMs);
    else this.#segmenter.packet(p);
  }

  /** Media time of a packet. */
  #ticksOf(p: Arrival): number {
    const ts = timestamp(p.bytes, p.start);
    const ticks = this.#anchor.place(p.stream, ts, sequenceNumber(p.bytes, p.start), p.nowMs);
    const placed = this.#stoppedClocks?.place(p, ticks) ?? ticks;
    if (placed !== ticks) this.#anchor.goOnFrom(p.stream, placed);
    return placed;
  }

  /** @returns false while the packet lies before the seam */
  #join(p: Arrival, lane: Lane): boolean {
    const joining = this.#joining;
    if (joining === undefined) return false;
    const isReference = p.stream === this.#title.reference;
    const role = isReference ? this.#roleOf(p) : ROLE.randomAccess;
    if (isReference && role === ROLE.randomAccess && joining.unmasks(p)) {
      this.#title.findings.sought(false);
      this.#anchor = this.#anchorAt(0, []);
      p.ticks = this.#anchor.place(p.stream, timestamp(p.bytes, p.start), 0, p.nowMs);
    }
    const joined = joining.judge(p, role);
    if (joined === undefined) return false;
    if (this.#o.isTrial && !this.#isCoasting && !joined.isProven) {
      this.#o.onUnfit();
      return false;
    }
    lane.joined = true;
    p.lost = 0;
    this.#anchor.shift(p.stream, joined.offsetTicks);
    p.ticks += joined.offsetTicks;
    if (isReference && joined.by === 'time' && this.#isAnother(joined)) {
      this.#title.standing = 'superseded';
      this.#o.onLost(new OriginError('changed', 'nothing that it sends is what is held'));
      return false;
    }
    if (isReference) this.#passSeam(joined.by);
    return true;
  }

  /** What came is another title than the one that is held, though it may be described alike. */
  #isAnother({ isStrange }: Joined): boolean {
    const { findings, standing } = this.#title;
    return standing !== 'current' || (findings.joinsByContent && isStrange);
  }

  #passSeam(by: 'content' | 'time'): void {
    const segmenter = this.#segmenter;
    this.#state = 'filling';
    if (this.#isCoasting) segmenter.reopen();
    else if (by === 'content' && this.#title.seeks === undefined) this.#title.findings.sought(true);
    if (by === 'content') {
      this.#title.findings.joinedByContent();
      segmenter.proceed();
    }
    this.#approach.forget();
    this.#title.shelves.metrics.seams.inc({ result: by });
    if (segmenter.current !== undefined) this.#fill(segmenter.current);
  }

  /** True when the packet belongs to held media in front. */
  #isHeld(p: Arrival): boolean {
    const micros = Math.round((p.ticks * 1e6) / this.#title.streams[p.stream]!.clockRate);
    if (p.stream !== this.#title.reference) {
      const isHeld = this.#approach.other(p, micros);
      if (isHeld && this.#isCoasting) this.#lanes[p.stream]!.joined = false;
      return isHeld;
    }
    if (this.#state === 'held') return true;
    if (micros > this.#positionMicros) this.#positionMicros = micros;
    const current = this.#segmenter.current;
    if (current !== undefined) this.#approach.look(current, micros);
    const arrived = this.#approach.reference(p, micros, this.#roleOf);
    if (arrived === 'yes') this.#meetHeld(this.#approach.ahead, p.nowMs);
    return arrived !== 'no';
  }

  #heldAt(micros: number): Held | undefined {
    const { row } = this.#title;
    return row.covering(micros + 2 * JOINT_MICROS) ?? row.firstFrom(micros - JOINT_MICROS);
  }

  /** Held media begins here, with `ahead`. */
  #meetHeld(ahead: Held | undefined, nowMs: number): void {
    if (ahead !== undefined) this.#segmenter.closeAt(ahead.startMicros, nowMs);
    const last = ahead === undefined ? undefined : this.#title.row.stretchEnd(ahead);
    if (last !== undefined && this.#title.seeks === false && !last.last) {
      this.#coast(last);
    } else {
      this.#state = 'held';
      this.#o.onHeld(nowMs);
    }
  }

  /** An origin that cannot seek goes on through held media; what it sends is dropped until the next hole. */
  #coast(last: Held): void {
    this.#state = 'joining';
    this.#isCoasting = true;
    this.#joining = undefined;
    this.#lanes[this.#title.reference]!.joined = false;
    Joining.behind(this.#title, last, { isSeekProven: true }).then(
      (joining) => {
        this.#joining = joining;
        if (joining === undefined) this.#o.onLost();
      },
      (error: unknown) => this.#o.onLost(error),
    );
  }
}
