import { probeOrigin, suggestedRoute, type ProbeReport } from '@forebay/proxy';
import { progressLine } from '../progress.js';
import { routeOfOrigin } from '../routes.js';
import { endSignal } from '../signals.js';
import { probeText } from './probe-report.js';

export interface ProbeFlags {
  readonly json?: true | undefined;
  readonly allowBasic?: true | undefined;
}

/**
 * Finds out what an origin can do, with one title of it, and says what the proxy makes of that.
 *
 * @throws ConfigError for a URL that is none; OriginError when the title cannot be described or played
 */
export async function probe(url: string, flags: ProbeFlags): Promise<void> {
  const route = { ...routeOfOrigin(url, process.env, 'URL'), allowBasic: flags.allowBasic === true };
  const progress = progressLine();
  const stop = new AbortController();
  void endSignal().then((signal) => stop.abort(new Stopped(signal)));
  let report: ProbeReport;
  try {
    report = await probeOrigin({
      route,
      path: `${route.baseUrl.path}${route.baseUrl.query}`,
      signal: stop.signal,
      onCheck: (check, number, of) => progress.show(`${number}/${of} ${check}`),
    });
  } finally {
    progress.end();
  }
  const suggested = suggestedRoute(report);
  process.stdout.write(
    flags.json ? `${JSON.stringify({ ...report, suggested }, undefined, 2)}\n` : probeText(report, suggested),
  );
}

/** The operator ended it; it is no bug, so it has a code. */
class Stopped extends Error {
  readonly code = 'stopped';

  constructor(signal: string) {
    super(`ended by ${signal}`);
  }
}
