import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSynthetic, playOnce, RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import t, { type Test } from 'tap';
import { settingsOf } from '../src/settings.js';
import { Hangup } from '../src/signals.js';
import { complains } from './complains.js';
import { forebay, running, type Running } from './spawned.js';

const SECONDS = 2;
const TIMEOUT_MS = 30_000;

async function startOrigin(test: Test): Promise<RigOrigin> {
  const title = syntheticTitle({ seconds: SECONDS, videoKbps: 300 });
  const origin = await RigOrigin.start({ titles: { '/vod/film': title } });
  test.teardown(() => origin.close());
  return origin;
}

function serve(test: Test, args: readonly string[]): Running {
  return running(test, [
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
    '--cache-size',
    '0',
    ...args,
  ]);
}

/** The status of DESCRIBE with this login. */
async function asked(url: string, login?: string): Promise<number> {
  const viewer = await RigViewer.connect({
    url: login === undefined ? url : url.replace('rtsp://', `rtsp://${login}@`),
    transport: 'tcp',
    timeoutMs: TIMEOUT_MS,
  });
  const { status } = await viewer.request('DESCRIBE');
  await viewer.close();
  return status;
}

for (const workers of ['1', '2']) {
  t.test(`viewers log in, and SIGHUP has the users read again, with ${workers} serving`, async (t) => {
    const origin = await startOrigin(t);
    const users = join(t.testdir(), 'users');
    writeFileSync(users, '# who may watch\nalice:swordfish-7\n\nbob:a:b\n');
    const serving = serve(t, ['--origin', origin.url('/vod'), '--users', users, '--workers', workers]);
    const { rtsp, admin } = await serving.logged('forebay serves');
    const url = `rtsp://${String(rtsp)}/film`;
    t.equal(await asked(url), 401);
    t.equal(await asked(url, 'alice:wrong'), 401);
    t.equal(await asked(url, 'bob:a%3Ab'), 200);
    const withLogin = url.replace('rtsp://', 'rtsp://alice:swordfish-7@');
    const played = await playOnce({
      url: withLogin,
      transport: 'tcp',
      check: checkSynthetic(),
      endTimeoutMs: TIMEOUT_MS,
    });
    for (const stream of [0, 1]) t.equal(played.recording(stream).wrongPayloads, 0);
    writeFileSync(users, 'carol:new\n');
    serving.child.kill('SIGHUP');
    t.match(await serving.logged('configuration read again'), { users: 1 });
    // Workers are told a moment later.
    while ((await asked(url, 'carol:new')) !== 200);
    t.equal(await asked(url, 'alice:swordfish-7'), 401);
    writeFileSync(users, 'nobody\n');
    serving.child.kill('SIGHUP');
    const kept = await serving.logged('the configuration cannot be read again: all is as before');
    t.match(JSON.stringify(kept), /line 1 must hold user:password/);
    t.equal(await asked(url, 'carol:new'), 200);
    const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
    t.match(metrics, /^forebay_rejects_total\{reason="login"\} \d/m);
    serving.child.kill('SIGTERM');
    t.equal(await serving.ended(), 0);
    t.notMatch(JSON.stringify(serving.lines), 'swordfish');
  });
}

t.test('routes say who of the users may watch', async (t) => {
  const origin = await startOrigin(t);
  const folder = t.testdir({ users: 'alice:one\nbob:two\n' });
  const config = join(folder, 'forebay.yaml');
  writeFileSync(
    config,
    `
users: { file: ${join(folder, 'users')} }
routes:
  - { path: /lobby, origin: '${origin.url('/vod')}', name: lobby, access: public }
  - { path: /all, origin: '${origin.url('/vod')}', name: all }
  - { path: /one, origin: '${origin.url('/vod')}', name: one, access: proxy, allowUsers: [alice] }
`,
  );
  const serving = serve(t, ['--config', config]);
  const { rtsp } = await serving.logged('forebay serves');
  const at = (route: string): string => `rtsp://${String(rtsp)}/${route}/film`;
  t.equal(await asked(at('lobby')), 200);
  t.equal(await asked(at('all')), 401, 'where there are users, a route is for them');
  for (const login of ['alice:one', 'bob:two']) t.equal(await asked(at('all'), login), 200);
  t.equal(await asked(at('one'), 'alice:one'), 200);
  t.equal(await asked(at('one'), 'bob:two'), 401);
  // forebay replay is a viewer like any other.
  const log = join(folder, 'access.csv');
  writeFileSync(log, `time_s,title_id,duration_s,start_s,watched_s\n0,/film,${SECONDS},0,1\n`);
  const replay = ['replay', log, '--origin', `rtsp://${String(rtsp)}/all`, '--admin', 'off', '--json'];
  t.equal((await forebay(replay)).code, 1, 'which has to log in');
  const logged = await forebay(replay, { FOREBAY_VIEWER_CREDENTIALS: 'bob:two' });
  t.equal(logged.code, 0, logged.err);
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
});

