import type { Shelves } from '../fill/shelves.js';
import type { Entry } from './entries.js';
import { formatTitleRecord } from './title-record.js';

/**
 * Writes what is known of a title to disk: before its first segment and, from then on, whenever more is learned.
 * @param from where what is known of it comes from: what the disk has told is on disk already
 */
export function remember(entry: Entry, { store, log }: Shelves, from: 'origin' | 'disk'): void {
  const { title } = entry;
  const { windowMicros = 0 } = title.liveTime ?? {};
  let saved: Promise<void> | undefined;
  const save = async (): Promise<void> => {
    try {
      await store?.saveTitle({
        key: title.key,
        generation: title.generation,
        description: formatTitleRecord({
          origin: title.origin,
          describedUnixMs: entry.describedUnixMs,
          durationSeconds: title.durationSeconds,
          zeroMicros: title.liveTime?.zeroMicros,
          edition: entry.edition,
          keepsValidator: entry.keepsValidator,
          joinsByContent: title.findings.joinsByContent,
        }),
        durationSeconds: title.durationSeconds,
        windowSeconds: windowMicros > 0 ? windowMicros / 1e6 : undefined,
      });
    } catch (error) {
      log.error({ error: String(error) }, 'what is known of a title could not be kept');
    }
  };
  title.onStoring = () => (saved ??= save());
  title.findings.onLearned = () => {
    if (saved !== undefined || from === 'disk') saved = (saved ?? Promise.resolve()).then(save);
  };
}
