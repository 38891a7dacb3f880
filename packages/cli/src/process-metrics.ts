import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** The access log, as far as the metrics are concerned. */
export interface AccessLogLines {
  readonly lines: { readonly written: number; readonly dropped: number };
}

/**
 * Period of the timer with which prom-client measures the event loop, milliseconds. It cannot be left out, and would wake an
 * idle process a hundred times a second.
 */
const NEVER_MS = 86_400_000;
const OF_THAT_TIMER = /^nodejs_eventloop_lag/;

/** The process's own figures: version, CPU, memory, event loop, garbage collection; lines of the access log. */
export function processMetrics(version: string, accessLog?: AccessLogLines): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const { name } of registry.getMetricsAsArray())
    if (OF_THAT_TIMER.test(name)) registry.removeSingleMetric(name);
  loopUtilization(registry);
  new Gauge({
    name: 'forebay_build_info',
    help: 'Always 1; the version is a label.',
    labelNames: ['version'] as const,
    registers: [registry],
  }).set({ version }, 1);
  new Counter({
    name: 'forebay_access_log_lines_total',
    help: 'Lines of the access log, by what became of them.',
    labelNames: ['result'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const result of ['written', 'dropped'] as const)
        this.inc({ result }, accessLog?.lines[result] ?? 0);
    },
  });
  return registry;
}

/** How busy the event loop was since the figure was last asked for. Costs nothing in between. */
function loopUtilization(registry: Registry): void {
  let before = performance.eventLoopUtilization();
  new Gauge({
    name: 'nodejs_eventloop_utilization',
    help: 'Share of time in which the event loop was busy, since it was last asked for.',
    registers: [registry],
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  });
}
