import { isDeepStrictEqual } from 'node:util';

/** What is different about routes, by their names. */
export interface RouteNews {
  readonly added: string[];
  readonly changed: string[];
  readonly removed: string[];
}

export function newsOf<R extends { readonly id: string }>(
  before: readonly R[],
  after: readonly R[],
): RouteNews {
  const gone = new Map(before.map((route) => [route.id, route]));
  const news: RouteNews = { added: [], changed: [], removed: [] };
  for (const route of after) {
    const known = gone.get(route.id);
    gone.delete(route.id);
    if (known === undefined) news.added.push(route.id);
    else if (!isDeepStrictEqual(route, known)) news.changed.push(route.id);
  }
  news.removed.push(...gone.keys());
  return news;
}
