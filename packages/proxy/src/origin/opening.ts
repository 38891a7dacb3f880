import { randomBytes } from 'node:crypto';
import { parseRtspUrl } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { checkWanted, Deadline } from './deadline.js';
import { NOBODY } from './connection.js';
import type { Dialogue } from './dialogue.js';
import { asOriginError, OriginError, type OriginErrorCode } from './errors.js';
import { Intake } from './intake.js';
import type { KeptConnections } from './kept.js';
import { OriginLeg } from './leg.js';
import { ORIGIN_LIMITS } from './limits.js';
import { Negotiation, type Plan, wantsReplay } from './negotiation.js';
import type { OriginProfile } from './profile.js';
import { checkAllowed, type OriginRoute } from './route.js';
import type { OpenOptions, OriginSink } from './session.js';

/** Errors that requests sent in one go may have caused; the same origin is then asked one at a time. */
const PERHAPS_HURRIED: ReadonlySet<OriginErrorCode> = new Set([
  'timeout',
  'origin-closed',
  'refused',
  'not-found',
  'unauthorized',
  'session-gone',
  'protocol',
  'transport',
]);

/** Option not supported: what a request requires. Source: RFC 2326 section 12.32. */
const UNSUPPORTED = 551;

export interface OpeningOptions {
  readonly route: OriginRoute;
  readonly profile: OriginProfile;
  readonly kept: KeptConnections;
  /** A new connection to the host of `url`. */
  readonly connect: (url: string, signal: AbortSignal) => Promise<Dialogue>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly timeoutMs: number;
}

/**
 * Opens a session, falling back from what an origin does not take: the kept connection that turns out dead, requests in
 * one go, the transport. What worked is remembered.
 */
export class Opening {
  readonly #o: OpeningOptions;
  readonly #open: OpenOptions;
  readonly #sink: OriginSink;
  /** Resolves when the origin has got back, or will not take back, what failed attempts left there. */
  farewell: Promise<void> = Promise.resolve();
  #startedMs = 0;
  #plan: Plan;
  #useKept = true;
  /** A first answer that never came is asked for once more. */
  #mayReconnect = true;
  #fellBack = false;

