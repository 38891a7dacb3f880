/** Ways to ask an origin for a title faster than it plays, best first. */
export const FILL_METHODS = ['rate-control', 'speed', 'scale'] as const;
export type FillMethod = (typeof FILL_METHODS)[number];

/** Asked for with Speed and Scale. */
const FACTOR = '4.0';
/** From here on a method is worth asking for. */
const FASTER_FACTOR = 1.5;
/** What was found is believed for so long; then the origin may have changed. */
const BELIEVED_MS = 7 * 24 * 3_600_000;

/**
 * - `faster`: the same packets in less time
 * - `no-faster`: the same packets, at the pace of the media
 * - `unequal`: other packets than a normal play, or others' distances between timestamps: never stored
 * - `refused`: PLAY was answered with an error
 */
export const FILL_VERDICTS = ['faster', 'no-faster', 'unequal', 'refused'] as const;
export type FillVerdict = (typeof FILL_VERDICTS)[number];

/** What became of a method at an origin. */
export interface FillFinding {
  readonly verdict: FillVerdict;
  /** Media time over wall time; 0 where nothing was measured. */
  readonly factor: number;
  readonly unixMs: number;
}

/** Headers of the PLAY that asks for `method`. Source: ONVIF Streaming Specification 6.4; RFC 2326 sections 12.34 and 12.35. */
export function fillHeaders(method: FillMethod | undefined): [string, string][] {
  if (method === 'rate-control') return [['Rate-Control', 'no']];
  if (method === 'speed') return [['Speed', FACTOR]];
  return method === 'scale' ? [['Scale', FACTOR]] : [];
}

/** Methods that do not do for some title, whatever they do for others. */
type Except = ReadonlySet<FillMethod>;
const NOTHING: Except = new Set();

/** What was found of the fill methods of one origin. */
export class FillFindings {
  readonly #fixed: FillMethod | 'real-time' | undefined;
  readonly #found = new Map<FillMethod, FillFinding>();
  /** By method: the title with which it failed, where it has not been faster since. */
  readonly #failed = new Map<FillMethod, string>();

  /** @param fixed the one to use, by configuration; undefined: what was found decides */
  constructor(fixed: FillMethod | 'real-time' | undefined) {
    this.#fixed = fixed;
  }

  get entries(): ReadonlyMap<FillMethod, FillFinding> {
    return this.#found;
  }

  note(method: FillMethod, finding: FillFinding): void {
    this.#found.set(method, finding);
  }

  /** The packets of a normal play came `factor` times as fast as they play. */
  measured(method: FillMethod, factor: number, unixMs: number): void {
    this.note(method, { verdict: factor >= FASTER_FACTOR ? 'faster' : 'no-faster', factor, unixMs });
    this.#failed.delete(method);
  }

  /** It did not do for `title`. One odd title says little of an origin: that is noted once it does not for another one, too. */
  failed(method: FillMethod, title: string, finding: FillFinding): void {
    const before = this.#failed.get(method);
    if (before === undefined) this.#failed.set(method, title);
    else if (before !== title) this.note(method, finding);
  }

  /** The best method that was faster and brought what a normal play brings. */
  proven(unixMs: number, except = NOTHING): FillMethod | undefined {
    return this.#allowed().find((m) => !except.has(m) && this.#verdict(m, unixMs) === 'faster');
  }

  /** The method to ask for next: one that is proven, else the first that nobody has tried. */
  next(unixMs: number, except = NOTHING): FillMethod | undefined {
    const isUntried = (m: FillMethod): boolean => !except.has(m) && this.#verdict(m, unixMs) === undefined;
    return this.proven(unixMs, except) ?? this.#allowed().find(isUntried);
  }

  #allowed(): readonly FillMethod[] {
    if (this.#fixed === undefined) return FILL_METHODS;
    return this.#fixed === 'real-time' ? [] : [this.#fixed];
  }

  #verdict(method: FillMethod, unixMs: number): FillVerdict | undefined {
    const found = this.#found.get(method);
    return found === undefined || Math.abs(unixMs - found.unixMs) > BELIEVED_MS ? undefined : found.verdict;
  }
}
