// The proxy under measurement, in a process of its own. Told what to do by its parent; ends with it.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Log, Proxy as MediaProxy } from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import type { ProxyAnswer, ProxyOrder, Resources } from './host.js';
import { StallingFs } from './stalling-fs.js';

const HOST = '127.0.0.1';
const CACHE_BYTES = 1e9;
const RAM_BYTES = 64e6;

/** What goes wrong is said between the lines of the benchmark. */
const say = (fields: object, message: string): void =>
  void process.stderr.write(`\nproxy: ${message} ${JSON.stringify(fields)}\n`);
const quiet = (): void => undefined;
const log: Log = { debug: quiet, info: quiet, warn: say, error: say };

const LAG_STEP_MS = 1;
const delays = monitorEventLoopDelay({ resolution: LAG_STEP_MS });
let proxy: MediaProxy | undefined;
let disk: StallingFs | undefined;

async function obey(order: ProxyOrder): Promise<ProxyAnswer> {
  if (order.kind === 'lag') return takeLag();
  if (order.kind === 'workers') return { kind: 'workers', pids: proxy?.workerPids ?? [] };
  if (order.kind === 'collect') {
    // Twice: what the first one finalises is free after the second.
    for (let i = 0; i < 2; i++) await global.gc?.({ type: 'major', execution: 'async' });
    return { kind: 'collected' };
  }
  if (order.kind === 'stall') return await stallDisk(order.ms);
  if (order.kind === 'resources') return { kind: 'resources', resources: await takeStock() };
  await proxy?.close();
  proxy = undefined;
  if (order.kind === 'close') return { kind: 'closed' };
  disk = new StallingFs(`${order.directory}.fifo`);
  const { maxSessions, ...settings } = order.settings;
  const route = { id: 'far', pathPrefix: '/', baseUrl: parseRtspUrl(order.originUrl), allowHosts: [] };
  proxy = await MediaProxy.start({
    routes: [maxSessions === undefined ? route : { ...route, maxSessions }],
    cacheDirectory: order.directory,
    cacheBytes: CACHE_BYTES,
    cacheFs: disk.fs,
    ramBytes: RAM_BYTES,
    udpPorts: { first: 0, last: 0 },
    sessionTimeoutSeconds: 60,
    log,
    ...settings,
  });
  const { port } = await proxy.listen(HOST, 0);
  const secure = settings.tls === undefined ? undefined : await proxy.listen(HOST, 0, true);
  return { kind: 'listening', port, securePort: secure?.port };
}

async function stallDisk(ms: number): Promise<ProxyAnswer> {
  const before = disk?.met ?? 0;
  disk?.stall(ms);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { kind: 'stalled', calls: (disk?.met ?? 0) - before };
}

/** A metric over all its labels. */
async function totalOf(name: string): Promise<number> {
  const metric = await proxy?.metrics.registry.getSingleMetric(name)?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

async function takeStock(): Promise<Resources> {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const active = process.getActiveResourcesInfo();
  const count = (pattern: RegExp): number => active.filter((name) => pattern.test(name)).length;
  return {
    heapBytes: heapUsed,
    bufferBytes: arrayBuffers,
    sockets: count(/TCPSocketWrap|UDPWrap/i),
    timers: count(/Timeout/),
    viewerSessions: await totalOf('forebay_viewer_sessions'),
    viewerConnections: await totalOf('forebay_viewer_connections'),
    originSessions: await totalOf('forebay_origin_sessions'),
  };
}

/** Delays include the sampling step itself. */
function takeLag(): ProxyAnswer {
  delays.enable();
  const [p99Ms, mostMs] = [delays.percentile(99), delays.max].map((ns) =>
    Math.max(0, ns / 1e6 - LAG_STEP_MS),
  );
  delays.reset();
  return { kind: 'lag', p99Ms: p99Ms!, mostMs: mostMs! };
}

process.on('message', (order: ProxyOrder) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ kind: 'failed', reason: String(error) } satisfies ProxyAnswer),
  );
});
process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole group; the parent tidies up first.
process.on('SIGINT', () => undefined);
