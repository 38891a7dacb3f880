import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { checkSynthetic, playOnce, RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import t, { type Test } from 'tap';
import { BIN, running, type Running } from './spawned.js';

// Most of the time is a watchdog's.
t.jobs = 4;
t.setTimeout(180_000);

const SECONDS = 3;
const END_TIMEOUT_MS = 60_000;

async function startOrigin(test: Test): Promise<RigOrigin> {
  const title = syntheticTitle({ seconds: SECONDS, videoKbps: 300 });
  const origin = await RigOrigin.start({ titles: { '/vod/film': title } });
  test.teardown(() => origin.close());
  return origin;
}

function serve(test: Test, origin: RigOrigin, cache: string): Running {
  const where = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--cache-dir', cache];
  return running(test, ['serve', '--workers', '2', '--origin', origin.url('/vod'), ...where]);
}

const pidsOf = ({ lines }: Running): number[] =>
  lines.filter((line) => line['msg'] === 'worker serves').map((line) => Number(line['pid']));

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Resolves when `check` holds; looks again a hundred times a second. */
async function until(check: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!check()) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The folder of shared memory that process `pid` has. */
function sharedFolder(pid: number | undefined): string | undefined {
  for (const parent of ['/dev/shm', tmpdir()]) {
    if (!existsSync(parent)) continue;
    for (const name of readdirSync(parent)) {
      const path = join(parent, name);
      if (name.startsWith('forebay-shared-') && ownerOf(path) === pid) return path;
    }
  }
  return undefined;
}

function ownerOf(folder: string): number | undefined {
  try {
    return Number(readlinkSync(join(folder, 'lock')).split('-')[0]);
  } catch {
    return undefined;
  }
}

/** `serve` with two workers that stop as they start, and so never serve. */
async function starting(test: Test) {
  const held = "if(process.argv[1].endsWith('workers/main.js'))process.kill(process.pid,'SIGSTOP')";
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${held}` };
  const where = ['--listen', '127.0.0.1:0', '--admin', 'off', '--cache-dir', join(test.testdir(), 'cache')];
  const args = ['serve', '--workers', '2', '--origin', 'rtsp://127.0.0.1:1/vod', ...where];
  const owner = spawn(process.execPath, [BIN, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = Promise.all([text(owner.stderr), once(owner, 'close')]);
  const children = `/proc/${owner.pid}/task/${owner.pid}/children`;
  const workers = (): number[] =>
    existsSync(children)
      ? readFileSync(children, 'latin1').trim().split(' ').filter(Boolean).map(Number)
      : [];
  const areHeld = (): boolean => workers().length === 2 && workers().every(isStopped);
  let pids: number[] = [];
  test.teardown(() => {
    for (const pid of [owner.pid!, ...pids].filter(isAlive)) process.kill(pid, 'SIGKILL');
  });
  await until(areHeld, 'two workers that start');
  pids = workers();
  return {
    owner,
    pids,
    ended: async () => {
      const [err] = await ended;
      return { code: owner.exitCode, err };
    },
  };
}

/** Source: proc(5), the state in /proc/pid/stat. */
function isStopped(pid: number): boolean {
  return isAlive(pid) && /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

t.test('two workers that die as they start are the end of the proxy, which says so', async (t) => {
  const { owner, pids, ended } = await starting(t);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const { code, err } = await ended();
  t.equal(code, 1);
  t.match(err, /^forebay: worker [12] ended before it served: killed by SIGKILL$/m);
  t.equal(sharedFolder(owner.pid), undefined, 'nothing is left');
});

t.test('a worker that dies as it starts does not leave the others behind', async (t) => {
  const { pids, ended } = await starting(t);
  process.kill(pids[0]!, 'SIGKILL');
  t.equal((await ended()).code, 1);
  for (const pid of pids) t.notOk(isAlive(pid), `worker ${pid} is gone`);
});

t.test('SIGTERM while workers start ends the proxy', async (t) => {
  const { owner, pids, ended } = await starting(t);
  owner.kill('SIGTERM');
  const { code, err } = await ended();
  t.equal(code, 0);
  t.match(err, /"signal":"SIGTERM","msg":"ended before it served"/);
  for (const pid of pids) t.notOk(isAlive(pid), `worker ${pid} is gone`);
});

t.test('workers serve, the page shows all of them, and SIGTERM ends them with the owner', async (t) => {
  const origin = await startOrigin(t);
  const serving = serve(t, origin, join(t.testdir(), 'cache'));
  const { rtsp, admin } = await serving.logged('forebay serves');
  t.match(serving.lines.at(-1), { workers: 2 });
  const url = `rtsp://${String(rtsp)}/film`;
  for (let i = 0; i < 2; i++) {
    const viewer = await playOnce({
      url,
      transport: 'tcp',
      check: checkSynthetic(),
      endTimeoutMs: END_TIMEOUT_MS,
    });
    for (const stream of [0, 1]) t.equal(viewer.recording(stream).wrongPayloads, 0);
  }
  t.equal(origin.counters.plays, 1);
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /^forebay_requests_total\{method="PLAY",status="200"\} 2$/m);
  t.match(metrics, /^forebay_workers 2$/m);
  t.match(metrics, /^forebay_worker_cpu_seconds_total\{worker="2"\} /m);
  t.same(await (await fetch(`http://${String(admin)}/readyz`)).json(), { ready: true, reasons: [] });
  const ends = serving.lines.filter((line) => line['msg'] === 'viewer session ended');
  t.match(ends, [
    { worker: Number, transport: 'tcp' },
    { worker: Number, transport: 'tcp' },
  ]);
  const folder = sharedFolder(serving.child.pid)!;
  t.equal(statSync(folder).mode & 0o777, 0o700);
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
  t.notOk(existsSync(folder), 'nothing is left');
  for (const pid of pidsOf(serving)) t.notOk(isAlive(pid), `worker ${pid} is gone`);
});

