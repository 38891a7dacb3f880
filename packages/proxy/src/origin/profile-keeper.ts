import type { OriginClient } from './client.js';
import { recordOf, takeRecord } from './profile-record.js';

const VERSION = 1;
/** What was learned of an origin that nobody has asked since is forgotten after this. */
const FORGOTTEN_MS = 30 * 24 * 3_600_000;
/** Routes that are gone; of more than these, those that went first are forgotten. */
const MOST_GONE = 100;

interface Kept {
  /** The record, as text. */
  text: string;
  /** When it changed last. */
  unixMs: number;
}

/**
 * Carries what was learned of all origins from one process to the next, as bytes that somebody else keeps, and from a route that is gone to
 * the same when it comes back.
 */
export class ProfileKeeper {
  readonly #clients: () => readonly OriginClient[];
  /** By origin; those of routes that are gone first. */
  readonly #kept = new Map<string, Kept>();
  #isNew = false;

  constructor(clients: () => readonly OriginClient[]) {
    this.#clients = clients;
  }

  /** Takes over what {@link ProfileKeeper.save} made. Bytes that it did not make do no harm. */
  restore(bytes: Uint8Array, unixMs: number): void {
    for (const { key, unixMs: learned, profile } of originsIn(bytes)) {
      // What this process has learned meanwhile is newer.
      if (typeof key !== 'string' || typeof learned !== 'number' || this.#kept.has(key)) continue;
      this.#kept.set(key, { text: JSON.stringify(profile ?? null), unixMs: learned });
    }
    this.recall(unixMs);
  }

  /** Tells clients that have learned nothing yet what was known of their origin. */
  recall(unixMs: number): void {
    for (const { key, profile } of this.#clients()) {
      const kept = this.#kept.get(key);
      if (kept === undefined || profile.startupsMs.length > 0 || isForgotten(kept, unixMs)) continue;
      takeRecord(profile, JSON.parse(kept.text));
      kept.text = JSON.stringify(recordOf(profile));
    }
  }

  /** What is known now is kept, whatever becomes of the routes. */
  note(unixMs: number): void {
    const clients = this.#clients().filter(({ profile }) => profile.startupsMs.length > 0);
    for (const { key, profile } of clients) {
      const text = JSON.stringify(recordOf(profile));
      const kept = this.#kept.get(key);
      this.#isNew ||= kept?.text !== text;
      this.#kept.delete(key);
      this.#kept.set(key, kept?.text === text ? kept : { text, unixMs });
    }
    for (const [key, kept] of this.#kept) {
      const isTooMany = this.#kept.size > clients.length + MOST_GONE;
      if (isTooMany || isForgotten(kept, unixMs)) this.#kept.delete(key);
    }
  }

  /** What was learned; undefined where that is what was saved or restored last. */
  save(unixMs: number): Uint8Array | undefined {
    this.note(unixMs);
    if (!this.#isNew) return undefined;
    this.#isNew = false;
    const origins = Array.from(this.#kept, ([key, kept]) => ({
      key,
      unixMs: kept.unixMs,
      profile: JSON.parse(kept.text) as unknown,
    }));
    return Buffer.from(JSON.stringify({ version: VERSION, origins }));
  }
}

function isForgotten(kept: Kept, unixMs: number): boolean {
  return !(Math.abs(unixMs - kept.unixMs) <= FORGOTTEN_MS);
}

function originsIn(bytes: Uint8Array): readonly Readonly<Record<string, unknown>>[] {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
    if (typeof value !== 'object' || value === null) return [];
    const { version, origins } = value as Record<string, unknown>;
    if (version !== VERSION || !Array.isArray(origins)) return [];
    return origins.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null);
  } catch {
    return [];
  }
}
