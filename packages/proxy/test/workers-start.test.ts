import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { silentLog } from '../src/log.js';
import type { Desk } from '../src/workers/desk.js';
import { Spare } from '../src/workers/spare.js';
import { WorkerProcess, type End } from '../src/workers/worker-process.js';
import { TestClock } from './viewer-fakes.js';
import { TestViewer } from './viewer-player.js';

/** A process that takes orders and says nothing. */
const SILENT = [process.execPath, '-e', "process.on('message', () => undefined)"] as const;
const LOADED = [process.execPath, '-e', "process.send([]);process.on('message', () => undefined)"] as const;
/** A worker as it is. */
const REAL = [process.execPath, fileURLToPath(new URL('../src/workers/main.js', import.meta.url))] as const;
const STARTING_SECONDS = 60;

type Command = readonly [string, ...string[]];

function begin(test: Test, [command, ...args]: Command): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  test.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** A worker of the process that `command` begins. */
function worker(test: Test, command: Command): { worker: WorkerProcess; child: ChildProcess; ends: End[] } {
  const child = begin(test, command);
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
      terms: { gates: [] },
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

/** A spare process; `use` says which command begins the next one. */
function spareOf(test: Test, first: Command) {
  const lost: string[] = [];
  const begun: ChildProcess[] = [];
  let command = first;
  const spare = new Spare(
    (reason) => lost.push(reason),
    () => {
      const child = begin(test, command);
      begun.push(child);
      return child;
    },
  );
  const use = (next: Command): void => {
    command = next;
  };
  return { spare, lost, begun, use };
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

t.test('what a worker is told while it begins counts from its first viewer on', async (t) => {
  const { worker: starting } = worker(t, REAL);
  const logins = [{ username: 'alice', password: 'new' }];
  starting.setTerms({ gates: [{ id: 'all', pathPrefix: '/', logins }] });
  await starting.ready;
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const viewer = await TestViewer.connect((server.address() as AddressInfo).port);
  t.teardown(() => viewer.socket.destroy());
  starting.adopt((await accepted)[0], { connection: 1, isSecure: false });
  t.equal((await viewer.request('GET_PARAMETER', 'rtsp://127.0.0.1/film')).status, 401);
  await starting.close();
});

t.test('a spare process that cannot be begun, or dies, is told of and not used', async (t) => {
  const { spare, lost, begun, use } = spareOf(t, ['/nowhere/node']);
  spare.prepare();
  await once(begun[0]!, 'error');
  t.match(lost, [/ENOENT/]);
  use(SILENT);
  spare.prepare();
  begun[1]!.kill('SIGKILL');
  await once(begun[1]!, 'exit');
  t.match(lost, [/ENOENT/, 'killed by SIGKILL']);
  t.equal(spare.take(), begun[2], 'another one');
  spare.prepare();
  t.equal(spare.take(), begun[3]);
  begun[3]!.kill('SIGKILL');
  await once(begun[3]!, 'exit');
  spare.prepare();
  spare.close();
  await once(begun[4]!, 'exit');
  t.equal(lost.length, 2, 'what is a worker, or not wanted any more, is no spare that was lost');
});

t.test(
  'a spare process that hangs as it loads is ended after a minute, one that has loaded is not',
  async (t) => {
    const { spare, lost, begun, use } = spareOf(t, LOADED);
    spare.prepare();
    await once(begun[0]!, 'message');
    for (let second = 0; second < 2 * STARTING_SECONDS; second++) spare.sweep();
    t.notOk(begun[0]!.killed);
    t.equal(spare.take(), begun[0]);
    use(SILENT);
    spare.prepare();
    for (let second = 0; second < STARTING_SECONDS; second++) spare.sweep();
    t.notOk(begun[1]!.killed, 'not before');
    spare.sweep();
    await once(begun[1]!, 'exit');
    t.same(lost, ['killed by SIGKILL']);
  },
);