  constructor(options: OpeningOptions, open: OpenOptions, sink: OriginSink) {
    const { route, profile } = options;
    const transport = route.transport ?? 'auto';
    const isAuto = transport === 'auto' && route.baseUrl.scheme === 'rtsp';
    this.#o = options;
    this.#open = open;
    this.#sink = sink;
    this.#plan = {
      lower: isAuto ? (profile.transport ?? 'tcp') : transport === 'udp' ? 'udp' : 'tcp',
      mayChange: isAuto,
      together: profile.pipelines,
      refusedForms: new Set(),
    };
  }

  /** @throws OriginError */
  async run(signal: AbortSignal): Promise<OriginLeg> {
    this.#startedMs = this.#o.clock.nowMs();
    checkAllowed(this.#o.route, parseRtspUrl(this.#open.origin.url, 'origin'));
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(signal);
      if (outcome instanceof OriginLeg) return outcome;
      const { error, plan } = outcome;
      if (plan === undefined || attempt === ORIGIN_LIMITS.attempts || signal.aborted) throw error;
      this.#o.log.debug({ origin: this.#o.profile.route, code: error.code }, 'opening a session otherwise');
      this.#plan = plan;
      // An origin with few sessions must have this one back before it is asked for the next.
      await this.farewell;
      checkWanted(signal);
    }
  }

  async #attempt(signal: AbortSignal): Promise<OriginLeg | Setback> {
    const { clock, timeoutMs } = this.#o;
    const deadline = new Deadline({ clock, ms: timeoutMs, what: 'opening a session', parents: [signal] });
    let dialogue: Dialogue | undefined;
    let negotiation: Negotiation | undefined;
    let reused = false;
    try {
      dialogue = this.#useKept ? this.#o.kept.take(this.#open.origin.url) : undefined;
      reused = dialogue !== undefined;
      this.#useKept = false;
      dialogue ??= await this.#o.connect(this.#open.origin.url, deadline.signal);
      const crew = this.#crew(dialogue);
      negotiation = crew.negotiation;
      const leg = await crew.board(deadline.signal);
      this.#remember(negotiation);
      return leg;
    } catch (cause) {
      const error = asOriginError(cause, 'protocol', 'opening a session');
      if (negotiation === undefined || dialogue === undefined) return { error, plan: undefined };
      const plan = this.#otherwise(error, negotiation, reused || dialogue.challenged);
      this.farewell = negotiation.leave();
      return { error, plan };
    } finally {
      deadline.end();
    }
  }

  /** What else may work, if anything. */
  #otherwise(error: OriginError, negotiation: Negotiation, perhapsStale: boolean): Plan | undefined {
    const plan = { ...this.#plan, refusedForms: negotiation.refusedForms };
    if (error.originStatus === UNSUPPORTED && wantsReplay(this.#open, this.#o.profile)) {
      this.#o.profile.onvifReplay = false;
      return wantsReplay(this.#open, this.#o.profile) ? undefined : plan;
    }
    if (negotiation.transports.mismatched && plan.mayChange) {
      return { ...plan, lower: negotiation.transports.lower === 'tcp' ? 'udp' : 'tcp', mayChange: false };
    }
    if (negotiation.stage === 'together' && PERHAPS_HURRIED.has(error.code)) {
      this.#fellBack ||= !negotiation.challenged;
      return { ...plan, lower: negotiation.transports.lower, together: false };
    }
    const refusedThenClosed = negotiation.refusedForms.size > this.#plan.refusedForms.size;
    if (negotiation.stage !== 'first' || error.code !== 'origin-closed') return undefined;
    if (refusedThenClosed) return plan;
    if (!perhapsStale || !this.#mayReconnect) return undefined;
    this.#mayReconnect = false;
    return plan;
  }

  #remember(negotiation: Negotiation): void {
    const { profile } = this.#o;
    profile.transport = negotiation.transports.lower;
    if (this.#fellBack || negotiation.hurried) profile.pipelines = false;
    else if (negotiation.stage === 'together') profile.pipelinesProven = true;
  }

  /** Everything that one attempt needs, wired together. */
  #crew(dialogue: Dialogue): {
    negotiation: Negotiation;
    board: (signal: AbortSignal) => Promise<OriginLeg>;
  } {
    const { profile, clock, metrics, log, timeoutMs } = this.#o;
    const open = this.#open;
    let leg: OriginLeg | undefined;
    const intake = new Intake({
      streams: open.streams.flatMap((index) => open.origin.description.streams[index] ?? []),
      sink: this.#sink,
      metrics,
      ssrc: randomBytes(4).readUInt32BE(),
      onFirst: () => this.#startedUp(),
      onSourceChanged: () => leg?.sourceChanged(),
      onFull: () => leg?.full(),
    });
    const { connection } = dialogue;
    const bytesBefore = connection.bytesReceived;
    const negotiation = new Negotiation({
      dialogue,
      open,
      plan: this.#plan,
      intake,
      profile,
      clock,
      timeoutMs,
    });
    connection.owner = {
      ...NOBODY,
      frame: (channel, bytes, start, end) => {
        intake.arrivalMs = connection.arrivalMs;
        intake.frame(channel, bytes, start, end);
      },
      read: () => negotiation.read(),
    };
    const board = async (signal: AbortSignal): Promise<OriginLeg> => {
      const reply = await negotiation.run(signal);
      if (connection.closed) throw new OriginError('origin-closed', 'right after PLAY');
      checkWanted(this.#open.signal);
      const common = { profile, clock, metrics, log, timeoutMs };
      leg = new OriginLeg({ negotiation, dialogue, intake, reply, open, bytesBefore, ...common });
      return leg;
    };
    return { negotiation, board };
  }

  #startedUp(): void {
    const { profile, clock, metrics } = this.#o;
    const ms = clock.nowMs() - this.#startedMs;
    profile.startedUp(ms);
    metrics.originStartup.observe({ origin: profile.route }, ms / 1000);
  }
}

/** An attempt that failed, and what to try next. */
interface Setback {
  readonly error: OriginError;
  readonly plan: Plan | undefined;
}
