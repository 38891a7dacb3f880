import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { abandon, ABANDON_STAGES, RigError, RigViewer } from '@forebay/rig';
import t from 'tap';
import { film, holding, scene, type Scene } from './scene.js';

t.setTimeout(180_000);

const AT_A_TIME = 16;
const ABANDONED = 1500;
const PLAYED = 150;
/** What is learned and compiled on the way; a connection that is held on to costs more than this for 1500 of them. */
const SLACK_BYTES = 4e6;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const address = (i: number): string => `127.3.${(i >>> 6) & 0x3f}.${(i & 0x3f) + 1}`;

async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

async function comeAndGo(s: Scene): Promise<void> {
  const { port } = new URL(s.url().replace('rtsp:', 'http:'));
  await inParallel(ABANDONED, async (i) => {
    const stage = ABANDON_STAGES[i % ABANDON_STAGES.length]!;
    const reset = i % 3 === 0;
    await abandon({
      host: '127.0.0.1',
      port: Number(port),
      path: '/film',
      localAddress: address(i),
      stage,
      reset,
    });
  });
  await inParallel(PLAYED, async (i) => {
    const transport = i % 4 === 0 ? 'udp' : 'tcp';
    const options = { url: s.url(), transport, timeoutMs: 60_000, localAddress: address(i) } as const;
    const viewer = await RigViewer.connect(options);
    try {
      await viewer.describe();
      await viewer.setup();
      await viewer.play({ range: `npt=${i % 7}-` });
      await viewer.received(5, { timeoutMs: 60_000 });
      if (i % 2 === 0) await viewer.teardown();
    } catch (error) {
      // On loopback a port of the viewer may be one that the proxy has too: that is refused.
      if (!(error instanceof RigError && error.status === 461)) throw error;
    }
    await viewer.close();
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sockets that are open, viewers' and ours. */
const sockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => /TCPSocketWrap|UDPWrap/i.test(name)).length;

async function isQuiet(s: Scene, before: number): Promise<boolean> {
  const open = await s.metric('forebay_viewer_connections');
  const sessions = await s.metric('forebay_viewer_sessions');
  return open === 0 && sessions === 0 && s.origin.counters.openSessions === 0 && sockets() <= before;
}

t.test('thousands of viewers who come and go leave nothing behind', async (t) => {
  const s = await scene(t, { title: film(8) });
  await holding(s, (cell) => cell === 0);
  const before = sockets();
  const heaps: number[] = [];
  for (let round = 0; round < 3; round++) {
    await comeAndGo(s);
    for (let i = 0; i < 300 && !(await isQuiet(s, before)); i++) await pause(100);
    t.ok(await isQuiet(s, before), 'no connection, no session, no socket');
    s.lines.length = 0;
    collect();
    heaps.push(process.memoryUsage().heapUsed);
  }
  t.ok(
    heaps[2]! - heaps[1]! < SLACK_BYTES,
    `the heap is flat: ${heaps.map((b) => (b / 1e6).toFixed(1)).join(', ')} MB`,
  );
});
