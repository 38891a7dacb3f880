import { formatTransport, type RtspResponse, type StreamDescription } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Question } from './connection.js';
import { aggregateUrls, streamUrls } from './controls.js';
import { Deadline } from './deadline.js';
import type { Dialogue } from './dialogue.js';
import { asOriginError, errorOfStatus, OriginError } from './errors.js';
import type { Intake } from './intake.js';
import { ORIGIN_LIMITS } from './limits.js';
import type { ControlForm, OriginProfile } from './profile.js';
import { formatSpan, type Span } from './range.js';
import { type PlayReply, readPlayReply } from './reply.js';
import { fillHeaders } from './fill-methods.js';
import { formatReports } from './reports.js';
import { SessionName } from './session-name.js';
import type { OpenOptions } from './session.js';
import { Transports, type Way } from './transports.js';

/** Answers after which another spelling of a stream's URL is worth a try. */
const MISSPELT_STREAM = new Set([400, 404]);
/** The same for the presentation's URL: 459 and 460 say that the other kind of URL is wanted. */
const MISSPELT_AGGREGATE = new Set([400, 404, 405, 459, 460]);
/** A nonce that is stale, or that the origin takes once only. */
const CHALLENGED = 401;
/** PLAY came before the origin was done with SETUP. */
const TOO_SOON = 455;
/** Not implemented: Range is in a unit that the origin does not know. Source: RFC 2326 section 12.29. */
const OTHER_UNIT = 501;
/** A recorder that has the ONVIF replay service says so of its streams. Source: ONVIF Streaming Specification 6.2. */
const ONVIF_TRACK = /^a=x-onvif-track:/m;

/** A stream that was set up. */
export interface Track extends Way {
  /** Position among the session's streams. */
  readonly place: number;
  /** Index in the description. */
  readonly stream: number;
  readonly url: string;
}

/** How a session is negotiated; what fails is tried otherwise. */
export interface Plan {
  readonly lower: 'tcp' | 'udp';
  /** Whether the other transport may be taken on 461. */
  readonly mayChange: boolean;
  /** Whether SETUPs behind the first, and PLAY, are sent in one go. */
  readonly together: boolean;
  /** Spellings of stream URLs that the origin refused. */
  readonly refusedForms: ReadonlySet<ControlForm>;
}

/** Whether a session is opened with `Require: onvif-replay`. */
export function wantsReplay(open: OpenOptions, profile: OriginProfile): boolean {
  if (open.startSeconds === undefined) return false;
  return profile.onvifReplay ?? ONVIF_TRACK.test(open.origin.description.text);
}

export interface NegotiationOptions {
  readonly dialogue: Dialogue;
  readonly open: OpenOptions;
  readonly plan: Plan;
  readonly intake: Intake;
  readonly profile: OriginProfile;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/**
 * SETUP of every stream, and PLAY, over one connection.
 *
 *     SETUP a                 one round trip: what transport, which spelling, which session
 *     SETUP b, ..., PLAY      another one, where the origin takes requests in one go
 */
export class Negotiation {
  /** How far it came: nothing is set up, requests were sent in one go, or one at a time. */
  stage: 'first' | 'together' | 'singly' = 'first';
  readonly refusedForms: Set<ControlForm>;
  /** PLAY, sent in one go with SETUP, was refused as too soon. */
  hurried = false;
  /** Of requests sent in one go some were answered with 401: what comes of it does not say whether the origin takes them so. */
  challenged = false;
  readonly name = new SessionName();
  readonly transports: Transports;
  aggregateUrl: string;
  readonly tracks: Track[] = [];
  readonly #o: NegotiationOptions;
  readonly #streams: readonly StreamDescription[];
  readonly #requires: readonly [string, string][];
  #form: ControlForm;
  /** Whether the origin's next answer waits for an acknowledgement of the last one. */
  #prompt: 'unneeded' | 'needed' | 'sent' = 'unneeded';

