import type { PacketRun } from '@forebay/cache';
import { OriginError } from '../origin/errors.js';
import type { OriginSink } from '../origin/session.js';
import { packetTicks, type Start } from './cursor.js';
import { PATIENCE_MS } from './patience.js';
import type { Place } from '../fill/row.js';
import { PassBuffer } from './pass-buffer.js';
import type { PassedSession, ScalingOrigin } from './playable.js';
import { FAREWELL_MS, RANGE_STEP_MICROS, type RangeSender, type SenderParts } from './range-sender.js';
import { microsByHash, type Scaling, scalingOf } from './scaling.js';
import type { SkimRange } from './skim.js';

/** An origin that is not there by then is not worth waiting for: there are key frames, or normal play. */
const OPEN_MS = 2000;
/** It shows by then whether the origin scales. */
const JUDGE_MS = 1500;
const LOOK_MS = 50;
/** What waits for the viewer: beyond the first the origin is held back, below the second it goes on. */
const WAITING_BYTES = { pause: 2 << 20, resume: 512 << 10 } as const;
/** Parameter sets may stand before the first picture. */
const FIRST_PACKETS = 16;
/** Behind the end of the range by this, NPT over scale, nothing comes any more. */
const OVERDUE_MS = 1500;

export interface PassParts extends SenderParts {
  readonly passage: ScalingOrigin;
}

/**
 * Passes on what an origin sends that scales by itself, in a session of the viewer's own. Packets go to the viewer in the
 * rhythm in which they came, later by what it took to judge them.
 */
export class Pass implements RangeSender, OriginSink {
  readonly #p: PassParts;
  readonly #range: SkimRange;
  readonly #buffer: PassBuffer;
  /** Streams that the origin has said goodbye on. */
  readonly #ended = new Set<number>();
  #session: PassedSession | undefined;
  /** By how much they go out later than they came. */
  #delayMs = 0;
  #state: 'judging' | 'ready' | 'playing' | 'over' = 'judging';
  #isHeldBack = false;
  #outcome: 'end' | 'failed' | undefined;
  #sentMs = 0;
  #viewerEndMicros = 0;
  /** NPT. */
  startMicros: number;

  private constructor(parts: PassParts, range: SkimRange) {
    this.#p = parts;
    this.#range = range;
    this.startMicros = range.startMicros;
    this.#buffer = new PassBuffer(parts.title);
  }

  /**
   * @param held what is held where the range begins, to compare with
   * @returns undefined where the origin does not scale, which is remembered
   * @throws OriginError where it cannot be asked now
   */
  static async open(
    parts: PassParts,
    range: SkimRange,
    o: { readonly held: Start | undefined; readonly signal: AbortSignal },
  ): Promise<Pass | undefined> {
    const pass = new Pass(parts, range);
    try {
      const session = await pass.#open(o.signal);
      const scaling = await pass.#judge(session, o);
      parts.passage.learn(scaling !== 'none');
      if (scaling === 'none') pass.end();
      else pass.#settle(scaling);
      return scaling === 'none' ? undefined : pass;
    } catch (error) {
      pass.end();
      throw error;
    }
  }

  readonly held: Place | undefined = undefined;

