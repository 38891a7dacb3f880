import { FillFindings, type FillMethod } from './fill-methods.js';

/** What keeps a session of this origin alive. `reports`: RTCP receiver reports alone. */
export const KEEP_ALIVE_METHODS = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER', 'reports'] as const;
export type KeepAliveMethod = (typeof KEEP_ALIVE_METHODS)[number];
/** How a stream's URL is made of base and control; see controls.ts. */
export const CONTROL_FORMS = ['appended', 'resolved', 'request', 'path'] as const;
export type ControlForm = (typeof CONTROL_FORMS)[number];
/** Which URL the origin takes for the whole presentation; see controls.ts. */
export const AGGREGATE_FORMS = ['given', 'slash', 'request', 'stream'] as const;
export type AggregateForm = (typeof AGGREGATE_FORMS)[number];
/** The unit of ranges that an origin understands. */
export const RANGE_UNITS = ['npt', 'clock'] as const;
export type RangeUnit = (typeof RANGE_UNITS)[number];

/** Start-ups that count. */
export const STARTUP_SAMPLES = 32;
/** An origin that scaled none of so many titles is not asked for others. */
const UNSCALED_TITLES = 2;
/** So many titles in a row in which it did not seek, and it is taken not to in the next. */
const UNSOUGHT_TITLES = 2;
const STARTUP_QUANTILE = 0.9;
const LEAD_MARGIN_SECONDS = 0.3;
const LEAD_UNKNOWN_SECONDS = 2;
/** What was missing once is given on top; of that, so much is left after each time that nothing was missing. */
const SHORTFALL_DECAY = 0.9;
const SHORTFALL_MOST_SECONDS = 30;

/** What the configuration says of an origin, whatever it shows. What is left out is learned. */
export interface ProfileSettings {
  readonly keepAlive?: KeepAliveMethod;
  /** Whether several requests are sent in one go. */
  readonly pipelines?: boolean;
  readonly range?: RangeUnit;
  readonly seeks?: boolean;
  /** Whether SETUP and PLAY of titles carry `Require: onvif-replay`. */
  readonly onvifReplay?: boolean;
  /** Whether the origin is asked for the Scale that a viewer asks for. */
  readonly scales?: boolean;
  /** How titles are fetched ahead of their viewers. */
  readonly fill?: FillMethod | 'real-time';
  readonly leadSeconds?: number;
}

/** What is learned of one origin, and what the configuration says of it instead. */
export class OriginProfile {
  /** Metric label and log field of the route. */
  readonly route: string;
  readonly fill: FillFindings;
  /** The transport that worked last. */
  transport: 'tcp' | 'udp' | undefined;
  /** Requests sent in one go were answered as they should. */
  pipelinesProven = false;
  controlForm: ControlForm = 'appended';
  aggregateForm: AggregateForm = 'given';
  /** It says BYE at the end of a title, as it did with the last one; undefined while nobody knows. */
  saysBye: boolean | undefined;
  /** Methods that the origin says it has; empty while it has not said. */
  methods: ReadonlySet<string> = new Set();
  /** Sessions that the origin has at a time, as it turned out; undefined while it has not refused one. */
  sessionLimit: number | undefined;
  readonly #settings: ProfileSettings;
  #keepAlive: KeepAliveMethod = 'OPTIONS';
  #pipelines = true;
  #range: RangeUnit | undefined;
  #seeks: boolean | undefined;
  /** Titles in a row in which it did not seek. */
  #unsoughtTitles = 0;
  #onvifReplay: boolean | undefined;
  #startupsMs: number[] = [];
  /** Titles in a row that it was asked to scale, and did not. */
  #unscaledTitles = 0;
  #shortfallSeconds = 0;

  constructor(route: string, settings: ProfileSettings = {}) {
    this.route = route;
    this.#settings = settings;
    this.fill = new FillFindings(settings.fill);
  }

  get keepAlive(): KeepAliveMethod {
    return this.#settings.keepAlive ?? this.#keepAlive;
  }

  set keepAlive(method: KeepAliveMethod) {
    this.#keepAlive = method;
  }

  /** False once requests sent in one go were answered wrongly, and one at a time rightly. */
  get pipelines(): boolean {
    return this.#settings.pipelines ?? this.#pipelines;
  }

  set pipelines(does: boolean) {
    this.#pipelines = does;
  }

  /** The unit of ranges; undefined: the one in which the title is described. */
  get range(): RangeUnit | undefined {
    return this.#settings.range ?? this.#range;
  }

  set range(unit: RangeUnit | undefined) {
    this.#range = unit;
  }

  /** Whether the origin seeks in titles in which it was not tried yet: false once it did not in several, undefined while nobody knows. */
  get seeks(): boolean | undefined {
    return this.#settings.seeks ?? this.#seeks;
  }

