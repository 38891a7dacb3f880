import { setMaxListeners } from 'node:events';
import { parseRtspUrl } from '@forebay/rtsp';
import { complaintText } from '../access/request-log.js';
import { adminUrl, urlOfAdmin } from '../admin-url.js';
import { ConfigError } from '../config-error.js';
import { EXIT } from '../exit.js';
import { progressLine } from '../progress.js';
import { formatBytes, formatSpan } from '../quantity.js';
import { parseCredentials } from '../secrets.js';
import { endSignal } from '../signals.js';
import { emptyReport, playAll, type CrowdReport } from './crowd.js';
import { Meter } from './meter.js';
import { planReplay, type Plan } from './plan.js';
import { compare } from './prediction.js';
import { replayObject, replayText, type Replay } from './replay-report.js';

export interface ReplayFlags {
  readonly origin: string;
  readonly speed?: string | undefined;
  readonly viewers?: string | undefined;
  readonly transport?: string | undefined;
  readonly admin?: string | undefined;
  readonly json?: true | undefined;
}

/** Holds user:password, where the proxy asks viewers who they are. */
const VIEWER_VARIABLE = 'FOREBAY_VIEWER_CREDENTIALS';
const DEFAULT_VIEWERS = 64;
const ADMIN_PORT = 9554;
const PROGRESS_MS = 500;
/** What is on its way when the last viewer leaves is counted, too: flights linger, and counters are a second old. */
const SETTLE_MS = 3500;

/**
 * Plays a log at a running proxy, and says what it saved the origin beside what the simulator says it should. SIGINT and
 * SIGTERM end it early, with what there is.
 *
 * @throws ConfigError, RequestLogError, MeterError
 */
export async function replay(path: string, flags: ReplayFlags): Promise<void> {
  const speed = positive('--speed', flags.speed ?? '1', 100_000);
  const viewers = Math.floor(positive('--viewers', flags.viewers ?? String(DEFAULT_VIEWERS), 4096));
  const transport = flags.transport ?? 'tcp';
  if (transport !== 'tcp' && transport !== 'udp') throw new ConfigError('--transport', 'must be tcp or udp');
  const givenAdmin = flags.admin === undefined || flags.admin === 'off' ? flags.admin : adminUrl(flags.admin);
  const secret = process.env[VIEWER_VARIABLE];
  const credentials = secret === undefined ? undefined : parseCredentials(secret, VIEWER_VARIABLE);
  const plan = await planReplay(path, flags.origin, speed);
  process.stderr.write(complaintText(path, plan.survey));
  const stop = new AbortController();
  // One for each viewer that plays.
  setMaxListeners(0, stop.signal);
  void endSignal().then(() => stop.abort());
  const zeroMs = performance.now();
  const admin = givenAdmin ?? adminOf(flags.origin);
  const meter = admin === 'off' ? undefined : await Meter.start(admin, zeroMs);
  const report = emptyReport();
  const endProgress = showProgress(plan, report, zeroMs);
  try {
    await playAll({ plan, transport, credentials, viewers, zeroMs, signal: stop.signal }, report);
    if (meter !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      await meter.read();
    }
  } finally {
    endProgress();
    meter?.stop();
  }
  const result: Replay = {
    path,
    speed,
    planned: plan.viewings.length,
    seconds: (performance.now() - zeroMs) / 1000,
    report,
    comparison: meter === undefined ? undefined : await compare(report.played, meter.readings),
  };
  process.stdout.write(
    flags.json ? `${JSON.stringify(replayObject(result), undefined, 2)}\n` : replayText(result),
  );
  process.exit(report.played.length === 0 || stop.signal.aborted ? EXIT.failure : EXIT.ok);
}

function showProgress(plan: Plan, report: CrowdReport, zeroMs: number): () => void {
  const progress = progressLine();
  const show = (): void => {
    const passed = formatSpan(Math.floor((performance.now() - zeroMs) / 1000));
    const bytes = report.played.reduce((sum, each) => sum + each.bytes, 0);
    const unplayed = Array.from(report.unplayed.values()).reduce((sum, count) => sum + count, 0);
    progress.show(
      `${passed} of ${formatSpan(Math.ceil(plan.seconds))}: ${report.played.length} of ${plan.viewings.length} viewings played, ` +
        `${report.playing} playing, ${unplayed} failed, ${formatBytes(bytes)}`,
    );
  };
  const timer = setInterval(show, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    progress.end();
  };
}

/** Where a proxy has its admin pages unless told otherwise. */
function adminOf(origin: string): string {
  return urlOfAdmin({ host: parseRtspUrl(origin).host.replace(/^\[|\]$/g, ''), port: ADMIN_PORT });
}

function positive(key: string, text: string, most: number): number {
  const value = Number(text);
  if (!(value >= 1 && value <= most))
    throw new ConfigError(key, `'${text}' is not a number from 1 to ${most}`);
  return value;
}
