import { GrowthWriter } from '@forebay/cache';
import type { Flights, Prospects } from '../fill/flights.js';
import type { Passage } from '../fill/passage.js';
import type { Held } from '../fill/row.js';
import type { Title } from '../fill/title.js';
import type { TitleFacts, TitleLine, ToldPlace } from './protocol.js';

/** Changes that show nowhere else, and facts, are looked for this often. */
const SCAN_MS = 100;

/** Takes what is told of a title. */
export type Watcher = (line: TitleLine) => void;

interface Shown {
  readonly id: number;
  /** What was told last. */
  told: ToldPlace | undefined;
  growth: { readonly path: string; readonly writer: GrowthWriter } | undefined;
  /** There could be no file: workers wait until the segment is sealed. */
  isHidden: boolean;
}

export interface PublicationParts {
  readonly title: Title;
  readonly flights: Flights;
  readonly passage: Pick<Passage, 'scales'>;
  /** A path for a new file. */
  readonly newPath: () => string;
  /** The file is removed when nobody can be about to open it any more. */
  readonly discard: (path: string) => void;
}

/** Shows one title to the workers that watch it: its row, what grows, and what readers must know of its origin. */
export class Publication {
  readonly #p: PublicationParts;
  readonly #watchers = new Set<Watcher>();
  readonly #shown = new Map<Held, Shown>();
  readonly #byId = new Map<number, Held>();
  /** Those of `#shown` that are not sealed. */
  readonly #open = new Set<Held>();
  #ids = 0;
  #rowChanges = -1;
  #scannedMs = -Infinity;
  #facts: TitleFacts | undefined;

  constructor(parts: PublicationParts) {
    this.#p = parts;
  }

  get title(): Title {
    return this.#p.title;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Everything is told to `watcher` now, and what changes from now on. */
  add(watcher: Watcher): void {
    if (this.#watchers.has(watcher)) return;
    this.#update(true);
    watcher({ is: 'anew' });
    if (this.#facts !== undefined) watcher({ is: 'facts', facts: this.#facts });
    for (const { told } of this.#shown.values()) {
      if (told !== undefined) watcher({ is: 'place', place: told });
    }
    watcher({ is: 'current' });
    this.#watchers.add(watcher);
  }

  remove(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
    for (const shown of this.#shown.values()) this.#endGrowth(shown);
    this.#shown.clear();
    this.#open.clear();
    this.#byId.clear();
    this.#facts = undefined;
    this.#rowChanges = -1;
  }

  /** The segment that was told of as `id`, if it is held. */
  held(id: number): Held | undefined {
    return this.#byId.get(id);
  }

  /** As what `held` was told of. */
  idOf(held: Held): number | undefined {
    return this.#shown.get(held)?.id;
  }

  /** Tells what has changed. Cost: a look at each segment that grows; a few times a second at everything. */
  publish(isWhole = false): void {
    if (this.isWatched) this.#update(isWhole);
  }

  #update(isWhole: boolean): void {
    const { row, shelves } = this.title;
    const nowMs = shelves.clock.nowMs();
    for (const held of this.#open) this.#look(held);
    const isScanDue = nowMs - this.#scannedMs >= SCAN_MS;
    if (isWhole || isScanDue || row.changes !== this.#rowChanges) {
      this.#rowChanges = row.changes;
      for (const held of row) this.#look(held);
      for (const [held, shown] of this.#shown) if (!row.has(held)) this.#drop(held, shown);
    }
    if (!isWhole && !isScanDue) return;
    this.#scannedMs = nowMs;
    this.#lookAtFacts();
  }

  #tell(line: TitleLine): void {
    for (const watcher of this.#watchers) watcher(line);
  }

  #look(held: Held): void {
    const shown = this.#shown.get(held) ?? this.#begin(held);
    if (held.growth !== undefined && shown.growth === undefined && !shown.isHidden) this.#grow(held, shown);
    if (shown.growth !== undefined) this.#flush(held, shown.growth.writer);
    const told = toldOf(held, shown);
    if (shown.told !== undefined && isSame(shown.told, told)) return;
    shown.told = told;
    if (held.state === 'sealed') {
      this.#open.delete(held);
      this.#endGrowth(shown);
    }
    this.#tell({ is: 'place', place: told });
  }

  #begin(held: Held): Shown {
    const shown: Shown = { id: ++this.#ids, told: undefined, growth: undefined, isHidden: false };
    this.#shown.set(held, shown);
    this.#byId.set(shown.id, held);
    if (held.state !== 'sealed') this.#open.add(held);
    return shown;
  }

  #grow(held: Held, shown: Shown): void {
    const path = this.#p.newPath();
    try {
      shown.growth = { path, writer: new GrowthWriter(path, held.growth!.run) };
    } catch (error) {
      shown.isHidden = true;
      this.#failed(error);
    }
  }

  #flush(held: Held, writer: GrowthWriter): void {
    try {
      writer.flush(held.endMicros);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.title.shelves.log.error({ error }, 'a growing segment cannot be shown to workers');
  }

  #endGrowth(shown: Shown): void {
    if (shown.growth === undefined) return;
    shown.growth.writer.close();
    this.#p.discard(shown.growth.path);
    shown.growth = undefined;
  }

  /** It is not held any more; those who follow it must know how it ended. */
  #drop(held: Held, shown: Shown): void {
    this.#look(held);
    this.#endGrowth(shown);
    this.#shown.delete(held);
    this.#open.delete(held);
    this.#byId.delete(shown.id);
    this.#tell({ is: 'gone', id: shown.id });
  }

  #lookAtFacts(): void {
    const facts: TitleFacts = {
      durationSeconds: this.title.durationSeconds,
      leadSeconds: this.title.leadSeconds(),
      seeks: this.title.seeks,
      scales: this.#p.passage.scales,
      zeroMicros: this.title.liveTime?.zeroMicros,
      prospects: this.#p.flights.prospects,
    };
    if (this.#facts !== undefined && areSameFacts(facts, this.#facts)) return;
    this.#facts = facts;
    this.#tell({ is: 'facts', facts });
  }
}

function toldOf(held: Held, { id, growth }: Shown): ToldPlace {
  const { startMicros, randomAccess, endMicros, state, last, flying, headless } = held;
  const path = held.growth === undefined ? undefined : growth?.path;
  return { id, startMicros, randomAccess, endMicros, state, last, flying, headless, growth: path };
}

/** Where an open segment ends travels with its packets. */
function isSame(a: ToldPlace, b: ToldPlace): boolean {
  return (
    a.state === b.state &&
    a.last === b.last &&
    a.flying === b.flying &&
    a.growth === b.growth &&
    (b.state === 'open' || a.endMicros === b.endMicros)
  );
}

function areSameFacts(a: TitleFacts, b: TitleFacts): boolean {
  return (
    a.durationSeconds === b.durationSeconds &&
    a.leadSeconds === b.leadSeconds &&
    a.seeks === b.seeks &&
    a.scales === b.scales &&
    a.zeroMicros === b.zeroMicros &&
    areSameProspects(a.prospects, b.prospects)
  );
}

function areSameProspects(a: Prospects, b: Prospects): boolean {
  return (
    a.otherwise === b.otherwise &&
    a.setbacks.length === b.setbacks.length &&
    a.setbacks.every((micros, i) => micros === b.setbacks[i]) &&
    a.flights.length === b.flights.length &&
    a.flights.every(({ fromMicros, isWaiting }, i) => {
      const other = b.flights[i]!;
      return fromMicros === other.fromMicros && isWaiting === other.isWaiting;
    })
  );
}
