import { RtspError, type RtspRange } from '@forebay/rtsp';
import type { Rider } from '../fill/flights.js';
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
import type { Boarder, Playable } from './playable.js';
import type { RangeSender } from './range-sender.js';
import { Skim } from './skim.js';
import { findHeldStart, findStart } from './start.js';
import { Survey } from './survey.js';
import { ReaderTally } from './tally.js';
import { Tempo } from './tempo.js';
import type { Timeline } from './timeline.js';

/** A range that ends this close to the title's end takes all of it: announced lengths are rounded. */
const END_SLACK_SECONDS = 0.05;

export interface ReaderParts {
  readonly title: Playable;
  readonly flights: Boarder;
  readonly pacer: Pacer;
  readonly timeline: Timeline;
  readonly options: ReaderOptions;
  readonly audience: Audience;
  readonly onClosed: () => void;
}

type State = 'idle' | 'ready' | 'playing' | 'paused' | 'ended' | 'closed';

/** One viewer's cursor over the segments of a title. */
export class SegmentReader implements Reader, Rider, Paced {
  readonly timeline: Timeline;
  readonly #p: ReaderParts;
  readonly #tally: ReaderTally;
  readonly #clock: PlayClock;
  readonly #delivery: Delivery;
  readonly #skim: Skim;
  readonly #survey: Survey;
  /** Whichever of the two sends the range. */
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
    const common = { title, timeline, options, clock: this.#clock, tally: this.#tally, tempo };
    this.#delivery = new Delivery({
      ...common,
      flights,
      onReached: (held) => parts.audience.reached(held.endMicros / 1e6),
    });
    this.#skim = new Skim(common);
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

  async play(range: RtspRange | undefined, signal: AbortSignal, wished = NORMAL_PACE): Promise<PlayResult> {
    const askedMs = this.#clock.nowMs;
    const asked = askedRange(range, this.#p.title.range);
    const pace = grantable(wished, this.#p.title.live);
    if (pace.scale !== 1) {
      const result = await this.#playScaled(asked, pace, askedMs);
      if (result !== undefined) return result;
    }
    return this.#playNormally(asked, { speed: pace.speed, scale: 1 }, { signal, askedMs });
  }

  async #playNormally(
    asked: Asked,
    pace: Pace,
    { signal, askedMs }: { signal: AbortSignal; askedMs: number },
  ): Promise<PlayResult> {
    const isResume = asked.start === undefined && asked.end === undefined;
    if (isResume && this.#state === 'playing') return this.#result(Math.round(this.positionMicros));
    const isPaused = this.#state === 'paused';
    if (isResume && isPaused && this.#isResumable()) {
      this.#pace = pace;
      return this.#result(this.positionMicros);
    }
    const fromSeconds = asked.start ?? (isPaused ? this.positionMicros / 1e6 : 0);
    const isSameEnd = isResume && isPaused && this.#pace.scale > 0;
    const end = isSameEnd ? this.#sender.endMicros : this.#endOf(asked, fromSeconds);
    if (this.#state === 'playing') this.#halt('paused');
    this.#tally.asked(askedMs);
    const start = await this.#findStart(Math.round(fromSeconds * 1e6), signal);
    const atMicros = this.#leaveRange();
    this.#enterRange(this.#delivery, pace, start.startMicros);
    this.#delivery.begin(start, end);
    this.timeline.lay(start.startMicros, atMicros);
    this.#policyStarts(start.startMicros / 1e6);
    this.#survey.begin();
    this.#look(this.#clock.nowMs);
    return this.#result(start.startMicros);
  }

  /**
   * Shows key frames of what is held. The policy hears nothing of it: of a segment little is needed.
   * @returns undefined where that cannot be
   */
  async #playScaled(asked: Asked, pace: Pace, askedMs: number): Promise<PlayResult | undefined> {
    const { title, options } = this.#p;
    if (!options.streams.some(({ stream }) => stream === title.reference)) return undefined;
    const isForward = pace.scale > 0;
    const { start: startSeconds, end } = isForward ? asked : backward(asked);
    const isInside = this.#state === 'playing' || this.#state === 'paused';
    const fromSeconds =
      startSeconds ?? (isInside ? this.positionMicros / 1e6 : isForward ? 0 : (title.durationSeconds ?? 0));
    const endMicros = isForward
      ? this.#endOf({ start: startSeconds, end }, fromSeconds)
      : endBackward(end, fromSeconds);
    const start = await findHeldStart(title, Math.round(fromSeconds * 1e6));
    if (start === undefined || !title.isVideo || this.#isClosed()) return undefined;
    const { last } = title.row;
    const isWorthwhile =
      !isForward || last?.last === true || (last?.endMicros ?? 0) - start.startMicros >= pace.scale * 1e6;
    if (!isWorthwhile) return undefined;
    if (this.#state === 'playing') this.#halt('paused');
    this.#tally.asked(askedMs);
    const atMicros = this.#leaveRange();
    this.#enterRange(this.#skim, pace, start.startMicros);
    this.timeline.lay(start.startMicros, atMicros, pace.scale);
    this.#skim.begin({ startMicros: start.startMicros, endMicros, scale: pace.scale });
    return this.#result(start.startMicros);
  }

  /** The range that was played is over. @returns the viewer's time after it */
  #leaveRange(): number {
    this.#policyEnds();
    const atMicros = Math.max(this.#delivery.viewerEnd(), this.#skim.viewerEnd());
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
    if (this.#state !== 'playing') return undefined;
    const ended = this.#send(nowMs);
    if (!this.#isPlaying()) return undefined;
    if (ended === undefined) return this.#sender.nextTurnMs(nowMs);
    this.#halt('ended');
    this.#sender.end();
    this.#p.options.sink.ended(ended);
    return undefined;
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

  /** NPT where the range ends, microseconds; undefined: with the title. @throws RtspError 457 */
  #endOf({ end }: Asked, fromSeconds: number): number | undefined {
    const { title } = this.#p;
    const duration = title.durationSeconds;
    const isBehind = duration !== undefined && !title.live && fromSeconds > 0 && fromSeconds >= duration;
    if (fromSeconds < 0 || isBehind || (end !== undefined && end <= fromSeconds))
      throw new RtspError('viewer', 'range-invalid');
    if (end === undefined || end >= (duration ?? Infinity) - END_SLACK_SECONDS) return undefined;
    return Math.round(end * 1e6);
  }

  /** @throws OriginError; the reader is then where it was */
  async #findStart(targetMicros: number, signal: AbortSignal): Promise<Start> {
    const { title, flights } = this.#p;
    const beforeMicros = this.positionMicros;
    this.#clock.stand(targetMicros);
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
    this.#state = state;
    this.#p.pacer.remove(this);
    this.#p.flights.leave(this);
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

  /** What it was sent last can go on. Live goes on with what is on now. */
  #isResumable(): boolean {
    if (this.#p.title.live || this.#sender !== this.#delivery) return false;
    return this.#delivery.isReady && !this.#delivery.isStranded;
  }

  #isPlaying(): boolean {
    return this.#state === 'playing';
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #result(startMicros: number): PlayResult {
    const { title, options } = this.#p;
    const endMicros = this.#sender.endMicros;
    const end = endMicros === undefined ? title.durationSeconds : endMicros / 1e6;
    return {
      startSeconds: title.live ? 'now' : startMicros / 1e6,
      endSeconds: title.live ? undefined : end,
      pace: this.#pace,
      streams: options.streams.map(({ stream }) => ({
        stream,
        sequence: this.timeline.nextSequence(stream),
        rtpTime: this.timeline.rtpTime(stream, startMicros),
      })),
    };
  }
}

/** NPT where a range that is played backward ends, microseconds; undefined: where the title begins. @throws RtspError 457 */
function endBackward(end: number | undefined, fromSeconds: number): number | undefined {
  if (fromSeconds <= 0 || (end !== undefined && end >= fromSeconds))
    throw new RtspError('viewer', 'range-invalid');
  return end === undefined || end <= 0 ? undefined : Math.round(end * 1e6);
}
