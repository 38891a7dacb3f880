import { RigError } from '../errors.js';
import { SYSTEM_PYTHON } from './players.js';
import { runTool } from './run.js';

const CHECK_TIMEOUT_MS = 30_000;
const BINDINGS =
  'import gi\nfor name in ("Gst", "GstPbutils", "GstRtsp", "GstRtspServer"):\n gi.require_version(name, "1.0")\n __import__("gi.repository." + name)';

interface Check {
  /** What it is for those who read it. */
  readonly name: string;
  readonly tool: string;
  readonly args: readonly string[];
  readonly packages: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: 'ffmpeg', tool: 'ffmpeg', args: ['-version'], packages: ['ffmpeg'] },
  { name: 'openssl', tool: 'openssl', args: ['version'], packages: ['openssl'] },
  { name: 'ffprobe', tool: 'ffprobe', args: ['-version'], packages: ['ffmpeg'] },
  {
    name: 'GStreamer bindings for Python',
    tool: SYSTEM_PYTHON,
    args: ['-c', BINDINGS],
    packages: ['python3-gi', 'gir1.2-gstreamer-1.0', 'gir1.2-gst-rtsp-server-1.0'],
  },
  ...(
    [
      ['qtdemux', 'gstreamer1.0-plugins-good'],
      ['rtph264pay', 'gstreamer1.0-plugins-good'],
      ['rtspsrc', 'gstreamer1.0-plugins-good'],
      ['opusparse', 'gstreamer1.0-plugins-bad'],
      ['h264parse', 'gstreamer1.0-plugins-bad'],
      ['x264enc', 'gstreamer1.0-plugins-ugly'],
      ['avdec_h264', 'gstreamer1.0-libav'],
    ] as const
  ).map(([element, pack]) => ({
    name: `GStreamer element ${element}`,
    tool: 'gst-inspect-1.0',
    args: ['--exists', element],
    packages: ['gstreamer1.0-tools', pack],
  })),
];

export interface Prerequisites {
  /** Names of what is not here; empty when all is well. */
  readonly missing: readonly string[];
  /** One line to run on Debian; undefined when nothing is missing. */
  readonly install: string | undefined;
}

/** Looks for the players and origins that interoperability tests use. */
export async function prerequisites(): Promise<Prerequisites> {
  const missing = (
    await Promise.all(CHECKS.map(async (check) => ((await works(check)) ? [] : [check])))
  ).flat();
  const packages = [...new Set(missing.flatMap((check) => check.packages))];
  const install =
    packages.length === 0 ? undefined : `apt-get install --no-install-recommends ${packages.join(' ')}`;
  return { missing: missing.map((check) => check.name), install };
}

async function works({ tool, args }: Check): Promise<boolean> {
  try {
    return (await runTool(tool, args, { timeoutMs: CHECK_TIMEOUT_MS })).exitCode === 0;
  } catch (error) {
    if (error instanceof RigError) return false;
    throw error;
  }
}
