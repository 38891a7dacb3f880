import type { ViewingStart, Viewings } from '../access.js';
import type { Clock } from '../clock.js';
import type { PlayResult, Presentation, ReaderStats } from '../read/library.js';

export interface SessionViewingsOptions {
  readonly viewings: Viewings;
  readonly clock: Clock;
  readonly presentation: Presentation;
  /** Canonical URL that the viewer asked for, whatever it calls this host. */
  readonly resource: string;
}

/** What one session plays, range by range. */
export class SessionViewings {
  readonly #o: SessionViewingsOptions;
  #start: ViewingStart | undefined;

  constructor(options: SessionViewingsOptions) {
    this.#o = options;
  }

  /** A range begins. Live ones are not followed: there is no place in a title to speak of. Nor is what is only skimmed. */
  begin(range: PlayResult | undefined, stats: ReaderStats): void {
    const { clock, presentation, resource } = this.#o;
    const durationSeconds = presentation.durationSeconds ?? range?.endSeconds;
    const startSeconds = range?.startSeconds;
    if (presentation.live || durationSeconds === undefined || typeof startSeconds !== 'number') return;
    if (range?.pace.scale !== 1) return;
    const title = titleOf(resource);
    const [unixMs, nowMs] = [clock.unixMs(), clock.nowMs()];
    this.#start = { title, unixMs, nowMs, durationSeconds, startSeconds, bytes: bytesOf(stats) };
  }

  /** It is over, if there was one. @param endSeconds NPT reached; undefined: not known */
  end(endSeconds: number | undefined, stats: ReaderStats): void {
    const start = this.#start;
    if (start === undefined) return;
    this.#start = undefined;
    this.#o.viewings.finish(start, { nowMs: this.#o.clock.nowMs(), bytes: bytesOf(stats), endSeconds });
  }
}

/** Path and query of a canonical URL. */
export function titleOf(resource: string): string {
  return resource.replace(/^[a-z]+:\/\/[^/?]*/, '');
}

function bytesOf({ bytes: { ram, disk, flight, sibling, pass } }: ReaderStats): number {
  return ram + disk + flight + sibling + pass;
}
