import { USUAL_KBPS } from '../relay/titles.js';
import type { Stage } from './stage.js';

const PATIENCE_MS = 10_000;
/** Enough for a spare process to be ready. */
const PAUSE_MS = 3000;

/** One worker was killed; milliseconds from there. */
export interface Replacement {
  /** To the answer of a DESCRIBE on a new connection. */
  readonly answeredMs: number;
  /** To another worker that serves. */
  readonly replacedMs: number;
}

/** Kills a worker, time and again. @throws Error when it is not replaced within 10 s */
export async function replaceWorkers({ proxies }: Stage, times: number): Promise<Replacement[]> {
  const { two } = proxies;
  const replacements: Replacement[] = [];
  for (let i = 0; i < times; i++) {
    const pids = await two.host.workers();
    const startMs = performance.now();
    process.kill(pids[i % pids.length]!, 'SIGKILL');
    await two.controls(`/held-${USUAL_KBPS}`);
    const answeredMs = performance.now() - startMs;
    for (;;) {
      const now = await two.host.workers();
      if (now.length === pids.length && now.some((pid) => !pids.includes(pid))) break;
      if (performance.now() - startMs > PATIENCE_MS) throw new Error('a worker was not replaced');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    replacements.push({ answeredMs, replacedMs: performance.now() - startMs });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return replacements;
}
