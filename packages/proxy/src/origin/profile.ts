/** What keeps a session of this origin alive. `reports`: RTCP receiver reports alone. */
export type KeepAliveMethod = 'OPTIONS' | 'GET_PARAMETER' | 'SET_PARAMETER' | 'reports';
/** How a stream's URL is made of base and control; see controls.ts. */
export type ControlForm = 'appended' | 'resolved' | 'request' | 'path';
/** Which URL the origin takes for the whole presentation; see controls.ts. */
export type AggregateForm = 'given' | 'slash' | 'request' | 'stream';

/** Start-ups that count. */
const STARTUP_SAMPLES = 32;
const STARTUP_QUANTILE = 0.9;
const LEAD_MARGIN_SECONDS = 0.3;
const LEAD_UNKNOWN_SECONDS = 2;

/** What is learned of one origin while the proxy runs. */
export class OriginProfile {
  /** Metric label and log field of the route. */
  readonly route: string;
  /** The transport that worked last. */
  transport: 'tcp' | 'udp' | undefined;
  keepAlive: KeepAliveMethod = 'OPTIONS';
  /** False once requests sent in one go were answered wrongly, and one at a time rightly. */
  pipelines = true;
  /** Requests sent in one go were answered as they should. */
  pipelinesProven = false;
  controlForm: ControlForm = 'appended';
  aggregateForm: AggregateForm = 'given';
  /** False once the origin played from somewhere else than asked; undefined while nobody knows. */
  seeks: boolean | undefined;
  /** Methods that the origin says it has; empty while it has not said. */
  methods: ReadonlySet<string> = new Set();
  readonly #startupsMs: number[] = [];

  constructor(route: string) {
    this.route = route;
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

  /**
   * How long before its media is due the origin must be asked:
   *
   *     lead = p90 of the last 32 start-ups + 0.3 s, and 2 s while there was none
   */
  leadSeconds(): number {
    if (this.#startupsMs.length === 0) return LEAD_UNKNOWN_SECONDS;
    const ascending = [...this.#startupsMs].sort((a, b) => a - b);
    const rank = Math.ceil(STARTUP_QUANTILE * ascending.length) - 1;
    return ascending[rank]! / 1000 + LEAD_MARGIN_SECONDS;
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
