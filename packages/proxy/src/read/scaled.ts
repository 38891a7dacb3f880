import type { Pace } from './pace.js';
import { Pass } from './pass.js';
import type { ScalingOrigin } from './playable.js';
import type { RangeSender, SenderParts } from './range-sender.js';
import { Skim, type SkimRange } from './skim.js';
import { findHeldStart } from './start.js';

export interface ScaledWish {
  /** NPT. */
  readonly fromMicros: number;
  readonly endMicros: number | undefined;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

/** A range that is ready to be played at another Scale than 1. */
export interface ScaledRange {
  readonly sender: RangeSender;
  /** NPT of the first picture. */
  readonly startMicros: number;
  /** Takes it up; the timeline has been laid. */
  begin(): void;
}

/** Finds out how a range can be played at another Scale than 1: by the origin, else by key frames of what is held. */
export class Scaled {
  readonly #p: SenderParts;
  readonly #passage: ScalingOrigin | undefined;
  readonly #skim: Skim;
  #pass: Pass | undefined;
  /** The viewer's time after former passes. */
  #passedMicros = 0;

  /** @param passage the way to an origin that scales by itself, where there is one */
  constructor(parts: SenderParts, passage: ScalingOrigin | undefined) {
    this.#p = parts;
    this.#passage = passage;
    this.#skim = new Skim(parts);
  }

  /** The viewer's time after everything that was sent scaled, microseconds. */
  viewerEnd(): number {
    return Math.max(this.#skim.viewerEnd(), this.#pass?.viewerEnd() ?? 0, this.#passedMicros);
  }

  /** @returns undefined where it can only be played normally. */
  async prepare(wish: ScaledWish): Promise<ScaledRange | undefined> {
    const { title, options } = this.#p;
    const isWatched = options.streams.some(({ stream }) => stream === title.reference);
    const range =
      isWatched && title.isVideo ? ((await this.#passed(wish)) ?? (await this.#skimmed(wish))) : undefined;
    const way = range === undefined ? 'normal' : range.sender === this.#skim ? 'key-frames' : 'pass';
    title.shelves.metrics.scaledPlays.inc({ way });
    return range;
  }

  /** By the origin. One that cannot be asked now is asked the next time. */
  async #passed({ fromMicros, endMicros, pace, signal }: ScaledWish): Promise<ScaledRange | undefined> {
    const { title } = this.#p;
    const passage = this.#passage;
    if (passage === undefined || passage.scales === false) return undefined;
    const range: SkimRange = { startMicros: fromMicros, endMicros, scale: pace.scale };
    try {
      const held = await findHeldStart(title, fromMicros);
      const pass = await Pass.open({ ...this.#p, passage }, range, { held, signal });
      if (pass === undefined) return undefined;
      this.#passedMicros = this.viewerEnd();
      this.#pass = pass;
      return { sender: pass, startMicros: pass.startMicros, begin: () => pass.begin() };
    } catch (error) {
      title.shelves.log.debug({ error: String(error) }, 'the origin cannot be asked to scale');
      return undefined;
    }
  }

  /** By key frames: where the position is held, and so is a second of the viewer's time behind it. */
  async #skimmed({ fromMicros, endMicros, pace: { scale } }: ScaledWish): Promise<ScaledRange | undefined> {
    const { title } = this.#p;
    const start = await findHeldStart(title, fromMicros);
    if (start === undefined) return undefined;
    const { startMicros } = start;
    const { last } = title.row;
    const isWorthwhile =
      scale < 0 || last?.last === true || (last?.endMicros ?? 0) - startMicros >= scale * 1e6;
    if (!isWorthwhile) return undefined;
    return {
      sender: this.#skim,
      startMicros,
      begin: () => this.#skim.begin({ startMicros, endMicros, scale }),
    };
  }
}