  constructor(options: NegotiationOptions) {
    const { open, plan, profile } = options;
    this.#o = options;
    const { lower, mayChange } = plan;
    const { intake, clock, dialogue } = options;
    this.transports = new Transports({ lower, mayChange, intake, clock, connection: dialogue.connection });
    this.refusedForms = new Set(plan.refusedForms);
    this.#form = profile.controlForm;
    this.aggregateUrl = open.origin.url;
    this.#requires = wantsReplay(open, profile) ? [['Require', 'onvif-replay']] : [];
    if (open.streams.length === 0) throw new RangeError('no streams');
    this.#streams = open.streams.map((index) => {
      const stream = open.origin.description.streams[index];
      if (stream === undefined) throw new RangeError(`no stream ${index}`);
      return stream;
    });
  }

  /** @throws OriginError; then `stage` and the rest say what else might work */
  async run(signal: AbortSignal): Promise<PlayReply> {
    await this.#setUp(0, signal);
    const rest = this.#streams.map((_, place) => place).slice(1);
    if (this.#o.plan.together && rest.length > 0) {
      this.stage = 'together';
      return this.#together(rest, signal);
    }
    this.stage = 'singly';
    for (const place of rest) await this.#setUp(place, signal);
    return this.#play(signal, false);
  }

  /** Headers of a PLAY, besides Session. @param span undefined for live media, which is never sent a Range */
  playHeaders(span: Span | undefined): [string, string][] {
    const { open, profile } = this.#o;
    if (span === undefined) return [];
    const range = formatSpan(open.origin.description, span, profile.range);
    return [['Range', range], ...this.#requires, ...fillHeaders(open.fill), ...scaleHeaders(open.scale)];
  }

  /**
   * Gives the session back: TEARDOWN, its answer awaited at most 2 s, then the connection is destroyed. The request is
   * sent before this returns its promise. Never rejects.
   */
  async leave(): Promise<void> {
    const { dialogue, clock, intake } = this.#o;
    const { connection } = dialogue;
    intake.drop();
    this.transports.close();
    if (this.name.id === '' || connection.closed) {
      connection.destroy();
      return;
    }
    const deadline = new Deadline({ clock, ms: ORIGIN_LIMITS.teardownMs, what: 'TEARDOWN' });
    connection.resumeReading();
    try {
      await dialogue.ask(
        { method: 'TEARDOWN', url: this.aggregateUrl, headers: this.#session },
        deadline.signal,
      );
    } catch {
      // It is over either way.
    } finally {
      deadline.end();
      connection.destroy();
    }
  }

  /**
   * A read ended. Where the answers to requests sent in one go come one by one, the origin is probably holding the next
   * one back until this one is acknowledged (Nagle's algorithm), which our kernel delays by 40 ms while there is nothing
   * to send. OPTIONS is something to send, and its answer tells which methods the origin has. Measured with GStreamer
   * 1.22 over loopback: PLAY answered after 45 ms without, after 4 with it.
   */
  read(): void {
    const { dialogue, profile } = this.#o;
    if (this.#prompt !== 'needed') return;
    this.#prompt = 'sent';
    const question = { method: 'OPTIONS', url: this.aggregateUrl, headers: this.#session };
    // Nobody waits for the answer; it ends with the connection at the latest.
    dialogue.ask(question, new AbortController().signal).then(
      (response) => profile.advertises(response.headers.get('public')),
      () => undefined,
    );
  }

  /** Sets up one stream, spelling its URL as the origin wants it. */
  async #setUp(place: number, signal: AbortSignal): Promise<void> {
    const all = this.#urls(place);
    const fresh = all.filter(({ form }) => !this.refusedForms.has(form));
    let refused: OriginError | undefined;
    for (const { form, url } of fresh.length > 0 ? fresh : all) {
      let response = await this.#askSetup(place, url, signal);
      if (response.status === 461 && this.stage === 'first' && this.transports.change()) {
        response = await this.#askSetup(place, url, signal);
      }
      if (response.status === 200) {
        this.#accept(place, url, response);
        this.#form = form;
        return;
      }
      refused = errorOfStatus('SETUP', response.status);
      if (!MISSPELT_STREAM.has(response.status)) throw refused;
      if (this.stage === 'first') this.refusedForms.add(form);
    }
    throw refused ?? new OriginError('refused', 'SETUP');
  }

  async #askSetup(place: number, url: string, signal: AbortSignal): Promise<RtspResponse> {
    return this.#o.dialogue.ask(await this.#setupQuestion(place, url, signal), signal);
  }

  /** SETUP of the others and PLAY in one write; what was challenged again, and PLAY where only that went wrong. */
  async #together(rest: readonly number[], signal: AbortSignal): Promise<PlayReply> {
    const { dialogue, profile, timeoutMs, clock, intake } = this.#o;
    // Where it is not known to work, half of the time is left for doing without.
    const ms = profile.pipelinesProven ? timeoutMs : timeoutMs / 2;
    const deadline = new Deadline({ clock, ms, what: 'setting up in one go', parents: [signal] });
    try {
      const urls = rest.map((place) => this.#urls(place).find(({ form }) => form === this.#form)?.url);
      const questions: Question[] = [];
      for (const [i, place] of rest.entries()) {
        questions.push(await this.#setupQuestion(place, urls[i] ?? this.#urls(place)[0]!.url, signal));
      }
      const [spelling] = this.#aggregates();
      this.aggregateUrl = spelling!.url;
      intake.ask();
      const asked = [...questions, this.#playQuestion(spelling!.url)];
      const outcomes = await dialogue.askTogether(asked, deadline.signal);
      this.challenged = outcomes.some((o) => o.status === 'fulfilled' && o.value.status === CHALLENGED);
      const responses = outcomes.map((outcome) => {
        if (outcome.status === 'rejected') throw asOriginError(outcome.reason, 'protocol', 'no answer');
        return outcome.value;
      });
      const answer = responses.at(-1)!;
      for (const [i, place] of rest.entries()) {
        const { status } = responses[i]!;
        // Beside a PLAY that was taken no stream can be set up any more.
        if (status === CHALLENGED && answer.status !== 200) await this.#setUp(place, deadline.signal);
        else if (status !== 200) throw errorOfStatus('SETUP', status);
        else this.#accept(place, questions[i]!.url, responses[i]!);
      }
      if (this.challenged) return await this.#play(deadline.signal, false);
      this.hurried = answer.status === TOO_SOON;
      if (answer.status === 200) return this.#playing(spelling!.url, answer);
      if (!this.hurried && !MISSPELT_AGGREGATE.has(answer.status))
        return await this.#playInNpt(errorOfStatus('PLAY', answer.status), deadline.signal);
      return await this.#play(deadline.signal, !this.hurried);
    } finally {
      deadline.end();
    }
  }

  async #play(signal: AbortSignal, others: boolean): Promise<PlayReply> {
    try {
      return await this.#playSpelt(signal, others);
    } catch (error) {
      return await this.#playInNpt(error, signal);
    }
  }

  /** PLAY once more, where the origin does not know the time of day by which it describes itself. @throws `refusal` */
  async #playInNpt(refusal: unknown, signal: AbortSignal): Promise<PlayReply> {
    const { profile, open } = this.#o;
    const isOther = refusal instanceof OriginError && refusal.originStatus === OTHER_UNIT;
    if (!isOther || open.origin.description.range?.unit !== 'clock' || profile.range !== undefined)
      throw refusal;
    profile.range = 'npt';
    return await this.#playSpelt(signal, false).catch((again: unknown) => {
      profile.range = undefined;
      throw again;
    });
  }

  /** @param others leaves out the likeliest spelling, which was refused already */
  async #playSpelt(signal: AbortSignal, others: boolean): Promise<PlayReply> {
    let refused: OriginError | undefined;
    for (const { form, url } of this.#aggregates().slice(others ? 1 : 0)) {
      this.#o.intake.ask();
      const response = await this.#o.dialogue.ask(this.#playQuestion(url), signal);
      if (response.status === 200) {
        this.#o.profile.aggregateForm = form;
        return this.#playing(url, response);
      }
      refused = errorOfStatus('PLAY', response.status);
      if (!MISSPELT_AGGREGATE.has(response.status)) break;
    }
    throw refused ?? new OriginError('refused', 'PLAY');
  }

  #playing(url: string, response: RtspResponse): PlayReply {
    const { open, profile } = this.#o;
    this.aggregateUrl = url;
    this.name.note(response);
    if (this.#requires.length > 0) profile.onvifReplay = true;
    profile.controlForm = this.#form;
    // The answer opens the origin's firewall as well as its sender: now is the time for a second punch.
    this.#punch(this.tracks);
    return readPlayReply(response, open.origin.description, this.tracks);
  }

  #urls(place: number): ReturnType<typeof streamUrls> {
    return streamUrls(this.#o.open.origin, this.#streams[place]?.control, this.#form);
  }

  #aggregates(): ReturnType<typeof aggregateUrls> {
    const only = this.#streams.length === 1 ? this.tracks[0]?.url : undefined;
    return aggregateUrls(this.#o.open.origin, this.#o.profile.aggregateForm, only);
  }

  async #setupQuestion(place: number, url: string, signal: AbortSignal): Promise<Question> {
    const transport = formatTransport(await this.transports.offer(place, signal));
    const headers: [string, string][] = [['Transport', transport], ...this.#session, ...this.#requires];
    const answered = (response: RtspResponse): void => {
      if (response.status !== 200) return;
      this.transports.expect(place, response);
      const isFollowed = this.stage === 'together' && !this.challenged;
      if (isFollowed && this.#prompt === 'unneeded') this.#prompt = 'needed';
    };
    return { method: 'SETUP', url, headers, answered };
  }

  #playQuestion(url: string): Question {
    const { open, intake } = this.#o;
    const { startSeconds, endSeconds } = open;
    const span = startSeconds === undefined ? undefined : { startSeconds, endSeconds };
    const headers = [...this.#session, ...this.playHeaders(span)];
    const answered = (response: RtspResponse): void => {
      if (response.status === 200) intake.answered();
      this.#prompt = 'unneeded';
    };
    return { method: 'PLAY', url, headers, answered };
  }

  #accept(place: number, url: string, response: RtspResponse): void {
    this.name.note(response);
    if (this.name.id === '') throw new OriginError('session', 'SETUP was answered without one');
    const way = this.transports.agree(place, response);
    const track = { ...way, place, stream: this.#streams[place]!.index, url };
    this.tracks.push(track);
    this.#punch([track]);
  }

  /** Opens the way for UDP media from the origin to us. */
  #punch(tracks: readonly Track[]): void {
    for (const { place, udp } of tracks) udp?.punch(formatReports(this.#o.intake, place, {}));
  }

  get #session(): [string, string][] {
    return this.name.id === '' ? [] : [['Session', this.name.id]];
  }
}

function scaleHeaders(scale: number | undefined): [string, string][] {
  return scale === undefined ? [] : [['Scale', scale.toFixed(3)]];
}
