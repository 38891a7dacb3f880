import {
  failedWarming,
  type OriginState,
  type TitleState,
  type WarmOptions,
  type WarmProgress,
} from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import { Hono, type Context } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import { titleName } from './access/access-line.js';

/** What the API is about. */
export interface ApiSource {
  origins(): readonly OriginState[];
  titles(most: number): readonly TitleState[];
  warm(options: WarmOptions): Promise<WarmProgress>;
}

const BODY_BYTES = 65_536;
const TITLES_MAX = 100;
const LONGEST_SECONDS = 7 * 24 * 3600;

const warmRequest = z.strictObject({
  url: z.string().min(1).max(2048),
  prefixSeconds: z.number().positive().max(1e6).optional(),
  keepSeconds: z.number().nonnegative().max(LONGEST_SECONDS).optional(),
});

export const KEEP_SECONDS = 3600;

/**
 * `/api/v1`, for programs: JSON. What it shows holds no secrets; see docs/operations.md.
 *
 * - GET /origins: what is known of each origin
 * - GET /titles: those that most viewers play, and what is held of them
 * - POST /warm: fetches a title to the disk. The answer is a line of JSON a few times a second until it is over; whoever
 *   closes the connection earlier ends it.
 */
export function apiPages(source: ApiSource, hashTitles: boolean): Hono {
  const pages = new Hono();
  pages.get('/origins', (context) => context.json({ origins: source.origins() }));
  pages.get('/titles', (context) => {
    const titles = source.titles(TITLES_MAX).map(({ path, ...title }) => ({
      title: titleName(path, hashTitles),
      ...title,
    }));
    return context.json({ titles });
  });
  pages.post('/warm', async (context) => await warm(context, source));
  return pages;
}

async function warm(context: Context, source: ApiSource): Promise<Response> {
  // A web page can send this type only after asking, and is not answered then.
  if (context.req.header('content-type')?.split(';', 1)[0]?.trim() !== 'application/json')
    return context.json({ error: 'content-type must be application/json' }, 415);
  const length = Number(context.req.header('content-length') ?? NaN);
  if (!(length <= BODY_BYTES)) return context.json({ error: 'a body of known length, 64 KiB at most' }, 413);
  const wish = readWish(await context.req.text());
  if (typeof wish === 'string') return context.json({ error: wish }, 400);
  context.header('content-type', 'application/x-ndjson');
  return stream(context, async (out) => {
    const stop = new AbortController();
    out.onAbort(() => stop.abort(new Error('whoever asked went away')));
    const write = async (value: object): Promise<void> => void (await out.writeln(JSON.stringify(value)));
    try {
      // Lines are small and few: they may wait in memory.
      const report = (progress: WarmProgress): void => void write(progress);
      await write(await source.warm({ ...wish, signal: stop.signal, report }));
    } catch (error) {
      await write(failedWarming(error instanceof Error ? error.message : String(error)));
    }
  });
}

function readWish(text: string): Omit<WarmOptions, 'signal' | 'report'> | string {
  try {
    const { url, prefixSeconds, keepSeconds = KEEP_SECONDS } = warmRequest.parse(JSON.parse(text));
    return { url: parseRtspUrl(url), prefixSeconds, keepSeconds };
  } catch (error) {
    if (error instanceof z.ZodError) return error.issues[0]?.message ?? 'unusable';
    return error instanceof SyntaxError ? 'not JSON' : 'url must be an RTSP URL';
  }
}