t.test('SIGHUP opens no route because another has taken its name', async (t) => {
  const origin = await startOrigin(t);
  const folder = t.testdir({ users: 'alice:one\n' });
  const config = join(folder, 'forebay.yaml');
  const write = (routes: string): void =>
    writeFileSync(config, `users: { file: ${join(folder, 'users')} }\nroutes:\n${routes}`);
  const at = `origin: '${origin.url('/vod')}'`;
  write(`  - { path: /, ${at}, name: nvr }\n  - { path: /b, ${at}, name: b }\n`);
  const serving = serve(t, ['--config', config]);
  const { rtsp } = await serving.logged('forebay serves');
  write(
    `  - { path: /lobby, ${at}, name: nvr, access: public }\n  - { path: /b, ${at}, name: b, access: public }\n`,
  );
  serving.child.kill('SIGHUP');
  await serving.logged('configuration read again');
  while ((await asked(`rtsp://${String(rtsp)}/b/film`)) !== 200);
  t.equal(await asked(`rtsp://${String(rtsp)}/film`), 404, 'what was guarded there is gone');
  t.equal(await asked(`rtsp://${String(rtsp)}/lobby/film`), 200, 'where it is now it is open');
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
});

t.test('SIGHUP while the proxy starts is not forgotten', async (t) => {
  let count = 0;
  const hangup = new Hangup();
  const came = once(process, 'SIGHUP');
  process.kill(process.pid, 'SIGHUP');
  // A signal that is awaited keeps no process alive.
  const awake = setInterval(() => undefined, 1000);
  await came;
  clearInterval(awake);
  hangup.does(() => count++);
  t.equal(count, 1);
});

t.test('what is wrong about users is said in one line', (t) => {
  const folder = t.testdir({
    good: 'alice:one\n',
    empty: '# nobody\n',
    twice: 'alice:one\nalice:two\n',
    bare: 'alice:one\nbob:\n',
    odd: 'alice\n',
  });
  const text = (users: string, route: string): string =>
    `${users === '' ? '' : `users: { file: ${join(folder, users)} }\n`}routes:\n  - path: /\n    origin: rtsp://192.0.2.7/\n${route}`;
  const table: readonly (readonly [string, string, RegExp])[] = [
    ['empty', '', /forebay\.yaml:1: users\.file: holds no user/],
    ['twice', '', /users\.file: line 2 names a user again/],
    ['bare', '', /users\.file: line 2 must hold user:password/],
    ['odd', '', /users\.file: line 1 must hold user:password/],
    ['absent', '', /users\.file: cannot be read/],
    ['', '    access: proxy\n', /forebay\.yaml:4: routes\[0\]\.access: needs users/],
    ['', '    allowUsers: [alice]\n', /routes\[0\]\.allowUsers: says who may watch/],
    ['good', '    access: public\n    allowUsers: [alice]\n', /routes\[0\]\.allowUsers: says who may watch/],
    [
      'good',
      '    allowUsers: [alice, eve]\n',
      /forebay\.yaml:5: routes\[0\]\.allowUsers\[1\]: 'eve' is none/,
    ],
    ['good', '    access: anybody\n', /routes\[0\]\.access: must be one of public, proxy/],
  ];
  const file = join(folder, 'forebay.yaml');
  for (const [users, route, expected] of table) {
    writeFileSync(file, text(users, route));
    const said = complains(t, () => settingsOf({ config: file }, {}), expected);
    t.notMatch(said, /:one|:two/, 'without passwords');
  }
  t.throws(() => settingsOf({ origin: 'rtsp://h/', users: join(folder, 'absent') }, {}), {
    message: /^--users: cannot be read/,
  });
  t.end();
});
