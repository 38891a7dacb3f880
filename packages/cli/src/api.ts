import type { OriginState } from '@forebay/proxy';
import { Hono } from 'hono';

/** What the API is about. */
export interface ApiSource {
  origins(): readonly OriginState[];
}

/** `/api/v1`, for programs: JSON. What it shows holds no secrets; see docs/operations.md. */
export function apiPages(source: ApiSource): Hono {
  const pages = new Hono();
  pages.get('/origins', (context) => context.json({ origins: source.origins() }));
  return pages;
}
