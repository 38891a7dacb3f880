import { RtspError, type RtspRange } from '@forebay/rtsp';
import type { Rider } from '../fill/flights.js';
import type { Follower } from '../fill/followers.js';
import type { Place } from '../fill/row.js';
import type { Need } from '../origin/budget.js';
import { OriginError } from '../origin/errors.js';
import { type Asked, askedRange, backward } from './asked.js';
import type { Audience } from './audience.js';
import type { Start } from './cursor.js';
import { Delivery } from './delivery.js';
import type { PlayResult, Reader, ReaderOptions, ReaderStats } from './library.js';
import type { Paced, Pacer } from './pacer.js';
import { grantable, NORMAL_PACE, type Pace } from './pace.js';
import { PlayClock } from './play-clock.js';
import type { Boarder, Playable, ScalingOrigin } from './playable.js';
import type { RangeSender } from './range-sender.js';
import { Scaled } from './scaled.js';
import { findStart } from './start.js';
import { Survey } from './survey.js';
import { ReaderTally } from './tally.js';
import { Tempo } from './tempo.js';
import type { Timeline } from './timeline.js';

/** A range that ends this close to the title's end takes all of it: announced lengths are rounded. */
const END_SLACK_MICROS = 50_000;

export interface ReaderParts {
  readonly title: Playable;
  readonly flights: Boarder;
  readonly passage?: ScalingOrigin;
  readonly pacer: Pacer;
  readonly timeline: Timeline;
  readonly options: ReaderOptions;
  readonly audience: Audience;
  readonly onClosed: () => void;
}

type State = 'idle' | 'ready' | 'playing' | 'paused' | 'ended' | 'closed';

/** One viewer's cursor over the segments of a title. */
export class SegmentReader implements Reader, Rider, Paced, Follower {
  readonly timeline: Timeline;
  readonly #p: ReaderParts;
  readonly #tally: ReaderTally;
  readonly #clock: PlayClock;
  readonly #delivery: Delivery;
  readonly #scaled: Scaled;
  readonly #survey: Survey;
  readonly #tempo: Tempo;
  /** Among those who are told of what comes. */
  #isFollowing = false;
  /** What sends the range. */
  #sender: RangeSender;
  #pace = NORMAL_PACE;
  #state: State = 'idle';
  /** Waits for the first media of a range. */
  #isStarting = false;

