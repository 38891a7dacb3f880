import { rmSync } from 'node:fs';
import type { SharedFolder } from '@forebay/cache';
import type { Clock, TimerHandle } from '../clock.js';
import type { Entry } from '../read/entries.js';
import { Publication } from './publication.js';

/** A file may still be opened for so long after it was given up. A worker that is silent for longer is ended. */
const KEPT_MS = 20_000;
/** Between two looks while no worker watches anything. */
const IDLE_MS = 100;

/** What workers are shown of the titles that they watch. */
export class Publications {
  readonly #clock: Clock;
  readonly #folder: SharedFolder;
  readonly #periodMs: number;
  readonly #byGeneration = new Map<string, Publication>();
  /** Files that are removed at a time, the earliest first. */
  readonly #discarded: { readonly path: string; readonly dueMs: number }[] = [];
  #timer: TimerHandle | undefined;

  /** @param periodMs how often workers are shown what is new */
  constructor(clock: Clock, folder: SharedFolder, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#folder = folder;
    this.#tick();
  }

  of({ title, flights, passage }: Entry): Publication {
    const known = this.#byGeneration.get(title.generation);
    if (known?.title === title) return known;
    const publication = new Publication({
      title,
      flights,
      passage,
      newPath: () => this.newPath(),
      discard: (path) => this.discard(path),
    });
    // It is about to be watched.
    if (this.#byGeneration.size === 0 && this.#timer !== undefined) this.#tickIn(this.#periodMs);
    this.#byGeneration.set(title.generation, publication);
    return publication;
  }

  /** A path for a new file. */
  newPath(): string {
    return this.#folder.newPath();
  }

  /** Removes a file of the folder after a while. */
  discard(path: string): void {
    this.#discarded.push({ path, dueMs: this.#clock.nowMs() + KEPT_MS });
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tickIn(ms: number): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#tick(), ms);
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    for (const [generation, publication] of this.#byGeneration) {
      if (publication.isWatched) publication.publish();
      else this.#byGeneration.delete(generation);
    }
    while (this.#discarded[0] !== undefined && this.#discarded[0].dueMs <= nowMs)
      rmSync(this.#discarded.shift()!.path, { force: true });
    this.#tickIn(this.#byGeneration.size > 0 ? this.#periodMs : IDLE_MS);
  }
}
