import type { Log } from '@forebay/proxy';
import { crashLoudly } from '../crash.js';
import { EXIT } from '../exit.js';
import { openLog } from '../log.js';
import { formatSpan } from '../quantity.js';
import { endSignal } from '../signals.js';
import { view } from './play.js';
import { reportObject, reportText, verdictOf, type Measured, type Result, type Way } from './report.js';
import { ROUND_TRIP_MS, Stage } from './stage.js';

export interface DemoFlags {
  readonly once?: true | undefined;
  readonly json?: true | undefined;
}

const STEPS: Readonly<Record<Way, string>> = {
  direct: 'direct: straight from the origin',
  cold: 'cold: through the proxy, which has nothing yet',
  warm: 'warm: through the proxy, restarted, so that only its disk remembers',
};

/**
 * Plays a bundled title direct, cold and warm, and says what that took. Then stays up for other viewers until
 * SIGINT or SIGTERM; with `once` it ends instead, with 0 only if the frames were identical and warm start-up beat direct by at least 5x.
 */
export async function demo(flags: DemoFlags): Promise<void> {
  const signal = endSignal();
  let isMeasuring = true;
  const log = openLog({
    level: 'info',
    format: 'text',
    secrets: [],
    write: (line) => process.stderr.write(line),
  });
  crashLoudly(log);
  const talk: Log = { ...log, info: (fields, message) => void (isMeasuring || log.info(fields, message)) };
  const stage = await Stage.set(talk);
  try {
    const result = await Promise.race([measure(stage), signal]);
    if (typeof result === 'string') process.exitCode = EXIT.failure;
    else {
      const text = flags.json ? `${JSON.stringify(reportObject(result))}\n` : `\n${reportText(result)}`;
      process.stdout.write(text);
      if (flags.once && !verdictOf(result).good) process.exitCode = EXIT.failure;
      if (!flags.once) {
        await stage.openAdmin();
        process.stderr.write(invitation(stage));
        isMeasuring = false;
        await signal;
        isMeasuring = true;
      }
    }
  } finally {
    await stage.close();
  }
  process.exit();
}

async function measure(stage: Stage): Promise<Result> {
  const span = formatSpan(stage.titleSeconds);
  process.stderr.write(
    `A title of ${span}, from an origin behind a round trip of ${ROUND_TRIP_MS} ms, played three times.\n\n`,
  );
  const direct = await measured(stage, 'direct');
  await stage.openProxy();
  const cold = await measured(stage, 'cold');
  if (!(await stage.stored())) throw new Error('the title did not get to the disk');
  await stage.openProxy();
  const warm = await measured(stage, 'warm');
  return { roundTripMs: ROUND_TRIP_MS, titleSeconds: stage.titleSeconds, viewings: { direct, cold, warm } };
}

async function measured(stage: Stage, way: Way): Promise<Measured> {
  const originBefore = stage.originBytes;
  const progress = progressLine(STEPS[way], stage.titleSeconds);
  const url = way === 'direct' ? stage.directUrl : stage.proxyUrl;
  const viewing = await view(url, stage.titleSeconds, progress.at).finally(progress.end);
  const { all, disk } = stage.viewerBytes;
  const diskShare = way === 'direct' || all === 0 ? undefined : disk / all;
  return { ...viewing, way, originBytes: stage.originBytes - originBefore, diskShare };
}

/** A line that counts the seconds on a terminal, and stands still elsewhere. */
function progressLine(
  text: string,
  totalSeconds: number,
): { at: (seconds: number) => void; end: () => void } {
  if (!process.stderr.isTTY) {
    process.stderr.write(`${text}\n`);
    return { at: () => undefined, end: () => undefined };
  }
  const show = (seconds: number): void => {
    const done = Math.min(seconds, totalSeconds);
    process.stderr.write(`\r${text}  ${formatSpan(Math.floor(done))} of ${formatSpan(totalSeconds)}\u001b[K`);
  };
  show(0);
  return { at: show, end: () => process.stderr.write(`\r${text}\u001b[K\n`) };
}

function invitation(stage: Stage): string {
  return [
    '',
    'Now you. The proxy holds the title:',
    `  ffplay -rtsp_transport tcp ${stage.proxyUrl}`,
    `  vlc ${stage.proxyUrl}`,
    `and for comparison, straight from the origin: ${stage.directUrl}`,
    `Dashboard: ${stage.dashboardUrl}`,
    `Metrics: ${stage.metricsUrl}`,
    'Ctrl-C ends it.',
    '',
    '',
  ].join('\n');
}
