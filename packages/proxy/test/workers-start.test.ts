import { spawn, type ChildProcess } from 'node:child_process';
import t, { type Test } from 'tap';
import { silentLog } from '../src/log.js';
import type { Desk } from '../src/workers/desk.js';
import { WorkerProcess, type End } from '../src/workers/worker-process.js';
import { TestClock } from './viewer-fakes.js';

/** A process that takes orders and says nothing. */
const SILENT = [process.execPath, '-e', "process.on('message', () => undefined)"] as const;
const STARTING_SECONDS = 60;

/** A worker of the process that `command` begins. */
function worker(
  test: Test,
  [command, ...args]: readonly [string, ...string[]],
): { worker: WorkerProcess; child: ChildProcess; ends: End[] } {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  test.teardown(() => child.kill('SIGKILL'));
  const ends: End[] = [];
  const started = new WorkerProcess({
    child,
    options: {
      number: 2,
      udpPorts: { first: 0, last: 0 },
      udpPath: 'dgram',
      latency: 'usual',
      sessionTimeoutSeconds: 60,
      viewerLimits: {},
      ramBytes: 1e6,
      serverName: 'Forebay',
      reportsViewings: false,
    },
    clock: new TestClock(),
    log: silentLog,
    desk: () => ({ close: () => undefined }) as unknown as Desk,
    onDisconnected: () => undefined,
    onOrphan: () => undefined,
    onEnd: (end) => ends.push(end),
  });
  return { worker: started, child, ends };
}

t.test(
  'the drain of a worker that has not served waits for nothing, and neither if it is killed',
  async (t) => {
    const { worker: starting, child, ends } = worker(t, SILENT);
    const drained = starting.drain(0);
    child.kill('SIGKILL');
    await drained;
    await t.rejects(starting.ready, {
      code: 'worker-start',
      message: 'worker 2 ended before it served: killed by SIGKILL',
    });
    await starting.drain(0);
    t.same(ends, ['signal']);
  },
);

t.test('a worker whose process cannot be begun is gone', async (t) => {
  const { worker: starting, ends } = worker(t, ['/nowhere/node']);
  await t.rejects(starting.ready, {
    code: 'worker-start',
    message: /^worker 2 ended before it served: spawn .*ENOENT/,
  });
  await starting.drain(0);
  await starting.close();
  t.same(ends, ['exit']);
});

t.test('a worker that does not come as far as serving is ended after a minute', async (t) => {
  const { worker: starting, child, ends } = worker(t, SILENT);
  for (let second = 0; second < STARTING_SECONDS; second++) starting.sweep();
  t.notOk(child.killed, 'not before');
  starting.sweep();
  await t.rejects(starting.ready, {
    message: 'worker 2 ended before it served: it said nothing for 60 s',
  });
  t.same(ends, ['silent']);
});
