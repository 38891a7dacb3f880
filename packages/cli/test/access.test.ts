import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Viewing } from '@forebay/proxy';
import { RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import t from 'tap';
import { formatAccessLine, titleId } from '../src/access/access-line.js';
import { AccessLog } from '../src/access/access-log.js';
import { forebay, running } from './spawned.js';

const HEADER = '# time_s,title_id,duration_s,start_s,watched_s,bitrate_bps\n';
const VIEWING: Viewing = {
  title: '/film?x=1',
  startedUnixMs: 1_800_000_000_123.4,
  durationSeconds: 5400,
  startSeconds: 12.3456,
  watchedSeconds: 30,
  bitrateBps: 2_000_000,
};
const LINE = '1800000000.123,/film?x=1,5400,12.346,30,2000000\n';

/** A log that keeps its messages. */
function talk(): {
  readonly messages: string[];
  info(f: object, m: string): void;
  warn(f: object, m: string): void;
} {
  const messages: string[] = [];
  const note = (_fields: object, message: string): void => void messages.push(message);
  return { messages, info: note, warn: note };
}

t.test('a title is named without secrets, and never breaks a line', (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['/film.mp4', '/film.mp4'],
    ['/a%2Cb?x=1&y', '/a%2Cb?x=1&y'],
    ['/a,b', '/a%2Cb'],
    ['/say "hi"\r\n2,b', '/say%20%22hi%22%0D%0A2%2Cb'],
    ['/käse\u2028', '/k%C3%A4se%E2%80%A8'],
    ['/cam?user=admin&password=hunter2&channel=1', '/cam?user=&password=&channel=1'],
    ['/cam?channel=1&Token=abc', '/cam?channel=1&Token='],
    ['/user=admin&password=hunter2&channel=1', '/user=&password=&channel=1'],
    ['/user=admin_password=hunter2_channel=1_stream=0.sdp', '/user=_password=_channel=1_stream=0.sdp'],
    ['/film?monkey=1&passage=2', '/film?monkey=1&passage=2'],
  ];
  for (const [title, id] of table) t.equal(titleId(title), id);
  t.end();
});

t.test('one viewing, one line', (t) => {
  t.equal(formatAccessLine(VIEWING, false), LINE);
  const hashed = formatAccessLine(VIEWING, true);
  t.match(hashed, /^1800000000\.123,[0-9a-f]{32},5400,12\.346,30,2000000\n$/);
  t.equal(formatAccessLine({ ...VIEWING, watchedSeconds: 1 }, true).split(',')[1], hashed.split(',')[1]);
  t.not(formatAccessLine({ ...VIEWING, title: '/other' }, true).split(',')[1], hashed.split(',')[1]);
  t.end();
});

t.test('lines are appended, flushed without being asked, and go to a new file after rotation', async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'access.csv');
  const first = await AccessLog.open({ path, hashTitles: false, log: talk() });
  t.equal(readFileSync(path, 'utf8'), HEADER);
  t.equal(statSync(path).mode & 0o007, 0, 'not for everybody');
  const watcher = watch(path);
  first.write(VIEWING);
  while (!readFileSync(path, 'utf8').endsWith(LINE)) await once(watcher, 'change');
  watcher.close();
  await first.close();
  const second = await AccessLog.open({ path, hashTitles: false, log: talk() });
  second.write(VIEWING);
  renameSync(path, `${path}.1`);
  await second.reopen();
  second.write({ ...VIEWING, title: '/new' });
  await second.close();
  second.write(VIEWING);
  t.equal(readFileSync(`${path}.1`, 'utf8'), HEADER + LINE + LINE, 'the old file has what came before');
  t.equal(readFileSync(path, 'utf8'), HEADER + LINE.replace('/film?x=1', '/new'));
  t.same(second.lines, { written: 2, dropped: 1 }, 'closed is closed');
});

t.test('disk trouble is told once, costs lines only beyond the limit, and passes', async (t) => {
  const directory = join(t.testdir(), 'logs');
  mkdirSync(directory);
  const path = join(directory, 'access.csv');
  const log = talk();
  const accessLog = await AccessLog.open({ path, hashTitles: false, log });
  rmSync(directory, { recursive: true });
  await accessLog.reopen();
  await accessLog.reopen();
  const lines = 40_000;
  for (let i = 0; i < lines; i++) accessLog.write(VIEWING);
  mkdirSync(directory);
  await accessLog.close();
  const { written, dropped } = accessLog.lines;
  t.equal(written, Math.floor(2 ** 20 / LINE.length));
  t.equal(written + dropped, lines);
  t.equal(readFileSync(path, 'utf8'), HEADER + LINE.repeat(written));
  t.same(log.messages, ['access log cannot be written', 'access log is written again']);
});

