import { isIP } from 'node:net';
import { serve, type ServerType } from '@hono/node-server';
import type { Log } from '@forebay/proxy';
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import { apiPages, type ApiSource } from './api.js';
import { dashboardPages } from './dashboard.js';
import { type AccessLogLines, processMetrics } from './process-metrics.js';
import type { SocketAddress } from './socket-address.js';

/** What the admin pages show. */
export interface AdminSource {
  /** Where there is one. */
  readonly accessLog?: AccessLogLines | undefined;
  /** Where there is one. */
  readonly api?: ApiSource | undefined;
  /** The proxy's metrics. */
  collect(): Promise<Registry>;
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
}

export interface AdminOptions {
  readonly version: string;
  /** Names by which the pages may be asked for, besides addresses and `localhost`. */
  readonly hosts: readonly string[];
  /** Titles are named by their hashes, as in the logs. */
  readonly hashTitles: boolean;
  readonly log: Log;
}

export interface AdminServer {
  /** Where it listens. */
  readonly address: SocketAddress;
  close(): Promise<void>;
}

const LIMITS = {
  connections: 64,
  headerBytes: 8192,
  headers: 64,
  headersMs: 5000,
  requestMs: 10_000,
  keepAliveMs: 5000,
} as const;

/**
 * The pages: `/` (the dashboard), `/metrics` (Prometheus text), `/healthz` (the process answers) and `/readyz` (it can serve viewers;
 * 503 with reasons where not). They are read only and know no secrets, and answer no name but
 * the allowed ones, so that a web page cannot read them by pointing a name of its own here (DNS rebinding).
 */
export function adminPages(source: AdminSource, options: AdminOptions): Hono {
  const allowed = new Set(['localhost', ...options.hosts.map((host) => host.toLowerCase())]);
  const own = processMetrics(options.version, source.accessLog);
  const pages = new Hono();
  pages.use(async (context, next) => {
    if (!isAllowedHost(context.req.header('host'), allowed))
      return context.json({ error: 'unknown host' }, 403);
    const isWriting = context.req.method === 'POST' && context.req.path.startsWith('/api/');
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD' && !isWriting) {
      return context.json({ error: 'read only' }, 405, { allow: 'GET, HEAD' });
    }
    await next();
    context.header('cache-control', 'no-store');
    context.header('x-content-type-options', 'nosniff');
    return undefined;
  });
  pages.get('/healthz', (context) => context.json({ status: 'ok' }));
  pages.get('/readyz', (context) => {
    const state = source.ready();
    return context.json(state, state.ready ? 200 : 503);
  });
  pages.get('/metrics', async (context) => {
    const registry = await source.collect();
    const texts = await Promise.all([registry.metrics(), own.metrics()]);
    return context.text(texts.join('\n'), 200, { 'content-type': registry.contentType });
  });
  dashboardPages(pages);
  if (source.api !== undefined) pages.route('/api/v1', apiPages(source.api, options.hashTitles));
  pages.notFound((context) => context.json({ error: 'no such page' }, 404));
  pages.onError((error, context) => {
    options.log.error({ err: error, path: context.req.path }, 'admin page failed');
    return context.json({ error: 'internal' }, 500);
  });
  return pages;
}

/**
 * Serves the pages.
 *
 * @throws the system's error where the address cannot be listened on
 */
export function startAdmin(pages: Hono, address: SocketAddress): Promise<AdminServer> {
  return new Promise((resolve, reject) => {
    const server = serve({
      fetch: pages.fetch,
      hostname: address.host,
      port: address.port,
      serverOptions: {
        maxHeaderSize: LIMITS.headerBytes,
        headersTimeout: LIMITS.headersMs,
        requestTimeout: LIMITS.requestMs,
        keepAliveTimeout: LIMITS.keepAliveMs,
      },
    });
    bound(server);
    server.once('error', reject);
    server.once('listening', () => {
      const actual = server.address();
      const port = typeof actual === 'object' && actual !== null ? actual.port : address.port;
      resolve({ address: { host: address.host, port }, close: () => closeServer(server) });
    });
  });
}

function bound(server: ServerType): void {
  server.maxConnections = LIMITS.connections;
  if ('maxHeadersCount' in server) server.maxHeadersCount = LIMITS.headers;
}

function closeServer(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}

/** Addresses cannot be rebound, so any is allowed. */
function isAllowedHost(header: string | undefined, allowed: ReadonlySet<string>): boolean {
  if (header === undefined) return false;
  const name = header.replace(/:\d{1,5}$/, '').toLowerCase();
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
  return isIP(bare) !== 0 || allowed.has(name);
}
