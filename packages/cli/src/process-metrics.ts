import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** The access log, as far as the metrics are concerned. */
export interface AccessLogLines {
  readonly lines: { readonly written: number; readonly dropped: number };
}

/** The process's own figures: version, CPU, memory, event loop, garbage collection; lines of the access log. */
export function processMetrics(version: string, accessLog?: AccessLogLines): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
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
