import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { listeningError } from '../src/complaints.js';
import { forebay, running } from './spawned.js';

const SERVE = ['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
const ORIGIN = 'rtsp://127.0.0.1:9/base';

t.test('wishes are answered with 0', async (t) => {
  const version = await forebay(['--version']);
  t.match(version, { code: 0, err: '' });
  t.match(version.out, /^\d+\.\d+\.\d+\n$/);
  const help = await forebay(['--help']);
  t.equal(help.code, 0);
  for (const command of ['serve', 'demo', 'ls', 'inspect', 'purge', 'simulate', 'replay'])
    t.match(help.out, ` ${command}`);
  t.match((await forebay(['probe', '--help'])).out, 'about 25 s', 'as the documents have it');
  const serveHelp = await forebay(['serve', '--help']);
  t.match(serveHelp.out, '--cache-size');
});

t.test('bad configuration ends with 2 and one line', async (t) => {
  const config = join(t.testdir(), 'forebay.yaml');
  writeFileSync(config, 'routes:\n  - path: /\n    orgin: rtsp://x/\n');
  const table: readonly (readonly [readonly string[], RegExp])[] = [
    [['serve'], /^forebay: --origin: give either --origin .* or --config .*\n$/],
    [['serve', '--origin', 'http://x/'], /^forebay: --origin: must be an RTSP URL such as .*\n$/],
    [
      ['serve', '--origin', ORIGIN, '--cache-size', '9 lives'],
      /^forebay: --cache-size: '9 lives' is not a size .*\n$/,
    ],
    [
      ['serve', '--origin', ORIGIN, '--cache-size', '10'],
      /^forebay: --cache-size: 10 bytes hold no segment; write 10GB, or 0 for none\n$/,
    ],
    [['serve', '--config', config], /^forebay: .*forebay\.yaml:3: routes\[0\]\.orgin: unknown key.*\n$/],
    [['serve', '--config', '/nowhere.yaml'], /^forebay: \/nowhere\.yaml: cannot be read: .*\n$/],
  ];
  await Promise.all(
    table.map(async ([args, line]) => {
      const { code, out, err } = await forebay(args);
      t.equal(code, 2, args.join(' '));
      t.match(err, line);
      t.equal(out, '');
    }),
  );
  const typo = await forebay(['serv']);
  t.equal(typo.code, 2);
  t.match(typo.err, 'Did you mean serve?');
  const option = await forebay(['serve', '--orign', ORIGIN]);
  t.equal(option.code, 2);
  t.match(option.err, 'Did you mean --origin?');
  t.equal((await forebay([])).code, 2, 'no command');
});

t.test('a world that does not play along ends with 1', async (t) => {
  const directory = t.testdir();
  const occupied = running(t, [...SERVE, '--origin', ORIGIN, '--cache-dir', join(directory, 'a')]);
  const { rtsp, admin } = await occupied.logged('forebay serves');
  const args = [
    'serve',
    '--origin',
    ORIGIN,
    '--listen',
    String(rtsp),
    '--admin',
    'off',
    '--cache-dir',
    join(directory, 'b'),
  ];
  const { code, err } = await forebay(args);
  t.equal(code, 1);
  t.match(
    err,
    `forebay: --listen: ${String(rtsp)} is taken by another process; stop it or choose another port\n`,
  );
  t.notMatch(err, '    at ', 'no stack');
  const second = await forebay(['serve', '--origin', ORIGIN, '--cache-size', '0', '--admin', String(admin)]);
  t.equal(second.code, 1);
  t.match(
    second.err,
    `forebay: --admin: ${String(admin)} is taken by another process; stop it or choose another`,
  );
  const unusable = await forebay([...args.slice(0, -1), '/proc/none']);
  t.equal(unusable.code, 1);
  t.match(
    unusable.err,
    /^forebay: the cache directory cannot be used: \/proc\/none; create it, or .*\n$/,
    'one line',
  );
});

t.test('an address or a file that cannot be had: what to do', async (t) => {
  const address = { host: '127.0.0.1', port: 554 };
  const said = (code: string, at = address, takenBy?: string): string => {
    const cause = Object.assign(new Error(`listen ${code}`), { code });
    return (listeningError('--listen', { address: at, takenBy }, cause) as Error).message;
  };
  t.match(said('EACCES'), '--listen: ports below 1024 need CAP_NET_BIND_SERVICE');
  t.equal(said('EACCES', { ...address, port: 8554 }), 'listen EACCES', 'some other rule of the system');
  t.match(said('EADDRINUSE', address, '--admin'), '127.0.0.1:554 is taken by --admin;');
  t.match(said('EADDRNOTAVAIL'), 'this machine has no address 127.0.0.1');
  t.match(said('ENOTFOUND', { host: 'nowhere.example', port: 1 }), 'the name nowhere.example has no address');
  const folder = t.testdir();
  const serve = [...SERVE, '--origin', ORIGIN, '--cache-size', '0', '--access-log'];
  const missing = join(folder, 'nope', 'x.csv');
  t.match(await forebay([...serve, missing]), {
    code: 1,
    err: `forebay: --access-log: the folder ${join(folder, 'nope')} does not exist; create it\n`,
  });
  t.match(await forebay([...serve, folder]), {
    code: 1,
    err: `forebay: --access-log: ${folder} is a folder; name a file in it\n`,
  });
});

t.test('one process a cache directory', async (t) => {
  const directory = t.testdir({ file: '' });
  const args = [...SERVE, '--origin', ORIGIN, '--cache-dir'];
  const first = running(t, [...args, directory]);
  await first.logged('forebay serves');
  const second = await forebay([...args, directory]);
  t.equal(second.code, 1);
  t.match(second.err, /^forebay: another process uses the cache directory: .*; stop that process, or .*\n$/);
  const misplaced = await forebay([...args, join(directory, 'file')]);
  t.equal(misplaced.code, 1);
  t.match(misplaced.err, /^forebay: the cache directory cannot be used: .*\n$/);
});

t.test('what nobody caught is logged and ends with 70', async (t) => {
  const crash = new URL('../src/crash.js', import.meta.url).href;
  for (const bug of ["throw new Error('boom')", "Promise.reject(new Error('boom'))"]) {
    const script = `import { crashLoudly } from '${crash}';
      crashLoudly({ fatal: ({ err }, message) => console.error(message, err.message) });
      setTimeout(() => { ${bug} });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [err] = await Promise.all([text(child.stderr), once(child, 'close')]);
    t.equal(child.exitCode, 70, bug);
    t.equal(err, 'uncaught exception boom\n');
  }
});

t.test('serves, answers on the admin pages, drains on SIGTERM and ends with 0', async (t) => {
  const serving = running(t, [...SERVE, '--origin', ORIGIN, '--cache-dir', t.testdir()]);
  const { rtsp, admin, level, time } = await serving.logged('forebay serves');
  t.equal(level, 'info');
  t.match(time, /^\d{4}-.*Z$/);
  t.match(rtsp, /^127\.0\.0\.1:\d+$/);
  const ready = await fetch(`http://${String(admin)}/readyz`);
  t.same([ready.status, await ready.json()], [200, { ready: true, reasons: [] }]);
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /^forebay_cache_capacity_bytes\{tier="disk"\} 10000000000$/m);
  t.match(metrics, 'forebay_build_info');
  serving.child.kill('SIGTERM');
  await serving.logged('draining');
  t.equal(await serving.ended(), 0);
  t.match(serving.lines.at(-1), { msg: 'ended' });
});

t.test('credentials never reach the log', async (t) => {
  const directory = t.testdir();
  const config = join(directory, 'forebay.yaml');
  const log = `{ level: debug }`;
  writeFileSync(
    config,
    `log: ${log}\ncache: { dir: ${directory}/cache }\nroutes: [{ path: /, origin: '${ORIGIN}', credentials: { env: LOGIN } }]\n`,
  );
  const serving = running(t, [...SERVE, '--config', config], { LOGIN: 'operator:swordfish' });
  await serving.logged('forebay serves');
  serving.child.kill('SIGINT');
  t.equal(await serving.ended(), 0);
  t.notMatch(JSON.stringify(serving.lines), 'swordfish');
  t.notMatch(JSON.stringify(serving.lines), 'not asked who they are', 'on loopback nobody else comes');
});

t.test('credentials of an origin, and a port that others reach: a warning', async (t) => {
  // An address of documentation, which no machine has: the warning comes before that is found out.
  const open = [
    'serve',
    '--origin',
    ORIGIN,
    '--listen',
    '192.0.2.1:0',
    '--admin',
    'off',
    '--cache-size',
    '0',
  ];
  const { code, err } = await forebay(open, { FOREBAY_ORIGIN_CREDENTIALS: 'operator:swordfish' });
  t.equal(code, 1);
  const warning = err.split('\n').find((line) => line.includes('not asked who they are')) ?? '{}';
  t.match(JSON.parse(warning), { level: 'warn', listen: '192.0.2.1:0', origins: ['127.0.0.1:9'] });
  t.notMatch(err, 'swordfish');
  t.notMatch(
    (await forebay(open)).err,
    'not asked who they are',
    'without credentials there is nothing to open',
  );
});

t.test('the package and the command agree on the version', async (t) => {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  t.equal((await forebay(['--version'])).out, `${version}\n`);
});
