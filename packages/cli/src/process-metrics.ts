import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** The process's own figures: version, CPU, memory, event loop, garbage collection. */
export function processMetrics(version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'forebay_build_info',
    help: 'Always 1; the version is a label.',
    labelNames: ['version'] as const,
    registers: [registry],
  }).set({ version }, 1);
  return registry;
}
