import type { OriginClient } from './client.js';
import { type ProfileRecord, recordOf, takeRecord } from './profile-record.js';

const VERSION = 1;
/** What was learned of an origin that nobody has asked since is forgotten after this. */
const FORGOTTEN_MS = 30 * 24 * 3_600_000;

interface Kept {
  /** The record, as text. */
  text: string;
  /** When it changed last. */
  unixMs: number;
}

/** Carries what was learned of all origins from one process to the next, as bytes that somebody else keeps. */
export class ProfileKeeper {
  readonly #clients: () => readonly OriginClient[];
  readonly #kept = new Map<string, Kept>();

  constructor(clients: () => readonly OriginClient[]) {
    this.#clients = clients;
  }

  /** Takes over what {@link ProfileKeeper.save} made. Bytes that it did not make do no harm. */
  restore(bytes: Uint8Array, unixMs: number): void {
    const origins = originsIn(bytes);
    for (const client of this.#clients()) {
      // What this process has learned meanwhile is newer.
      if (client.profile.startupsMs.length > 0) continue;
      const found = origins.find((one) => one['key'] === client.key);
      const learned = found?.['unixMs'];
      if (typeof learned !== 'number' || !(Math.abs(unixMs - learned) <= FORGOTTEN_MS)) continue;
      takeRecord(client.profile, found?.['profile']);
      this.#kept.set(client.key, { text: JSON.stringify(recordOf(client.profile)), unixMs: learned });
    }
  }

  /** What was learned; undefined where that is what was saved or restored last. */
  save(unixMs: number): Uint8Array | undefined {
    let isNew = false;
    const origins = this.#clients().map((client) => {
      const profile = recordOf(client.profile);
      const text = JSON.stringify(profile);
      const kept = this.#kept.get(client.key);
      isNew ||= kept?.text !== text && client.profile.startupsMs.length > 0;
      const changed = kept?.text === text ? kept.unixMs : unixMs;
      this.#kept.set(client.key, { text, unixMs: changed });
      return { key: client.key, unixMs: changed, profile } satisfies SavedOrigin;
    });
    return isNew ? Buffer.from(JSON.stringify({ version: VERSION, origins })) : undefined;
  }
}

interface SavedOrigin {
  readonly key: string;
  readonly unixMs: number;
  readonly profile: ProfileRecord;
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
