import { RigError, RigViewer, type ViewerTransport } from '@forebay/rig';
import type { Credentials } from '@forebay/rtsp';
import type { PlannedViewing } from './plan.js';

const ANSWER_MS = 30_000;
const END_SLACK_MS = 30_000;
/** Shorter ranges may be empty. */
const LEAST_SECONDS = 0.2;
const RTP_HEADER_BYTES = 12;

/** What one viewing got. */
export interface Played {
  readonly title: string;
  /** After the beginning of the replay: when PLAY was answered. */
  readonly atSeconds: number;
  readonly durationSeconds: number;
  readonly startSeconds: number;
  readonly seconds: number;
  /** RTP with its headers. */
  readonly bytes: number;
  /** PLAY sent to first packet. */
  readonly startupMs: number;
}

export interface PlayOptions {
  readonly transport: ViewerTransport;
  /** Where the proxy asks viewers who they are. */
  readonly credentials: Credentials | undefined;
  /** To connect from; undefined: as the system chooses. */
  readonly localAddress: string | undefined;
  /** When the replay began, performance.now(). */
  readonly zeroMs: number;
  readonly signal: AbortSignal;
}

/** A viewing that could not be played, for a reason of few words. */
class UnplayedError extends Error {
  override readonly name = 'UnplayedError';
}

/** Plays one viewing through RTSP to its end, or until `signal`. @throws UnplayedError */
export async function playViewing(planned: PlannedViewing, options: PlayOptions): Promise<Played> {
  let viewer: RigViewer | undefined;
  const leave = (): void => void viewer?.close();
  try {
    options.signal.throwIfAborted();
    viewer = await RigViewer.connect({
      url: planned.url,
      transport: options.transport,
      timeoutMs: ANSWER_MS,
      maxPackets: 0,
      ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    options.signal.addEventListener('abort', leave);
    return await play(viewer, planned, options);
  } catch (error) {
    throw new UnplayedError(options.signal.aborted ? 'interrupted' : reasonOf(error), { cause: error });
  } finally {
    options.signal.removeEventListener('abort', leave);
    await viewer?.close();
  }
}

async function play(viewer: RigViewer, planned: PlannedViewing, options: PlayOptions): Promise<Played> {
  const { durationSeconds } = await viewer.describe();
  if (durationSeconds === undefined) throw new UnplayedError('live now');
  const { startSeconds } = planned;
  const endSeconds = Math.min(startSeconds + Math.max(planned.seconds, LEAST_SECONDS), durationSeconds);
  if (endSeconds - startSeconds < LEAST_SECONDS / 2)
    throw new UnplayedError('the title is shorter than in the log');
  await viewer.setup();
  const reply = await viewer.play({ range: `npt=${startSeconds.toFixed(3)}-${endSeconds.toFixed(3)}` });
  const atSeconds = (performance.now() - options.zeroMs) / 1000;
  await viewer.ended({ timeoutMs: (endSeconds - startSeconds) * 1000 + END_SLACK_MS });
  await viewer.teardown();
  const { playSentMs = 0, firstRtpMs = Infinity } = viewer.times;
  const from = reply.startSeconds ?? startSeconds;
  return {
    title: planned.title,
    atSeconds,
    durationSeconds,
    startSeconds: from,
    seconds: endSeconds - from,
    bytes: viewer.recordings.reduce(
      (sum, recording) => sum + recording.payloadBytes + recording.packets * RTP_HEADER_BYTES,
      0,
    ),
    startupMs: firstRtpMs - playSentMs,
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof UnplayedError) return error.message;
  if (!(error instanceof RigError)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'status') return `status ${error.status ?? ''}`.trim();
  return error.code === 'closed' ? 'no connection, or lost' : error.code;
}
