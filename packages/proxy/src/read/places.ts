import type { Place } from '../fill/row.js';
import { type Cursor, cursorAtMark, type Mark, markOf, nextDue, sentEndMicros } from './cursor.js';
import type { Playable } from './playable.js';
import { RANGE_STEP_MICROS } from './range-sender.js';
import { mediaOf } from './start.js';
import type { Timeline } from './timeline.js';

/** Segments that a reader is in at a time: stragglers of one may come while the next is sent. */
const MAX_CURSORS = 3;

/** Where a reader is: in the segments that it sends from, in play order. */
export class Places {
  readonly #title: Playable;
  readonly #timeline: Timeline;
  /** Replaced, not changed, when the reader goes on elsewhere. */
  #cursors: Cursor[] = [];
  /** Where it stood when it let go of its segments. */
  #marks: Mark[] = [];
  /** The viewer's time after everything that was sent from segments left behind: no later range begins before it. */
  #viewerEndMicros = 0;

  constructor(title: Playable, timeline: Timeline) {
    this.#title = title;
    this.#timeline = timeline;
  }

  /** Another list than before once the reader has gone on elsewhere. */
  get cursors(): readonly Cursor[] {
    return this.#cursors;
  }

  get first(): Cursor | undefined {
    return this.#cursors[0];
  }

  get last(): Cursor | undefined {
    return this.#cursors.at(-1);
  }

  /** The segment that the reader is in. */
  get held(): Place | undefined {
    return this.last?.held;
  }

  get isFull(): boolean {
    return this.#cursors.length >= MAX_CURSORS;
  }

  /** It stands in a segment that nobody will go on with. */
  get isStranded(): boolean {
    const { row } = this.#title;
    return this.#cursors.some(({ held }) => held.state === 'open' && !row.has(held));
  }

  /** Goes on elsewhere; without cursors: nowhere. */
  goTo(...cursors: Cursor[]): void {
    this.#viewerEndMicros = this.viewerEnd();
    this.#cursors = cursors;
    this.#marks = [];
  }

  /** Goes on into the next segment. */
  enter(cursor: Cursor): void {
    this.#cursors.push(cursor);
  }

  /** Leaves segments that are done, but the last. */
  leave(): void {
    while (this.#cursors.length > 1) {
      const first = this.#cursors[0]!;
      if (first.held.state !== 'sealed' || first.next < first.run.count) break;
      this.#viewerEndMicros = this.viewerEnd();
      this.#cursors.shift();
    }
  }

  /** Keeps the place, and no segment for it: many may stand still in many places. */
  release(): void {
    if (this.#cursors.length === 0) return;
    const marks = this.#cursors.map((cursor) => markOf(this.#title, cursor));
    this.goTo();
    this.#marks = marks;
  }

  /** Finds the segments of the place again. @returns false when one of them is gone */
  async reclaim(): Promise<boolean> {
    const marks = this.#marks;
    const cursors: Cursor[] = [];
    for (const mark of marks) {
      const held = this.#title.row.startingAt(mark.startMicros);
      const media = held === undefined ? undefined : await mediaOf(this.#title, held);
      if (held === undefined || media === undefined) return false;
      cursors.push(cursorAtMark(mark, held, media));
    }
    if (cursors.length === 0 || this.#marks !== marks) return false;
    this.goTo(...cursors);
    return true;
  }

  /** NPT at which the next packet is due; Infinity when there is none. */
  nextDue(): number {
    let due = Infinity;
    for (const cursor of this.#cursors) due = Math.min(due, nextDue(cursor));
    return due;
  }

  /** The viewer's time after everything that was sent. */
  viewerEnd(): number {
    let end = -Infinity;
    for (const cursor of this.#cursors) end = Math.max(end, sentEndMicros(this.#title, cursor));
    if (end === -Infinity) return this.#viewerEndMicros;
    return Math.max(this.#viewerEndMicros, this.#timeline.viewerMicros(end) + RANGE_STEP_MICROS);
  }

  /** NPT to go on from: of the next packet, or of now where that is earlier. */
  at(nowMicros: number): number {
    const place = Math.min(Math.round(nowMicros), this.nextDue());
    return Math.max(place, this.#cursors[0]?.held.startMicros ?? 0);
  }
}
