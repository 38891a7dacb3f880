import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import t from 'tap';
import { running } from './spawned.js';

const TIMEOUT_MS = 30_000;

async function asked(url: string): Promise<number> {
  const viewer = await RigViewer.connect({ url, transport: 'tcp', timeoutMs: TIMEOUT_MS });
  const { status } = await viewer.request('DESCRIBE');
  await viewer.close();
  return status;
}

t.test('SIGHUP has routes read again, and says what has to wait for the next start', async (t) => {
  const title = syntheticTitle({ seconds: 2, videoKbps: 300 });
  const origin = await RigOrigin.start({ titles: { '/vod/film': title } });
  t.teardown(() => origin.close());
  const config = join(t.testdir(), 'forebay.yaml');
  const write = (routes: readonly string[], more = ''): void => {
    const lines = routes.map(
      (name) => `  - { path: /${name}, origin: '${origin.url('/vod')}', name: ${name} }\n`,
    );
    const head = 'listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ncache: { size: 0 }\n';
    writeFileSync(config, `${head}${more}routes:\n${lines.join('')}`);
  };
  write(['a', 'b']);
  const serving = running(t, ['serve', '--config', config]);
  const { rtsp, admin } = await serving.logged('forebay serves');
  const at = (route: string): Promise<number> => asked(`rtsp://${String(rtsp)}/${route}/film`);
  t.same([await at('a'), await at('b'), await at('c')], [200, 200, 404]);
  write(['b', 'c'], 'drainTimeout: 5s\nlimits: { sessions: 10 }\n');
  serving.child.kill('SIGHUP');
  const again = await serving.logged('configuration read again');
  t.match(again, { added: ['c'], changed: [], removed: ['a'], users: 0 });
  const later = await serving.logged('what else has changed counts with the next start only');
  t.match(later, { level: 'warn', settings: ['limits', 'drainSeconds'] });
  while ((await at('c')) !== 200);
  t.same([await at('a'), await at('b')], [404, 200]);
  const origins = (await (await fetch(`http://${String(admin)}/api/v1/origins`)).json()) as {
    origins: { route: string }[];
  };
  t.same(
    origins.origins.map(({ route }) => route),
    ['b', 'c'],
  );
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
});
