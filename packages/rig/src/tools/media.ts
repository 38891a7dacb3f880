import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RigError } from '../errors.js';
import { runTool } from './run.js';

/** At the root of the workspace, ignored by git. */
const DEFAULT_FOLDER = fileURLToPath(new URL('../../../../../.test-media/', import.meta.url));
const TIMEOUT_MS = 120_000;
const POLL_MS = 200;

/** Of every clip. */
const SECONDS = 12;
const FPS = 25;

const X264 = '-c:v libx264 -preset ultrafast -threads 1 -sc_threshold 0 -pix_fmt yuv420p';
const X265 =
  '-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p -b:v 400k -x265-params pools=1:frame-threads=1:log-level=error:scenecut=0';
const AAC = '-c:a aac -b:a 64k -ac 2';
const OPUS = '-c:a libopus -b:a 64k -ac 2';
const SOURCES = `-f lavfi -i testsrc2=size=320x180:rate=${FPS}:duration=${SECONDS} -f lavfi -i sine=frequency=330:beep_factor=4:sample_rate=48000:duration=${SECONDS}`;
const BITEXACT = '-flags +bitexact -fflags +bitexact';

/** How each clip is encoded, and the containers it is put into. */
const RECIPES = {
  /** A key frame every second. */
  h264_g1: { encode: `${X264} -g 25 -keyint_min 25 -bf 0 -b:v 400k ${AAC}`, containers: ['mp4', 'mkv'] },
  /** A key frame every five seconds. */
  h264_g5: { encode: `${X264} -g 125 -keyint_min 125 -bf 0 -b:v 400k ${AAC}`, containers: ['mp4', 'mkv'] },
  /** Two B-frames, a key frame every second. */
  h264_b2: {
    encode: `${X264} -g 25 -keyint_min 25 -bf 2 -x264-params b-adapt=0:open-gop=0 -b:v 400k ${AAC}`,
    containers: ['mp4', 'mkv'],
  },
  h265_g1: {
    encode: `${X265}:keyint=25:min-keyint=25:open-gop=0:bframes=0 ${AAC}`,
    containers: ['mp4', 'mkv'],
  },
  /** Pictures behind a key frame that are shown before it, and refer to those before it. */
  h265_open: {
    encode: `${X265}:keyint=24:min-keyint=12:open-gop=1:bframes=3:b-adapt=0 ${AAC}`,
    containers: ['mkv'],
  },
  /** Two key frames in all. */
  h264_g10: { encode: `${X264} -g 250 -keyint_min 250 -bf 0 -b:v 400k ${AAC}`, containers: ['mp4'] },
  /** Open groups of pictures, too. */
  mpeg2_b2: { encode: `-c:v mpeg2video -g 25 -bf 2 -b:v 600k ${AAC}`, containers: ['mkv'] },
  /** With the tables that RFC 2435 implies: it carries no others. */
  mjpeg: { encode: `-c:v mjpeg -huffman default -q:v 8 -pix_fmt yuvj420p ${AAC}`, containers: ['mkv'] },
  h264_opus: {
    encode: `${X264} -g 25 -keyint_min 25 -bf 0 -b:v 400k ${OPUS}`,
    containers: ['mkv'],
  },
  /** A tone: many packets of it are alike. */
  aac: { encode: `-map 1:a ${AAC}`, containers: ['mp4'] },
  opus: { encode: `-map 1:a ${OPUS}`, containers: ['mkv'] },
} as const;

export type ClipName = keyof typeof RECIPES;

export interface TestMedia {
  /** Holds every clip, and nothing else. */
  readonly folder: string;
  /** File names in it, such as `h264_g1.mp4`. */
  readonly files: readonly string[];
  readonly seconds: number;
  readonly fps: number;
}

/**
 * Clips for interoperability tests: made with FFmpeg at the first call (a few seconds), found at later ones. Processes
 * that want them at the same time wait for the one that makes them. Another recipe makes another folder.
 * @param base default: .test-media at the root of the workspace
 * @throws RigError `tool`, `timeout`
 */
export async function ensureMedia(base = DEFAULT_FOLDER): Promise<TestMedia> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([SOURCES, BITEXACT, RECIPES]))
    .digest('hex');
  const folder = join(base, recipe.slice(0, 12));
  const files = Object.entries(RECIPES).flatMap(([name, { containers }]) =>
    containers.map((kind) => `${name}.${kind}`),
  );
  const media = { folder, files, seconds: SECONDS, fps: FPS };
  await mkdir(base, { recursive: true });
  const lock = join(base, `${recipe.slice(0, 12)}.lock`);
  const deadlineMs = performance.now() + 2 * TIMEOUT_MS;
  while (!(await exists(folder))) {
    if (await take(lock)) {
      try {
        if (!(await exists(folder))) await makeAll(base, folder);
      } finally {
        await rm(lock, { force: true });
      }
    } else if (performance.now() > deadlineMs) {
      throw new RigError('timeout', `test media: ${lock} is there, its owner is not`);
    } else await delay(POLL_MS);
  }
  return media;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** A lock that is older than encoding may take was left behind. */
async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx')).close();
    return true;
  } catch {
    const ageMs = await stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (ageMs > TIMEOUT_MS) await rm(lock, { force: true });
    return false;
  }
}

async function makeAll(base: string, folder: string): Promise<void> {
  const draft = await mkdtemp(join(base, 'draft-'));
  try {
    for (const [name, { encode, containers }] of Object.entries(RECIPES)) {
      const [first, ...others] = containers.map((kind) => join(draft, `${name}.${kind}`));
      await ffmpeg(`${SOURCES} ${encode} ${BITEXACT}`, first!);
      for (const other of others) await ffmpeg(`-i ${first!} -map 0 -c copy ${BITEXACT}`, other);
    }
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

async function ffmpeg(args: string, file: string): Promise<void> {
  const command = ['-nostdin', '-v', 'error', '-y', ...args.split(' '), file];
  const { exitCode, outputs } = await runTool('ffmpeg', command, { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new RigError('tool', `ffmpeg ${args}: ${outputs[1].slice(-500)}`);
}
