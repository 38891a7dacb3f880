import type { OriginDescription } from '../origin/description.js';

const VERSION = 1;

/** What is kept on disk of a title, beside its segments. */
export interface TitleRecord {
  readonly sdp: string;
  readonly origin: Omit<OriginDescription, 'description'>;
  readonly describedUnixMs: number;
  readonly durationSeconds: number | undefined;
  /** Live: wall clock of NPT 0, microseconds since 1970. */
  readonly zeroMicros: number | undefined;
  /** How often another title was found under the same description. */
  readonly edition: number;
  /** Flights have been joined to it by content. */
  readonly joinsByContent: boolean;
  /** The origin has named its state by the same ETag or Last-Modified at different times. */
  readonly keepsValidator: boolean;
}

export function formatTitleRecord(
  record: Omit<TitleRecord, 'sdp' | 'origin'> & { readonly origin: OriginDescription },
): string {
  const { origin, ...others } = record;
  const { description, ...rest } = origin;
  return JSON.stringify({
    version: VERSION,
    sdp: description.text,
    origin: rest,
    ...others,
  });
}

/** Undefined when the text is none of ours: the title is then described anew. */
export function parseTitleRecord(text: string): TitleRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const { version, sdp, origin, describedUnixMs, durationSeconds, zeroMicros, edition } = record;
  if (version !== VERSION || typeof sdp !== 'string' || typeof describedUnixMs !== 'number') return undefined;
  if (typeof origin !== 'object' || origin === null) return undefined;
  const { contentBase, url, ...others } = origin as Record<string, unknown>;
  if (typeof contentBase !== 'string' || typeof url !== 'string') return undefined;
  const texts = Object.fromEntries(Object.entries(others).filter(([, v]) => typeof v === 'string'));
  return {
    sdp,
    origin: { contentBase, url, ...texts },
    describedUnixMs,
    durationSeconds: typeof durationSeconds === 'number' && durationSeconds > 0 ? durationSeconds : undefined,
    zeroMicros: typeof zeroMicros === 'number' && zeroMicros > 0 ? zeroMicros : undefined,
    edition: typeof edition === 'number' && Number.isSafeInteger(edition) && edition > 0 ? edition : 0,
    joinsByContent: record['joinsByContent'] === true,
    keepsValidator: record['keepsValidator'] === true,
  };
}
