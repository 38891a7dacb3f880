import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { JOINT_MICROS, type Place } from '../fill/row.js';
import type { Source } from '../metrics.js';
import { packetMicros } from './cursor.js';
import type { Playable } from './playable.js';

/** Segments whose packets are kept at hand: the one that pictures are taken from, and the next. */
const MAX_OPEN = 2;

export type Direction = 1 | -1;

/** The packets of a segment. */
interface Opened {
  readonly held: Place;
  readonly run: PacketRun;
  readonly source: Source;
}

/** A picture that can be decoded by itself: packets of the reference stream among [from, to) of a run. */
export interface Picture extends Opened {
  readonly from: number;
  readonly to: number;
  /** NPT. */
  readonly micros: number;
}

/** The random access points of what is held of a title, looked up one at a time in either direction. */
export class Pictures {
  readonly #title: Playable;
  readonly #opened: Opened[] = [];
  #loading: Place | undefined;
  /** Could not be read: there is nothing in it. */
  #lost: Place | undefined;

  constructor(title: Playable) {
    this.#title = title;
  }

  /**
   * The picture of `held` that comes first from NPT `fromMicros` on in `direction`.
   * @returns `none`: it has no such picture; `later`: its packets are on their way from the disk, or not all here yet
   */
  in(held: Place, fromMicros: number, direction: Direction): Picture | 'none' | 'later' {
    if (held === this.#lost) return 'none';
    const opened = this.#open(held);
    if (opened === undefined) return 'later';
    const found = this.#find(opened, fromMicros, direction);
    if (found !== undefined) return found;
    return direction > 0 && held.state === 'open' && held.flying ? 'later' : 'none';
  }

  #find(opened: Opened, fromMicros: number, direction: Direction): Picture | undefined {
    const { held, run } = opened;
    const { reference } = this.#title;
    let found: { from: number; micros: number } | undefined;
    for (let i = 0; i < run.count; i++) {
      if (run.streams[i] !== reference || (run.flags[i]! & PACKET_FLAG.randomAccess) === 0) continue;
      const micros = packetMicros(this.#title, held, run, i);
      if ((micros - fromMicros) * direction < -JOINT_MICROS) continue;
      if (found !== undefined && (micros - found.micros) * direction >= 0) continue;
      if (endOf(opened, i, reference) !== undefined) found = { from: i, micros };
    }
    return found === undefined
      ? undefined
      : { ...opened, ...found, to: endOf(opened, found.from, reference)! };
  }

  #open(held: Place): Opened | undefined {
    if (held.growth !== undefined) return { held, run: held.growth.run, source: 'flight' };
    const known = this.#opened.find((each) => each.held === held);
    if (known !== undefined) return known;
    const resident = this.#title.resident(held);
    if (resident !== undefined) return { held, run: resident.run, source: 'ram' };
    this.#load(held);
    return undefined;
  }

  #load(held: Place): void {
    if (this.#loading === held) return;
    this.#loading = held;
    const done = (run: PacketRun | undefined, source: Source): void => {
      if (this.#loading !== held) return;
      this.#loading = undefined;
      if (run === undefined) this.#lost = held;
      else this.#opened.push({ held, run, source });
      if (this.#opened.length > MAX_OPEN) this.#opened.shift();
    };
    this.#title.load(held, 'skim').then(
      (loaded) => done(loaded?.segment.run, loaded?.source ?? 'disk'),
      () => done(undefined, 'disk'),
    );
  }
}

/**
 * Where the access unit that begins at packet `from` ends; undefined where it is not whole: packets of it were lost, or are
 * still to come.
 */
function endOf({ held, run }: Opened, from: number, reference: number): number | undefined {
  let to = from;
  for (let i = from; i < run.count; i++) {
    if (run.streams[i] !== reference) continue;
    if (i > from && (run.flags[i]! & PACKET_FLAG.accessUnitStart) !== 0) return to;
    if (lostBefore(run, i) > 0) return undefined;
    to = i + 1;
  }
  return held.state === 'open' ? undefined : to;
}

function lostBefore(run: PacketRun, i: number): number {
  return run.bytes.readUInt16BE(run.offsets[i]! + 6);
}
