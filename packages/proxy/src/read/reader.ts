import { RtspError, type RtspRange } from '@forebay/rtsp';
import type { Rider } from '../fill/flights.js';
import { OriginError } from '../origin/errors.js';
import { type Asked, askedRange } from './asked.js';
import type { Audience } from './audience.js';
import type { Start } from './cursor.js';
import { Delivery } from './delivery.js';
import type { PlayResult, Reader, ReaderOptions, ReaderStats } from './library.js';
import type { Paced, Pacer } from './pacer.js';
import { PlayClock } from './play-clock.js';
import type { Boarder, Playable } from './playable.js';
import { findStart } from './start.js';
import { Survey } from './survey.js';
import { ReaderTally } from './tally.js';
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

/** One viewer's cursor over the segments of a title, paced at 1.0x of media time. */
export class SegmentReader implements Reader, Rider, Paced {
  readonly timeline: Timeline;
  readonly #p: ReaderParts;
  readonly #tally: ReaderTally;
  readonly #clock: PlayClock;
  readonly #delivery: Delivery;
  readonly #survey: Survey;
  #state: State = 'idle';

  constructor(parts: ReaderParts) {
    const { title, timeline, options, flights } = parts;
    this.#p = parts;
    this.timeline = timeline;
    this.#tally = new ReaderTally(title.shelves.metrics);
    this.#clock = new PlayClock(title.shelves.clock, timeline);
    this.#survey = new Survey(title, flights, this);
    this.#delivery = new Delivery({
      title,
      flights,
      timeline,
      options,
      clock: this.#clock,
      tally: this.#tally,
      onReached: (held) => parts.audience.reached(held.endMicros / 1e6),
    });
  }

  get stats(): ReaderStats {
    return this.#tally;
  }

  get positionMicros(): number {
    return this.#clock.positionMicros;
  }

  async play(range: RtspRange | undefined, signal: AbortSignal): Promise<PlayResult> {
    const askedMs = this.#clock.nowMs;
    const asked = askedRange(range, this.#p.title.range);
    const isResume = asked.start === undefined && asked.end === undefined;
    if (isResume && this.#state === 'playing') return this.#result(Math.round(this.positionMicros));
    const isPaused = this.#state === 'paused';
    if (isResume && isPaused && this.#isResumable()) return this.#result(this.positionMicros);
    const fromSeconds = asked.start ?? (isPaused ? this.positionMicros / 1e6 : 0);
    const end = isResume && isPaused ? this.#delivery.endMicros : this.#endOf(asked, fromSeconds);
    if (this.#state === 'playing') this.#halt('paused');
    this.#tally.asked(askedMs);
    const start = await this.#findStart(Math.round(fromSeconds * 1e6), signal);
    this.#policyEnds();
    const atMicros = this.#delivery.viewerEnd();
    this.#state = 'ready';
    this.#clock.stand(start.startMicros);
    this.#delivery.begin(start, end);
    this.timeline.lay(start.startMicros, atMicros);
    this.#policyStarts(start.startMicros / 1e6);
    this.#survey.begin();
    this.#look(this.#clock.nowMs);
    return this.#result(start.startMicros);
  }

  start(): void {
    if (this.#state === 'playing' || this.#state === 'closed' || !this.#delivery.isReady) return;
    this.#state = 'playing';
    const nowMs = this.#clock.nowMs;
    this.#clock.run(this.#delivery.start(), nowMs);
    this.#p.pacer.add(this);
    this.turn(nowMs);
  }

  pause(): { positionSeconds: number } {
    this.#halt('paused');
    return { positionSeconds: this.positionMicros / 1e6 };
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#halt('closed');
    this.#policyEnds();
    this.#delivery.end();
    this.#p.onClosed();
  }

  turn(nowMs: number): void {
    if (this.#state !== 'playing') return;
    const ended = this.#send(nowMs);
    if (ended === undefined || !this.#isPlaying()) return;
    this.#halt('ended');
    this.#delivery.end();
    this.#p.options.sink.ended(ended);
  }

  /** A defect of ours ends this viewer's range, and nobody else's. */
  #send(nowMs: number): 'end' | 'failed' | undefined {
    try {
      if (this.#survey.isDue(nowMs)) this.#look(nowMs);
      return this.#delivery.turn(nowMs);
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
    try {
      const start = await findStart({ title, flights, rider: this, targetMicros, signal });
      if (signal.aborted || this.#isClosed()) throw new OriginError('aborted', 'the viewer went away');
      return start;
    } catch (error) {
      flights.leave(this);
      throw error;
    } finally {
      if (!this.#isPlaying()) this.#clock.stand(beforeMicros);
    }
  }

  /** Sees to it that a flight is under way in time for the next hole. */
  #look(nowMs: number): void {
    const { held } = this.#delivery;
    if (held === undefined) return;
    const end = this.#delivery.endMicros ?? (this.#p.title.durationSeconds ?? Infinity) * 1e6;
    this.#survey.look(held, end, nowMs);
  }

  #halt(state: State): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'playing') this.#clock.halt(this.#delivery.place());
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
    if (this.#tally.startupMs !== undefined) audience.reached(this.positionMicros / 1e6);
    audience.ended();
  }

  /** What it was sent last can go on. Live goes on with what is on now. */
  #isResumable(): boolean {
    return !this.#p.title.live && this.#delivery.isReady && !this.#delivery.isStranded;
  }

  #isPlaying(): boolean {
    return this.#state === 'playing';
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #result(startMicros: number): PlayResult {
    const { title, options } = this.#p;
    const endMicros = this.#delivery.endMicros;
    const end = endMicros === undefined ? title.durationSeconds : endMicros / 1e6;
    return {
      startSeconds: title.live ? 'now' : startMicros / 1e6,
      endSeconds: title.live ? undefined : end,
      streams: options.streams.map(({ stream }) => ({
        stream,
        sequence: this.timeline.nextSequence(stream),
        rtpTime: this.timeline.rtpTime(stream, startMicros),
      })),
    };
  }
}
