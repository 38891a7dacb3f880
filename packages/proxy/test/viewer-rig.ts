import { networkInterfaces } from 'node:os';
import { systemClock } from '../src/clock.js';
import type { Log } from '../src/log.js';
import { Metrics } from '../src/metrics.js';
import { ViewerServer, type ViewerServerOptions } from '../src/viewer/server.js';
import { FakeLibrary, TestClock } from './viewer-fakes.js';
import { TestViewer } from './viewer-player.js';

export interface LoggedLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface Rig {
  readonly server: ViewerServer;
  readonly port: number;
  readonly url: (path: string) => string;
  readonly library: FakeLibrary;
  readonly metrics: Metrics;
  readonly lines: LoggedLine[];
  readonly clock: TestClock;
  readonly connect: (localAddress?: string) => Promise<TestViewer>;
  /** Value of a counter or gauge of `forebay_<name>` with exactly these labels. */
  readonly metric: (name: string, labels: Record<string, string | number>) => Promise<number>;
  close(): Promise<void>;
}

export type RigOptions = Partial<Omit<ViewerServerOptions, 'clock'>> & { readonly realTime?: boolean };

/** A viewer server on loopback with a fake library behind it. Time stands still unless `realTime`. */
export async function rig(options: RigOptions = {}): Promise<Rig> {
  const { realTime, ...rest } = options;
  const testClock = new TestClock();
  const clock = realTime === true ? systemClock : testClock;
  const library = new FakeLibrary(clock);
  const metrics = new Metrics();
  const lines: LoggedLine[] = [];
  const line =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields: fields as Record<string, unknown>, message });
    };
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const server = new ViewerServer({
    library,
    terms: options.terms ?? { gates: [] },
    clock,
    metrics,
    log,
    udpPorts: { first: 0, last: 0 },
    serverName: 'Forebay',
    ...rest,
  });
  const { port } = await server.listen('127.0.0.1', 0);
  const viewers: TestViewer[] = [];
  return {
    server,
    port,
    url: (path) => `rtsp://127.0.0.1:${port}${path}`,
    library,
    metrics,
    lines,
    clock: testClock,
    connect: async (localAddress) => {
      const viewer = await TestViewer.connect(port, localAddress);
      viewers.push(viewer);
      return viewer;
    },
    metric: async (name, labels) => {
      const metric = await metrics.registry.getSingleMetric(`forebay_${name}`)?.get();
      const wanted = Object.entries(labels);
      const value = metric?.values.find(
        (each) =>
          Object.keys(each.labels).length === wanted.length &&
          wanted.every(([label, text]) => String(each.labels[label]) === String(text)),
      );
      return value?.value ?? 0;
    },
    async close() {
      for (const viewer of viewers) viewer.socket.destroy();
      await server.close();
    },
  };
}

/** Runs `work` on a rig that is closed afterwards. */
export async function withRig(options: RigOptions, work: (r: Rig) => Promise<void>): Promise<void> {
  const r = await rig(options);
  try {
    await work(r);
  } finally {
    await r.close();
  }
}

/** Lets the event loop turn until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => void setImmediate(resolve));
}

/** Whether this host has IPv6 on loopback. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((each) => each.address === '::1'));
}
