import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context, Hono } from 'hono';

/** Nothing from elsewhere, nothing inline: names of titles are strangers' words. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/`, and under `/dashboard/` what it is made of. The page reads `/metrics`, `/readyz` and `/api/v1`, every two seconds. */
export function dashboardPages(pages: Hono): void {
  const page = textOf(fileOf('assets/index.html'));
  const style = textOf(fileOf('assets/page.css'));
  const scripts = scriptsBeside(fileOf('page.js'));
  pages.get('/', (context) => answer(context, page, 'text/html'));
  pages.get('/dashboard/page.css', (context) => answer(context, style, 'text/css'));
  pages.get('/dashboard/:name', (context) => {
    const script = scripts.get(context.req.param('name'));
    return script === undefined ? context.notFound() : answer(context, script, 'text/javascript');
  });
}

const fileOf = (name: string): string => fileURLToPath(import.meta.resolve(`@forebay/dashboard/${name}`));
const textOf = (path: string): string => readFileSync(path, 'utf8');

/** A script and those that it imports, by name. */
function scriptsBeside(entry: string): ReadonlyMap<string, string> {
  const folder = dirname(entry);
  const names = readdirSync(folder).filter((name) => name.endsWith('.js'));
  return new Map(names.map((name) => [name, textOf(join(folder, name))]));
}

function answer(context: Context, body: string, type: string): Response {
  context.header('content-security-policy', POLICY);
  context.header('referrer-policy', 'no-referrer');
  return context.body(body, 200, { 'content-type': `${type}; charset=utf-8` });
}
