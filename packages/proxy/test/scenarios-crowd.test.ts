import t from 'tap';
import { until } from './origin-fakes.js';
import { film, scene, type Scene } from './scene.js';
import { TestViewer } from './viewer-player.js';

t.setTimeout(120_000);

const SLOW_MS = 3000;

/** So many viewers of one address. */
async function viewersOf(s: Scene, address: string, count: number): Promise<TestViewer[]> {
  const port = Number(new URL(s.url().replace('rtsp:', 'http:')).port);
  return Promise.all(Array.from({ length: count }, () => TestViewer.connect(port, address)));
}

for (const workers of [0, 2]) {
  const how = workers === 0 ? '' : ', with workers';

  t.test(`300 viewers of as many unknown titles take 16 connections to the origin${how}`, async (t) => {
    const faults = { delaysMs: { DESCRIBE: SLOW_MS } };
    const s = await scene(t, { title: film(4), disk: false, faults, workers });
    const addresses = ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4', '127.0.1.5'];
    const viewers = (await Promise.all(addresses.map((address) => viewersOf(s, address, 60)))).flat();
    const statuses: number[] = [];
    const answers = viewers.map(async (viewer, i) => {
      const answer = await viewer.request('DESCRIBE', s.url(`/none${i}`));
      statuses.push(answer.status);
      return answer;
    });
    const crowded = (): Promise<number> => s.metric('forebay_origin_faults_total', { reason: 'crowded' });
    await until(() => statuses.length >= 300 - 16 - 256, 'those who find the line full hear so');
    await until(() => s.origin.counters.openConnections >= 16, 'the first are asked for');
    t.equal(s.origin.counters.openConnections, 16);
    t.equal(await crowded(), 28);
    const [other] = await viewersOf(s, '127.0.1.9', 1);
    const asked = other!.request('DESCRIBE', s.url());
    s.origin.setFaults({});
    t.equal((await asked).status, 200, 'another address finds a place');
    const all = await Promise.all(answers);
    const refused = all.filter(({ status }) => status === 503);
    t.equal(refused.length, 29, 'it was one of theirs');
    t.strictSame(new Set(refused.map(({ headers }) => headers.get('retry-after'))), new Set(['5']));
    t.equal(all.filter(({ status }) => status === 404).length, 300 - 29, 'the rest in its turn');
    for (const viewer of [...viewers, other!]) viewer.socket.destroy();
  });

  t.test(`a viewer who leaves before its title was asked for costs the origin nothing${how}`, async (t) => {
    const faults = { delaysMs: { DESCRIBE: SLOW_MS } };
    const s = await scene(t, { title: film(4), disk: false, faults, workers });
    const viewers = await viewersOf(s, '127.0.1.1', 8);
    const answers = viewers.map((viewer, i) => viewer.request('DESCRIBE', s.url(`/none${i}`)));
    await until(() => s.origin.counters.openConnections === 8, 'all places of the address are taken');
    const [leaving, staying] = await viewersOf(s, '127.0.1.1', 2);
    leaving!.send('DESCRIBE', s.url('/left'));
    leaving!.socket.destroy();
    const stayed = staying!.request('DESCRIBE', s.url());
    t.equal((await stayed).status, 200);
    await Promise.all(answers);
    t.equal(s.origin.counters.describes, 9);
    for (const viewer of [...viewers, staying!]) viewer.socket.destroy();
  });
}
