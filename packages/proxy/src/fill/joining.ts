import { ROLE } from '@forebay/rtp';
import type { Arrival } from './arrival.js';
import type { StreamJoin } from './join.js';
import type { Held } from './row.js';
import { type Head, headOf, joinsBehind } from './seam.js';
import type { Title } from './title.js';

/** How the reference stream, or another one, passed the seam. */
export interface Joined {
  readonly by: 'content' | 'time';
  readonly offsetTicks: number;
  /** What came before the seam was what is held there, and at the same distances of time. */
  readonly isProven: boolean;
  /** Nothing of it was. */
  readonly isStrange: boolean;
}

/** The joins of one session, stream by stream, behind the last segment of held media. */
export class Joining {
  /** The held media ends with it. */
  readonly behind: Held;
  readonly #joins: readonly StreamJoin[];
  /** What the title begins with, while nobody knows whether the origin seeks: it may play that and say otherwise. */
  #beginning: Head | undefined;

  private constructor(behind: Held, joins: readonly StreamJoin[], beginning: Head | undefined) {
    this.behind = behind;
    this.#joins = joins;
    this.#beginning = beginning;
  }

  /** @returns undefined when the packets of the held media are gone */
  static async behind(
    title: Title,
    behind: Held,
    o: { isSeekProven: boolean; isTrial?: boolean },
  ): Promise<Joining | undefined> {
    const joins = await joinsBehind(title, behind, o.isTrial === true);
    if (joins === undefined) return undefined;
    const first = o.isSeekProven ? undefined : title.row.covering(0);
    return new Joining(behind, joins, first === undefined ? undefined : await headOf(title, first));
  }

  /**
   * True, once, for a packet that the title begins with and the held media does not end with: an origin that plays it when
   * asked for something else cannot seek, whatever it says.
   */
  unmasks(p: Arrival): boolean {
    const beginning = this.#beginning;
    this.#beginning = undefined;
    return (
      beginning?.hash === p.hash && beginning.hash !== undefined && !this.#joins[p.stream]?.holds(p.hash)
    );
  }

  /** Judges the next packet of a stream. @returns undefined while it lies before the seam */
  judge(p: Arrival, role: number): Joined | undefined {
    const join = this.#joins[p.stream];
    if (join === undefined) return undefined;
    const by = join.judge(p.hash, p.ticks, role !== ROLE.randomAccess && role !== ROLE.parameter);
    if (by === 'before') return undefined;
    const { offsetTicks, isStrange } = join;
    return { by, offsetTicks, isProven: by === 'content' && join.isProven, isStrange };
  }
}