  set seeks(does: boolean | undefined) {
    this.#seeks = does;
    this.#unsoughtTitles = does === false ? UNSOUGHT_TITLES : 0;
  }

  /** What the configuration says of all its titles. */
  get fixedSeeks(): boolean | undefined {
    return this.#settings.seeks;
  }

  /** What became of the first seek in a title. */
  sought(does: boolean): void {
    this.#unsoughtTitles = does ? 0 : this.#unsoughtTitles + 1;
    if (does) this.#seeks = true;
    else if (this.#unsoughtTitles >= UNSOUGHT_TITLES) this.#seeks = false;
  }

  /** Whether titles are asked for with `Require: onvif-replay`; undefined while nothing suggests it. */
  get onvifReplay(): boolean | undefined {
    return this.#settings.onvifReplay ?? this.#onvifReplay;
  }

  set onvifReplay(does: boolean | undefined) {
    this.#onvifReplay = does;
  }

  /** False once the origin scaled none of several titles; undefined while it is worth a try. */
  get scales(): boolean | undefined {
    return this.#settings.scales ?? (this.#unscaledTitles >= UNSCALED_TITLES ? false : undefined);
  }

  /** What became of the first try with a title. */
  scaled(does: boolean): void {
    this.#unscaledTitles = does ? 0 : this.#unscaledTitles + 1;
  }

  /** What was learned, whatever the configuration says instead. */
  get learned(): {
    readonly keepAlive: KeepAliveMethod;
    readonly pipelines: boolean;
    readonly range: RangeUnit | undefined;
    readonly seeks: boolean | undefined;
    readonly onvifReplay: boolean | undefined;
  } {
    return {
      keepAlive: this.#keepAlive,
      pipelines: this.#pipelines,
      range: this.#range,
      seeks: this.#seeks,
      onvifReplay: this.#onvifReplay,
    };
  }

  /** @param ms from the question to the first RTP packet */
  startedUp(ms: number): void {
    this.#startupsMs.push(ms);
    if (this.#startupsMs.length > STARTUP_SAMPLES) this.#startupsMs.shift();
  }

  /** The last start-ups, oldest first, milliseconds. */
  get startupsMs(): readonly number[] {
    return this.#startupsMs;
  }

  set startupsMs(ms: readonly number[]) {
    this.#startupsMs = ms.slice(-STARTUP_SAMPLES);
  }

  /**
   * Media came that was asked for with the lead.
   * @param lateSeconds after it was due; before it where negative
   */
  arrived(lateSeconds: number): void {
    this.#shortfallSeconds =
      lateSeconds > 0
        ? Math.min(SHORTFALL_MOST_SECONDS, this.#shortfallSeconds + lateSeconds)
        : this.#shortfallSeconds * SHORTFALL_DECAY;
  }

  /**
   * How long before its media is due the origin must be asked:
   *
   *     lead = p90 of the last 32 start-ups + 0.3 s + shortfall, and 2 s + shortfall while there was none
   *
   * where the shortfall is what leads were too short by, less a tenth for each that was long enough.
   */
  leadSeconds(): number {
    const fixed = this.#settings.leadSeconds;
    if (fixed !== undefined) return fixed;
    const startupMs = this.startupMs(STARTUP_QUANTILE);
    const usual = startupMs === undefined ? LEAD_UNKNOWN_SECONDS : startupMs / 1000 + LEAD_MARGIN_SECONDS;
    return usual + this.#shortfallSeconds;
  }

  /** A quantile of the last start-ups, milliseconds; undefined while there was none. @param share 0 to 1 */
  startupMs(share: number): number | undefined {
    if (this.#startupsMs.length === 0) return undefined;
    const ascending = [...this.#startupsMs].sort((a, b) => a - b);
    return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)];
  }

  /** Takes in the Public header of an answer. */
  advertises(publicHeader: string | undefined): void {
    if (publicHeader === undefined) return;
    const names = publicHeader.toUpperCase().split(/[\s,]+/, 32);
    this.methods = new Set(names.filter((name) => name !== ''));
  }

  /** The origin refused this keep-alive method: the next one that it says it has, else reports alone. */
  keepAliveRefused(method: KeepAliveMethod): void {
    if (method === this.keepAlive) this.keepAlive = this.#following(method) ?? 'reports';
  }

  /** A session ended as if nothing had kept it alive: the next method, if the origin says it has one. */
  keepAliveDoubted(method: KeepAliveMethod): void {
    if (method === this.keepAlive) this.keepAlive = this.#following(method) ?? method;
  }

  #following(method: KeepAliveMethod): KeepAliveMethod | undefined {
    const order: readonly KeepAliveMethod[] = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER'];
    return order.slice(order.indexOf(method) + 1).find((next) => this.methods.has(next));
  }
}
