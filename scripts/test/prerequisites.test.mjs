import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { installPrerequisites } from '../prerequisites.mjs';

const { PATH } = process.env;
t.afterEach(() => {
  process.env['PATH'] = PATH;
});

/** A machine whose tools are these shell scripts. @returns what apt-get was asked for, a call a line */
function machine(test, scripts) {
  const directory = test.testdir(scripts);
  for (const name of Object.keys(scripts)) chmodSync(join(directory, name), 0o755);
  process.env['PATH'] = directory;
  process.env['CALLS'] = join(directory, 'calls');
  return () => readFileSync(join(directory, 'calls'), 'utf8');
}

const INSTALLED = '#!/bin/sh\necho "install ok installed"\n';
const ALL_BUT_FFMPEG = '#!/bin/sh\ncase "$*" in *ffmpeg) exit 1;; esac\necho "install ok installed"\n';
const APT = '#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> "$CALLS"\n';

t.test('nothing is done where nothing is missing', async (t) => {
  machine(t, { 'dpkg-query': INSTALLED });
  t.equal(installPrerequisites(true), 'all present');
});

t.test('what is missing is installed, by root', async (t) => {
  const calls = machine(t, { 'dpkg-query': ALL_BUT_FFMPEG, 'apt-get': APT });
  t.equal(installPrerequisites(true), 'installed ffmpeg');
  t.equal(calls(), 'noninteractive update -q\nnoninteractive install -y -q --no-install-recommends ffmpeg\n');
});

t.test('anybody else is told what to run', async (t) => {
  machine(t, { 'dpkg-query': ALL_BUT_FFMPEG, 'apt-get': APT });
  const advice =
    'not root and packages are missing; run: sudo apt-get install --no-install-recommends ffmpeg';
  t.throws(() => installPrerequisites(false), { message: advice });
});

t.test('a failure of apt-get is one of ours', async (t) => {
  machine(t, { 'dpkg-query': ALL_BUT_FFMPEG, 'apt-get': '#!/bin/sh\nexit 100\n' });
  t.throws(() => installPrerequisites(true), { message: 'apt-get update failed with exit code 100' });
});

t.test('other systems are looked at, not changed', async (t) => {
  const yes = '#!/bin/sh\nexit 0\n';
  machine(t, { ffmpeg: yes, ffprobe: yes, 'gst-launch-1.0': yes });
  t.match(installPrerequisites(true), 'present');
  machine(t, { ffmpeg: yes });
  t.throws(() => installPrerequisites(true), { message: /^ffprobe, gst-launch-1\.0 not found; install / });
});