  constructor(parts: ReaderParts) {
    const { title, timeline, options, flights } = parts;
    this.#p = parts;
    this.timeline = timeline;
    this.#tally = new ReaderTally(title.shelves.metrics);
    this.#clock = new PlayClock(title.shelves.clock, timeline);
    this.#survey = new Survey(title, flights, this);
    const tempo = new Tempo(parts.pacer, options.transport);
    this.#tempo = tempo;
    const common = { title, timeline, options, clock: this.#clock, tally: this.#tally, tempo };
    const onReached = (held: Place): void => parts.audience.reached(held.endMicros / 1e6);
    this.#delivery = new Delivery(common, flights, onReached);
    this.#scaled = new Scaled(common, parts.passage);
    this.#sender = this.#delivery;
  }

  get stats(): ReaderStats {
    return this.#tally;
  }

  get positionMicros(): number {
    return this.#clock.positionMicros;
  }

  get need(): Need {
    return this.#isStarting ? 'starting' : 'playing';
  }

  get untilMicros(): number | undefined {
    return this.#isStarting || this.#pace.scale !== 1 ? undefined : this.#sender.endMicros;
  }

  async play(range: RtspRange | undefined, signal: AbortSignal, wished = NORMAL_PACE): Promise<PlayResult> {
    const askedMs = this.#clock.nowMs;
    const asked = askedRange(range, this.#p.title);
    const pace = grantable(wished, this.#p.title.live);
    if (pace.scale !== 1) {
      const result = await this.#playScaled(asked, pace, { signal, askedMs });
      if (result !== undefined) return result;
    }
    // What cannot be shown backward is played from there on.
    const forward = wished.scale < 0 ? { ...backward(asked), endMicros: undefined } : asked;
    return this.#playNormally(forward, { speed: pace.speed, scale: 1 }, { signal, askedMs });
  }

  async #playNormally(
    asked: Asked,
    pace: Pace,
    { signal, askedMs }: { signal: AbortSignal; askedMs: number },
  ): Promise<PlayResult> {
    const isResume = asked.startMicros === undefined && asked.endMicros === undefined;
    if (isResume && this.#state === 'playing') return this.#result(Math.round(this.positionMicros));
    const isPaused = this.#state === 'paused';
    if (isResume && isPaused && (await this.#isResumable())) {
      this.#pace = pace;
      return this.#result(this.positionMicros);
    }
    const target = asked.startMicros ?? this.#openStart(isPaused);
    const isSameEnd = isResume && isPaused && this.#pace.scale > 0;
    const end = isSameEnd ? this.#sender.endMicros : this.#endOf(asked, target);
    if (this.#state === 'playing') this.#halt('paused');
    this.#tally.asked(askedMs);
    const start = await this.#findStart(target, signal);
    const atMicros = this.#leaveRange();
    this.#enterRange(this.#delivery, pace, start.startMicros);
    this.#delivery.begin(start, end, target === 'edge' ? 'edge' : 'place');
    this.timeline.lay(start.startMicros, atMicros);
    this.#policyStarts(start.startMicros / 1e6);
    this.#survey.begin();
    this.#look(this.#clock.nowMs);
    return this.#result(start.startMicros);
  }

  /**
   * Plays faster than normal, or backward. The policy hears nothing of it: of a segment little is needed.
   * @returns undefined where that cannot be
   */
  async #playScaled(
    asked: Asked,
    pace: Pace,
    { signal, askedMs }: { signal: AbortSignal; askedMs: number },
  ): Promise<PlayResult | undefined> {
    const { title } = this.#p;
    const isForward = pace.scale > 0;
    const bounds = isForward ? asked : backward(asked);
    const isInside = this.#state === 'playing' || this.#state === 'paused';
    const openMicros = isInside ? this.positionMicros : isForward ? 0 : (title.durationSeconds ?? 0) * 1e6;
    const fromMicros = Math.round(this.#microsOf(bounds.startMicros ?? openMicros));
    const endMicros = isForward ? this.#endOf(bounds, fromMicros) : endBackward(bounds.endMicros, fromMicros);
    const range = await this.#scaled.prepare({ fromMicros, endMicros, pace, signal });
    if (range === undefined) return undefined;
    if (signal.aborted || this.#isClosed()) {
      range.sender.end();
      throw new OriginError('aborted', 'the viewer went away');
    }
    if (this.#state === 'playing') this.#halt('paused');
    this.#tally.asked(askedMs);
    const atMicros = this.#leaveRange();
    this.#enterRange(range.sender, pace, range.startMicros);
    this.timeline.lay(range.startMicros, atMicros, pace.scale);
    range.begin();
    return this.#result(range.startMicros);
  }

  /** The range that was played is over. @returns the viewer's time after it */
  #leaveRange(): number {
    this.#policyEnds();
    const atMicros = Math.max(this.#delivery.viewerEnd(), this.#scaled.viewerEnd());
    this.#sender.end();
    return atMicros;
  }

  #enterRange(sender: RangeSender, pace: Pace, startMicros: number): void {
    this.#sender = sender;
    this.#pace = pace;
    this.#state = 'ready';
    this.#clock.stand(startMicros);
  }

  start(): void {
    if (this.#state === 'playing' || this.#state === 'closed' || !this.#sender.isReady) return;
    this.#state = 'playing';
    const nowMs = this.#clock.nowMs;
    this.#clock.rate = this.#pace.scale * this.#pace.speed;
    this.#clock.run(this.#sender.start(), nowMs);
    const nextMs = this.turn(nowMs);
    if (nextMs !== undefined) this.#p.pacer.add(this, nextMs);
  }

  pause(): { positionSeconds: number } {
    this.#halt('paused');
    return { positionSeconds: this.positionMicros / 1e6 };
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#halt('closed');
    this.#policyEnds();
    this.#sender.end();
    this.#p.onClosed();
  }

  turn(nowMs: number): number | undefined {
    if (this.#state === 'paused') return this.#survey.keep(nowMs);
    if (this.#state !== 'playing') return undefined;
    const ended = this.#send(nowMs);
    if (!this.#isPlaying()) return undefined;
    if (ended === undefined) {
      if (this.#sender.isFollowing === true) this.#follow();
      return this.#sender.nextTurnMs(nowMs);
    }
    this.#halt('ended');
    this.#sender.end();
    this.#p.options.sink.ended(ended);
    return undefined;
  }

  arrived(nowMs: number): void {
    this.#isFollowing = false;
    this.#p.pacer.hasten(this, nowMs + this.#tempo.gatherMs);
  }

  #follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    this.#p.title.followers.wait(this);
  }

  /** A defect of ours ends this viewer's range, and nobody else's. */
  #send(nowMs: number): 'end' | 'failed' | undefined {
    try {
      if (this.#survey.isDue(nowMs)) this.#look(nowMs);
      return this.#sender.turn(nowMs);
    } catch (error) {
      this.#p.title.shelves.log.error({ error }, 'a reader was lost to a defect');
      return 'failed';
    }
  }

  /** Where to begin when the viewer does not say. */
  #openStart(isPaused: boolean): number | 'edge' {
    const { liveTime } = this.#p.title;
    if (isPaused && !this.#isWindowless) return Math.round(this.positionMicros);
    return liveTime === undefined ? 0 : 'edge';
  }

  /** Live, and what is not on any more is gone. */
  get #isWindowless(): boolean {
    return this.#p.title.liveTime?.windowMicros === 0;
  }

  /** NPT of a place, microseconds. */
  #microsOf(target: number | 'edge'): number {
    const { liveTime, row } = this.#p.title;
    return target === 'edge' ? (liveTime?.edgeMicros(row.last) ?? 0) : target;
  }

  /** NPT where the range ends, microseconds; undefined: with the title. @throws RtspError 457 */
  #endOf({ endMicros }: Asked, target: number | 'edge'): number | undefined {
    const { title } = this.#p;
    const fromMicros = this.#microsOf(target);
    const durationMicros = title.live ? Infinity : (title.durationSeconds ?? Infinity) * 1e6;
    const isBehind = fromMicros > 0 && fromMicros >= durationMicros;
    if (fromMicros < 0 || isBehind || (endMicros !== undefined && endMicros <= fromMicros))
      throw new RtspError('viewer', 'range-invalid');
    return endMicros === undefined || endMicros >= durationMicros - END_SLACK_MICROS ? undefined : endMicros;
  }

  /** @throws OriginError; the reader is then where it was */
  async #findStart(targetMicros: number | 'edge', signal: AbortSignal): Promise<Start> {
    const { title, flights } = this.#p;
    const beforeMicros = this.positionMicros;
    this.#clock.stand(this.#microsOf(targetMicros));
    this.#isStarting = true;
    try {
      const start = await findStart({ title, flights, rider: this, targetMicros, signal });
      if (signal.aborted || this.#isClosed()) throw new OriginError('aborted', 'the viewer went away');
      return start;
    } catch (error) {
      flights.leave(this);
      throw error;
    } finally {
      this.#isStarting = false;
      if (!this.#isPlaying()) this.#clock.stand(beforeMicros);
    }
  }

  /** Sees to it that a flight is under way in time for the next hole. */
  #look(nowMs: number): void {
    const { held } = this.#sender;
    if (held === undefined) return;
    const endMicros = this.#sender.endMicros ?? (this.#p.title.durationSeconds ?? Infinity) * 1e6;
    this.#survey.look(held, { endMicros, rate: this.#pace.scale * this.#pace.speed }, nowMs);
  }

  #halt(state: State): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'playing') this.#clock.halt(this.#sender.place());
    this.#sender.halt?.();
    this.#state = state;
    if (this.#isFollowing) this.#p.title.followers.leave(this);
    this.#isFollowing = false;
    if (state === 'paused' && this.#keepsWindow()) {
      // It may not have started yet.
      this.#p.pacer.add(this, this.#clock.nowMs);
      return;
    }
    this.#p.pacer.remove(this);
    this.#p.flights.leave(this);
  }

  /** Paused in a live presentation: without a window there is nothing to come back to, with one it must go on to be filled. */
  #keepsWindow(): boolean {
    if (!this.#p.title.live) return false;
    if (this.#isWindowless) this.#delivery.end();
    else this.#delivery.release();
    return !this.#isWindowless;
  }

  #policyStarts(startSeconds: number): void {
    const { title, audience, options } = this.#p;
    audience.started({
      startSeconds,
      titleDurationSeconds: title.durationSeconds,
      viewerAddress: options.viewerAddress,
    });
  }

  #policyEnds(): void {
    const { audience } = this.#p;
    if (this.#tally.startupMs !== undefined && this.#pace.scale === 1)
      audience.reached(this.positionMicros / 1e6);
    audience.ended();
  }

  /** It can go on right behind what it was sent last. */
  async #isResumable(): Promise<boolean> {
    const { liveTime, row } = this.#p.title;
    if (this.#sender !== this.#delivery) return false;
    if (liveTime === undefined) return this.#delivery.isReady && !this.#delivery.isStranded;
    if (this.positionMicros < liveTime.passedMicros(row.last)) return false;
    return await this.#delivery.reclaim();
  }

  #isPlaying(): boolean {
    return this.#state === 'playing';
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #result(startMicros: number): PlayResult {
    const { title, options } = this.#p;
    const { endMicros = (title.durationSeconds ?? NaN) * 1e6 } = this.#sender;
    const zeroMicros = this.#isWindowless ? NaN : (title.liveTime?.zeroMicros ?? 0);
    const start = (startMicros - zeroMicros) / 1e6;
    const end = (endMicros - zeroMicros) / 1e6;
    return {
      startSeconds: Number.isNaN(start) ? 'now' : start,
      endSeconds: Number.isNaN(end) ? undefined : end,
      pace: this.#pace,
      ...(title.live && !this.#isWindowless ? { zeroUnixMs: zeroMicros / 1000 } : {}),
      streams: options.streams.map(({ stream }) => ({
        stream,
        sequence: this.timeline.nextSequence(stream),
        rtpTime: this.timeline.rtpTime(stream, startMicros),
      })),
    };
  }
}

/** NPT where a range that is played backward ends, microseconds; undefined: where the title begins. @throws RtspError 457 */
function endBackward(endMicros: number | undefined, fromMicros: number): number | undefined {
  if (fromMicros <= 0 || (endMicros !== undefined && endMicros >= fromMicros))
    throw new RtspError('viewer', 'range-invalid');
  return endMicros === undefined || endMicros <= 0 ? undefined : endMicros;
}