t.test('signals to the whole group leave workers to the owner: viewers see the end', async (t) => {
  const origin = await startOrigin(t);
  const serving = serve(t, origin, join(t.testdir(), 'cache'));
  const { rtsp } = await serving.logged('forebay serves');
  const viewer = await RigViewer.open({ url: `rtsp://${String(rtsp)}/film`, transport: 'tcp' });
  t.teardown(() => viewer.close());
  await viewer.play();
  for (const pid of [...pidsOf(serving), serving.child.pid!]) process.kill(pid, 'SIGTERM');
  await viewer.ended({ timeoutMs: END_TIMEOUT_MS });
  await viewer.teardown();
  t.equal(await serving.ended(), 0);
});

t.test('when the owner is killed workers end, and the next start removes what is left', async (t) => {
  const origin = await startOrigin(t);
  const cache = join(t.testdir(), 'cache');
  const first = serve(t, origin, cache);
  const { rtsp } = await first.logged('forebay serves');
  const viewer = await RigViewer.open({ url: `rtsp://${String(rtsp)}/film`, transport: 'tcp' });
  t.teardown(() => viewer.close());
  await viewer.play();
  await viewer.received(50, { timeoutMs: END_TIMEOUT_MS });
  const folder = sharedFolder(first.child.pid)!;
  first.child.kill('SIGKILL');
  await first.ended();
  await until(() => pidsOf(first).every((pid) => !isAlive(pid)), 'the end of the workers');
  t.ok(existsSync(folder), 'it had no time to clean up');
  const second = serve(t, origin, cache);
  await second.logged('forebay serves');
  t.notOk(existsSync(folder));
  second.child.kill('SIGTERM');
  t.equal(await second.ended(), 0);
});

t.test('a worker that is stuck is ended and replaced', async (t) => {
  const origin = await startOrigin(t);
  const serving = serve(t, origin, join(t.testdir(), 'cache'));
  const { rtsp, admin } = await serving.logged('forebay serves');
  const [stuck] = pidsOf(serving);
  process.kill(stuck!, 'SIGSTOP');
  const page = await fetch(`http://${String(admin)}/metrics`);
  t.equal(page.status, 200, 'metrics do not wait for it');
  t.match(await serving.logged('a worker says nothing'), { pid: stuck });
  for (let i = 1; i <= 4; i++) {
    const localAddress = `127.0.7.${i}`;
    const viewer = await RigViewer.open({
      url: `rtsp://${String(rtsp)}/film`,
      transport: 'tcp',
      localAddress,
    });
    await viewer.close();
  }
  t.equal(pidsOf(serving).length, 2, 'who comes from elsewhere does not wait for it either');
  t.match(await serving.logged('worker ended, and its viewers with it'), { pid: stuck, reason: 'silent' });
  await until(() => pidsOf(serving).length === 3, 'another worker');
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
});