t.test('what is lost at the end is counted', async (t) => {
  const directory = join(t.testdir(), 'logs');
  mkdirSync(directory);
  const accessLog = await AccessLog.open({ path: join(directory, 'a'), hashTitles: false, log: talk() });
  rmSync(directory, { recursive: true });
  await accessLog.reopen();
  accessLog.write(VIEWING);
  await accessLog.close();
  t.same(accessLog.lines, { written: 0, dropped: 1 });
  await t.rejects(AccessLog.open({ path: directory + '/no/a', hashTitles: false, log: talk() }), {
    code: 'ENOENT',
  });
  await t.rejects(AccessLog.open({ path: '/dev/full', hashTitles: false, log: talk() }), { code: 'ENOSPC' });
});

t.test('serve writes what was played: a seek, a pause, a teardown, the end', async (t) => {
  const origin = await RigOrigin.start({
    titles: { '/vod/film': syntheticTitle({ seconds: 4, videoKbps: 300 }) },
  });
  t.teardown(() => origin.close());
  const file = join(t.testdir(), 'access.csv');
  const args = ['--origin', origin.url('/vod'), '--cache-size', '0', '--access-log', file];
  const serving = running(t, ['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...args]);
  const { rtsp, admin } = await serving.logged('forebay serves');
  const viewer = await RigViewer.open({
    url: `rtsp://${String(rtsp)}/film?password=hunter2&a=1,2`,
    transport: 'tcp',
  });
  t.teardown(() => viewer.close());
  const packets = (): number => viewer.recordings.reduce((sum, { packets: some }) => sum + some, 0);
  for (const range of ['npt=0-', 'npt=2-', undefined]) {
    await viewer.play(range === undefined ? {} : { range });
    await viewer.received(packets() + 20, { timeoutMs: 20_000 });
    if (range === 'npt=2-') await viewer.pause();
  }
  await viewer.play({ range: 'npt=3-' });
  await viewer.ended({ timeoutMs: 20_000 });
  await viewer.play({ range: 'npt=1-' });
  await viewer.received(packets() + 5, { timeoutMs: 20_000 });
  await viewer.teardown();
  const watcher = watch(file);
  while (readFileSync(file, 'utf8').split('\n').length < 7) await once(watcher, 'change');
  watcher.close();
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /^forebay_access_log_lines_total\{result="written"\} 5$/m);
  renameSync(file, `${file}.1`);
  serving.child.kill('SIGHUP');
  await serving.logged('access log reopened');
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
  t.equal(readFileSync(file, 'utf8'), HEADER);
  const text = readFileSync(`${file}.1`, 'utf8');
  t.notMatch(text, 'hunter2');
  t.notMatch(text, '127.0.0.1', 'no addresses of viewers');
  const rows = text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));
  t.same(
    rows.map(([, title, duration]) => [title, duration]),
    rows.map(() => ['/film?password=&a=1%2C2', '4']),
  );
  const numbers = rows.map((cells) => cells.map(Number));
  for (const [i, asked] of [0, 2, undefined, 3, 1].entries()) {
    const start = numbers[i]![3]!;
    if (asked !== undefined) t.ok(start <= asked && start > asked - 1.5, `${start} for ${asked}`);
  }
  const [, paused, resumed, ended] = numbers;
  t.ok(Math.abs(paused![3]! + paused![4]! - resumed![3]!) < 0.2, 'goes on where it paused');
  t.ok(Math.abs(ended![3]! + ended![4]! - 4) < 0.01, 'the end is the end');
  for (const [time, , , , watched, bitrate] of numbers) {
    t.ok(
      time! > 1.7e9 && watched! > 0 && watched! <= 4 && bitrate! > 100_000,
      `${time} ${watched} ${bitrate}`,
    );
  }
});

t.test('an access log that cannot be, and a hash of nothing', async (t) => {
  const args = ['serve', '--origin', 'rtsp://127.0.0.1:9/', '--cache-size', '0', '--listen', '127.0.0.1:0'];
  const lost = await forebay([...args, '--admin', 'off', '--access-log', join(t.testdir(), 'no', 'a.csv')]);
  t.equal(lost.code, 1);
  t.match(lost.err, /--access-log: the folder .* does not exist; create it/);
  t.notMatch(lost.err, '    at ');
  const hash = await forebay([...args, '--hash-titles']);
  t.equal(hash.code, 2);
  t.match(hash.err, /^forebay: --hash-titles: .*--access-log FILE too\n$/);
});
