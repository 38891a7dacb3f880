import { spawnSync } from 'node:child_process';

/** What the interoperability tests use: real players and real origins. */
const DEBIAN_PACKAGES = [
  'ffmpeg',
  'chromium',
  'python3-gi',
  'gir1.2-gstreamer-1.0',
  'gir1.2-gst-rtsp-server-1.0',
  'gstreamer1.0-tools',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
  'gstreamer1.0-plugins-bad',
  'gstreamer1.0-plugins-ugly',
  'gstreamer1.0-libav',
  'gstreamer1.0-rtsp',
];

const COMMANDS = ['ffmpeg', 'ffprobe', 'gst-launch-1.0'];

/**
 * Installs what is missing with apt-get, output shown.
 *
 * @param isRoot whether packages may be installed
 * @returns one line that says what was done
 * @throws Error with a line that says what to do, where it can not be done here
 */
export function installPrerequisites(isRoot = process.getuid?.() === 0) {
  if (!runs('dpkg-query', ['--version'])) return requireCommands();
  const missing = DEBIAN_PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return 'all present';
  if (!isRoot) {
    throw new Error(
      `not root and packages are missing; run: sudo apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  }
  console.log(`   installing ${missing.join(' ')}`);
  apt('update', '-q');
  apt('install', '-y', '-q', '--no-install-recommends', ...missing);
  return `installed ${missing.join(' ')}`;
}

function requireCommands() {
  const missing = COMMANDS.filter((name) => !runs(name, ['--version']) && !runs(name, ['-version']));
  if (missing.length === 0) return `${COMMANDS.join(', ')} present (no dpkg here: the rest was not checked)`;
  throw new Error(
    `${missing.join(', ')} not found; install ffmpeg, GStreamer 1.x with all plugin sets, and gst-rtsp-server with its Python bindings`,
  );
}

function isInstalled(name) {
  const status = spawnSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8' });
  return status.stdout?.trim() === 'install ok installed';
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function apt(...args) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status } = spawnSync('apt-get', args, { stdio: 'inherit', env: environment });
  if (status !== 0) throw new Error(`apt-get ${args[0]} failed with exit code ${status}`);
}
