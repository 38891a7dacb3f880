import type { Description } from '@forebay/rtsp';
import type { FillMethod } from '../origin/fill-methods.js';
import type { OriginProfile } from '../origin/profile.js';
import type { Shelves } from './shelves.js';

export interface TitleFindingsOptions {
  readonly profile: () => OriginProfile;
  readonly shelves: Pick<Shelves, 'metrics' | 'log'>;
  /** As the origin describes the title now. */
  readonly description: () => Description;
  /** Learned earlier, when the description does not tell it. */
  readonly durationSeconds: number | undefined;
  /** Flights have been joined to it by content. */
  readonly joinsByContent: boolean;
}

/** What the origin has shown of one title, beside what it says of it. */
export class TitleFindings {
  /** How it cannot be asked for faster than it plays. */
  readonly unfit = new Set<FillMethod>();
  /** Called when its length was learned, or that it is joined by content, or whether the origin seeks in it. */
  onLearned: (() => void) | undefined;
  readonly #o: TitleFindingsOptions;
  #durationSeconds: number | undefined;
  #joinsByContent: boolean;
  #seeks: boolean | undefined;

  constructor(options: TitleFindingsOptions) {
    this.#o = options;
    this.#durationSeconds = options.durationSeconds ?? options.description().durationSeconds;
    this.#joinsByContent = options.joinsByContent;
  }

  get durationSeconds(): number | undefined {
    return this.#durationSeconds;
  }

  /** The origin said, or showed, where the title ends. */
  learnDuration(seconds: number): void {
    const { onDemand, durationSeconds } = this.#o.description();
    if (!onDemand || !(seconds > 0) || this.#durationSeconds === seconds) return;
    if (this.#durationSeconds !== undefined && durationSeconds !== undefined) return;
    this.#durationSeconds = seconds;
    this.onLearned?.();
  }

  /** Flights have been joined to it by content: what the origin sends of it is the same every time. */
  get joinsByContent(): boolean {
    return this.#joinsByContent;
  }

  /** A flight was joined to it by content. */
  joinedByContent(): void {
    if (this.#joinsByContent) return;
    this.#joinsByContent = true;
    this.onLearned?.();
  }

  /** Whether the origin seeks in this title, as configured or as it has shown; undefined while nobody knows. A library may hold titles of both kinds. */
  get seeks(): boolean | undefined {
    return this.#o.profile().fixedSeeks ?? this.#seeks;
  }

  /** The same; while it was not tried, as in the origin's other titles. */
  get probablySeeks(): boolean | undefined {
    return this.seeks ?? this.#o.profile().seeks;
  }

  /** The origin has shown whether it seeks in this title. */
  sought(does: boolean): void {
    if (this.#seeks === does) return;
    this.#seeks = does;
    const { shelves } = this.#o;
    const profile = this.#o.profile();
    profile.sought(does);
    this.onLearned?.();
    if (does) return;
    shelves.metrics.unseekableTitles.inc({ origin: profile.route });
    shelves.log.info({ route: profile.route }, 'the origin plays a title from the beginning only');
  }
}
