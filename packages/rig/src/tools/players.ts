import { fileURLToPath } from 'node:url';
import { RigError } from '../errors.js';
import { runTool } from './run.js';

const GST_PLAYER = fileURLToPath(new URL('../../../gst/gst_player.py', import.meta.url));
/** The interpreter that Debian's GStreamer bindings belong to; another `python3` in the path has none. */
export const SYSTEM_PYTHON = '/usr/bin/python3';
const EXIT_GRACE_MS = 5000;
const MAX_DIAGNOSTICS = 4000;

export interface FfmpegOptions {
  /** rtsp:// URL or a file. */
  readonly url: string;
  readonly transport?: 'tcp' | 'udp';
  /** Where to start; FFmpeg begins at 0 and seeks after that, as its players do. */
  readonly seekSeconds?: number;
  /** `seekSeconds` counts from where NPT does; default from where the play began, which is not the same live. */
  readonly seekByNpt?: boolean;
  /** Stop after so much media. */
  readonly seconds?: number;
  /** Also decode the first video stream; default false. */
  readonly decode?: boolean;
  /** It is killed then. */
  readonly timeoutMs: number;
}

export interface FfmpegResult {
  readonly exitCode: number | null;
  readonly wallMs: number;
  /** MD5 of each packet, by stream, as FFmpeg's demuxer gives them. Equal plays give equal lists, over TCP and UDP. */
  readonly packets: readonly (readonly string[])[];
  /** MD5 of each decoded picture; equal to those of the file itself. Empty unless asked for. */
  readonly pictures: readonly string[];
  /** What FFmpeg said on standard error. */
  readonly diagnostics: string;
}

/**
 * Plays with FFmpeg and returns hashes of everything that came. Only payload hashes: FFmpeg's own timestamps and the
 * interleaving of streams differ from run to run.
 * @throws RigError `tool`, `timeout`
 */
export async function ffmpegHashes(options: FfmpegOptions): Promise<FfmpegResult> {
  const { url, transport, seekSeconds, seconds, decode } = options;
  const byNpt = options.seekByNpt === true ? ['-seek_timestamp', '1'] : [];
  const limit = seconds === undefined ? [] : ['-t', String(seconds)];
  const packetOutput = ['-map', '0', '-c', 'copy', ...limit, '-f', 'framemd5', 'pipe:1'];
  const args = [
    '-nostdin',
    '-v',
    'error',
    ...(url.startsWith('rtsp') ? ['-rtsp_transport', transport ?? 'tcp'] : []),
    ...(seekSeconds === undefined ? [] : [...byNpt, '-ss', String(seekSeconds)]),
    '-i',
    url,
    ...packetOutput,
    ...(decode === true
      ? ['-map', '0:v:0', '-fps_mode', 'passthrough', ...limit, '-f', 'framemd5', 'pipe:3']
      : []),
  ];
  const run = await runTool('ffmpeg', args, { timeoutMs: options.timeoutMs, third: decode === true });
  return {
    exitCode: run.exitCode,
    wallMs: run.wallMs,
    packets: hashesByStream(run.outputs[0]),
    pictures: hashesByStream(run.outputs[2])[0] ?? [],
    diagnostics: run.outputs[1].slice(0, MAX_DIAGNOSTICS),
  };
}

/** Lines of `stream, dts, pts, duration, size, hash`. */
function hashesByStream(framemd5: string): string[][] {
  const streams: string[][] = [];
  for (const line of framemd5.split('\n')) {
    const [stream, , , , , hash] = line.split(',').map((field) => field.trim());
    if (line.startsWith('#') || hash === undefined) continue;
    (streams[Number(stream)] ??= []).push(hash);
  }
  return streams;
}

export interface GstPlayOptions {
  readonly url: string;
  /** Default tcp. */
  readonly protocols?: 'tcp' | 'udp' | 'tcp+udp';
  /** Of the jitter buffer; default 200. */
  readonly latencyMs?: number;
  /** Seek there a moment after the first picture; hashes are of what comes after. */
  readonly seekSeconds?: number;
  /** Pause so long after the start of the pipeline, and for how long. */
  readonly pauseAtSeconds?: number;
  readonly pauseForSeconds?: number;
  /** Stop then, end or no end. */
  readonly stopAfterSeconds?: number;
  readonly timeoutMs: number;
  readonly credentials?: { readonly username: string; readonly password: string };
}

export interface GstStream {
  readonly media: string;
  readonly encoding: string;
  /** From the start of the pipeline; null if nothing came. */
  readonly firstSeconds: number | null;
  /** MD5 of each depayloaded picture or audio frame. */
  readonly hashes: readonly string[];
  readonly ptsSeconds: readonly (number | null)[];
  /** How many of them were not clipped: what comes late may lie behind the end that the answer to PLAY announced. */
  readonly shown: number;
}

export interface GstPlayResult {
  readonly ended: 'eos' | 'stopped' | 'timeout' | 'error';
  readonly error: string | null;
  /** From the start of the pipeline to the end. */
  readonly endSeconds: number;
  readonly streams: readonly GstStream[];
  readonly wallMs: number;
  /** What it said on standard error. */
  readonly diagnostics: string;
}

/**
 * Plays with GStreamer's rtspsrc.
 * @throws RigError `tool`, `timeout`
 */
export async function gstPlay(options: GstPlayOptions): Promise<GstPlayResult> {
  const given: readonly (readonly [string, string | number | undefined])[] = [
    ['--protocols', options.protocols],
    ['--latency', options.latencyMs],
    ['--seek', options.seekSeconds],
    ['--pause-at', options.pauseAtSeconds],
    ['--pause-for', options.pauseForSeconds],
    ['--stop-after', options.stopAfterSeconds],
    ['--timeout', options.timeoutMs / 1000],
    ['--user', options.credentials?.username],
    ['--password', options.credentials?.password],
  ];
  const flags = given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  const run = await runTool(SYSTEM_PYTHON, [GST_PLAYER, options.url, ...flags], {
    timeoutMs: options.timeoutMs + EXIT_GRACE_MS,
  });
  const report = run.outputs[0].trim();
  if (!report.startsWith('{')) throw new RigError('tool', `gst_player.py: ${run.outputs[1].slice(-500)}`);
  const diagnostics = run.outputs[1].slice(0, MAX_DIAGNOSTICS);
  return {
    ...(JSON.parse(report) as Omit<GstPlayResult, 'wallMs' | 'diagnostics'>),
    wallMs: run.wallMs,
    diagnostics,
  };
}