  get endMicros(): number | undefined {
    return this.#range.endMicros ?? (this.#range.scale < 0 ? 0 : undefined);
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** Takes up the range, laid on the timeline already. */
  begin(): void {
    const { timeline, options } = this.#p;
    for (const { stream } of options.streams) timeline.place(stream, 0, this.startMicros);
  }

  start(): number {
    this.#state = 'playing';
    this.#delayMs = this.#p.clock.nowMs - this.#buffer.epochMs;
    return this.startMicros;
  }

  turn(nowMs: number): 'end' | 'failed' | undefined {
    this.#send(nowMs);
    this.#holdBack();
    if (!this.#buffer.isSent) return undefined;
    if (this.#outcome === undefined && this.#isOverdue(nowMs)) this.#outcome = 'end';
    if (this.#outcome === undefined && nowMs - this.#sentMs >= PATIENCE_MS.flying.giveUp)
      this.#outcome = 'failed';
    return nowMs - this.#sentMs < FAREWELL_MS ? undefined : this.#outcome;
  }

  nextTurnMs(nowMs: number): number {
    const { tempo, options } = this.#p;
    const { isSent, run, next, epochMs } = this.#buffer;
    if (isSent || !options.sink.writable()) return nowMs + tempo.waitMs(Infinity);
    const dueMs = run.dueMicros[next]! / 1000 + epochMs + this.#delayMs - nowMs;
    return nowMs + Math.min(tempo.waitMs(Math.max(0, dueMs)), tempo.waitMs(Infinity));
  }

  place(): number {
    return Math.max(0, Math.round(this.#p.clock.positionMicros));
  }

  viewerEnd(): number {
    return this.#viewerEndMicros;
  }

  halt(): void {
    this.end();
  }

  end(): void {
    this.#state = 'over';
    this.#session?.close().catch(() => undefined);
  }

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    const saidTicks = this.#session?.reply.rtpInfo[stream]?.rtptime;
    this.#buffer.take(stream, bytes, { start, end, nowMs: this.#p.clock.nowMs, saidTicks });
  }

  senderReport(): void {
    // The viewer's reports are made of its own timeline.
  }

  bye(stream: number): void {
    this.#ended.add(stream);
    if (this.#p.options.streams.every((each) => this.#ended.has(each.stream))) this.#outcome ??= 'end';
  }

  closed(error: OriginError | undefined): void {
    if (this.#state !== 'over') this.#outcome ??= error === undefined ? 'end' : 'failed';
  }

  async #open(signal: AbortSignal): Promise<PassedSession> {
    const { passage, options, title } = this.#p;
    const { startMicros, endMicros, scale } = this.#range;
    const opening = new AbortController();
    const giveUp = (): void => opening.abort(new OriginError('timeout', 'the origin takes too long'));
    const timer = title.shelves.clock.setTimeout(giveUp, OPEN_MS);
    signal.addEventListener('abort', giveUp);
    try {
      this.#session = await passage.open(
        {
          streams: options.streams.map(({ stream }) => stream),
          startSeconds: startMicros / 1e6,
          ...(endMicros === undefined ? {} : { endSeconds: endMicros / 1e6 }),
          scale,
          signal: opening.signal,
        },
        this,
      );
      return this.#session;
    } finally {
      title.shelves.clock.clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** @throws OriginError when the session ends, or the viewer goes, before it shows */
  async #judge(
    session: PassedSession,
    { held, signal }: { readonly held: Start | undefined; readonly signal: AbortSignal },
  ): Promise<Scaling> {
    const { title } = this.#p;
    const { clock } = title.shelves;
    const { scale, speed } = session.reply;
    if (scale === 1 && (speed ?? 1) === 1) return 'none';
    const said = (scale ?? 1) * (speed ?? 1);
    const heldMicros = held === undefined ? new Map<number, number>() : microsByHash(title, held);
    const stream = title.streams[title.reference]!;
    let untilMs = clock.nowMs() + JUDGE_MS;
    session.start();
    for (;;) {
      const isLast = clock.nowMs() >= untilMs || this.#outcome !== undefined;
      const scaling = scalingOf({
        run: this.#buffer.run,
        reference: title.reference,
        clockRate: stream.clockRate,
        scale: this.#range.scale,
        isAnnounced: Math.abs(said - this.#range.scale) < 0.01,
        heldMicros,
        isIntraOnly: stream.classifier?.intraOnly === true,
        isLast,
      });
      if (signal.aborted) throw new OriginError('aborted', 'the viewer went away');
      if (this.#outcome === 'failed') throw new OriginError('origin-closed', 'before it showed its pace');
      if (scaling === undefined && isLast) throw new OriginError('timeout', 'its pace does not show in time');
      if (scaling !== undefined) {
        this.startMicros = this.#startOf(session, heldMicros);
        return scaling;
      }
      this.#holdBack();
      const lookedMs = clock.nowMs();
      await new Promise<void>((resolve) => clock.setTimeout(resolve, LOOK_MS));
      // Time in which this process did not come to look does not count against the origin.
      untilMs += Math.max(0, clock.nowMs() - lookedMs - LOOK_MS);
    }
  }

  /** NPT of the first picture: what it is, else what the reply says, else what was asked for. */
  #startOf({ reply: { range } }: PassedSession, heldMicros: ReadonlyMap<number, number>): number {
    const { run } = this.#buffer;
    for (let i = 0; i < run.count && i < FIRST_PACKETS; i++) {
      const micros = heldMicros.get(run.hashes[i]!);
      if (micros !== undefined) return micros;
    }
    const said = range?.unit === 'npt' ? range.start : undefined;
    return typeof said === 'number' ? Math.round(said * 1e6) : this.#range.startMicros;
  }

  #settle(scaling: Scaling): void {
    this.#state = 'ready';
    this.#buffer.settle(scaling === 'npt' ? this.#range.scale : 1);
  }

  #send(nowMs: number): void {
    const { options, timeline, tally, tempo } = this.#p;
    const buffer = this.#buffer;
    const { run } = buffer;
    const dueMicros = (nowMs - buffer.epochMs - this.#delayMs) * 1000;
    const batches = buffer.isSent ? 0 : tempo.batches(dueMicros - run.dueMicros[buffer.next]!);
    for (let batch = 0; batch < batches && !buffer.isSent; batch++) {
      if (run.dueMicros[buffer.next]! > dueMicros || !options.sink.writable()) break;
      const from = buffer.next;
      const byteLimit = run.offsets[from]! + tempo.batchBytes;
      let to = from + 1;
      while (to < run.count && run.dueMicros[to]! <= dueMicros && run.offsets[to + 1]! <= byteLimit) to++;
      tally.sent('pass', options.sink.send(run, from, to, timeline), nowMs);
      buffer.next = to;
      this.#sentMs = nowMs;
      this.#noteEnd(run, to - 1);
    }
    buffer.renew();
  }

  #noteEnd(run: PacketRun, i: number): void {
    const { timeline, title } = this.#p;
    const rate = title.streams[run.streams[i]!]?.clockRate ?? 90_000;
    const sentMicros = ((packetTicks(run, i) | 0) * 1e6) / rate;
    const atMicros = timeline.viewerMicros(this.startMicros) + sentMicros + RANGE_STEP_MICROS;
    this.#viewerEndMicros = Math.max(this.#viewerEndMicros, atMicros);
  }

  #holdBack(): void {
    const isTooMuch =
      this.#buffer.waitingBytes > (this.#isHeldBack ? WAITING_BYTES.resume : WAITING_BYTES.pause);
    if (isTooMuch === this.#isHeldBack) return;
    this.#isHeldBack = isTooMuch;
    if (isTooMuch) this.#session?.pauseReading();
    else this.#session?.resumeReading();
  }

  #isOverdue(nowMs: number): boolean {
    const { title, clock } = this.#p;
    const end = this.endMicros ?? (title.durationSeconds ?? Infinity) * 1e6;
    return (clock.dueMicros(nowMs) - end) / this.#range.scale > OVERDUE_MS * 1000;
  }
}
