import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../src/config-file.js';
import { CONFIG_SCHEMA } from '../src/config-schema.js';
import { routesOf } from '../src/routes.js';
import { cacheDirectory, settingsOf, type ServeFlags } from '../src/settings.js';
import { complains } from './complains.js';

const CAMERA = 'rtsp://192.0.2.7:554/base';

t.test('a whole configuration file', (t) => {
  const config = parseConfig(
    `
listen: "[::]:8554"
admin: off
cache: { dir: /var/cache/forebay, size: 1TB, ramSize: 512MiB }
udpPorts: 30000-30099
lowLatency: true
limits: { connections: 10000, sessionsPerAddress: 500 }
sessionTimeout: 45
drainTimeout: 5s
log: { level: debug, format: json }
routes:
  - path: /cameras
    origin: ${CAMERA}
    name: nvr
    credentials: { env: NVR_LOGIN }
    allowHosts: [192.0.2.8]
    maxSessions: 4
    timeshift: 10m
    queueTimeout: 20s
    transport: tcp
    profile: { keepAlive: reports, range: clock, fill: speed, lead: 3s, pipelining: false }
  - path: /
    origin: rtsp://media.example/
`,
    'forebay.yaml',
  );
  t.match(config, {
    listen: { host: '::', port: 8554 },
    admin: 'off',
    cache: { dir: '/var/cache/forebay', size: 1e12, ramSize: 536_870_912 },
    udpPorts: { first: 30_000, last: 30_099 },
    lowLatency: true,
    limits: { connections: 10_000, sessionsPerAddress: 500 },
    sessionTimeout: 45,
    drainTimeout: 5,
    log: { level: 'debug', format: 'json' },
  });
  t.equal(config.routes.length, 2);
  const [nvr] = routesOf(config.routes.slice(0, 1), { environment: { NVR_LOGIN: 'a:b' }, users: undefined });
  t.match(nvr, { keepAlive: 'reports', range: 'clock', fill: 'speed', leadSeconds: 3, pipelines: false });
  t.match(nvr, { maxSessions: 4, queueMs: 20_000, timeshiftSeconds: 600 });
  t.notOk('seeks' in nvr!, 'what is not given is learned');
  t.end();
});

t.test('a wrong file is refused in one line with the key, its line and what to do', (t) => {
  const route = `routes:\n  - path: /\n    origin: ${CAMERA}\n`;
  const table: readonly (readonly [string, readonly string[]])[] = [
    ['', ['f.yaml:1', 'routes', 'missing']],
    ['listn: x:1\n', ['f.yaml:1: listn', 'unknown key']],
    [`${route}    orgin: x\n`, ['f.yaml:4: routes[0].orgin', 'unknown key']],
    [`listen: 8554\n${route}`, ['f.yaml:1: listen', 'must be a string']],
    [`listen: x\n${route}`, ['f.yaml:1: listen', 'host:port']],
    [`# note\ncache:\n  size: huge\n${route}`, ['f.yaml:3: cache.size', "'huge' is not a size"]],
    [`cache:\n  size: [1]\n${route}`, ['f.yaml:2: cache.size', 'must be a size']],
    [
      `cache:\n  size: 10\n${route}`,
      ['f.yaml:2: cache.size: 10 bytes hold no segment; write 10GB, or 0 for none'],
    ],
    [`cache: { ramSize: 15MB }\n${route}`, ["f.yaml:1: cache.ramSize: '15MB' holds too few", '16MB or more']],
    [`cache: 3\n${route}`, ['f.yaml:1: cache', 'must be a mapping']],
    [`log: { level: loud }\n${route}`, ['log.level', 'must be one of debug, info, warn, error']],
    [`limits: { connections: 0 }\n${route}`, ['f.yaml:1: limits.connections: must be at least 1']],
    [`limits: { sessions: 100001 }\n${route}`, ['limits.sessions: must be at most 100000']],
    [`accessLog: { file: '' }\n${route}`, ['accessLog.file: must not be empty']],
    [`limits: { viewers: 3 }\n${route}`, ['limits.viewers', 'unknown key']],
    [`sessionTimeout: 5s\n${route}`, ['sessionTimeout', 'between 10s and 1h']],
    ['routes: []\n', ['routes', 'at least one']],
    ['routes:\n  - path: cam\n    origin: x\n', ['f.yaml:2: routes[0].path', "start with '/'"]],
    ['routes:\n  - path: /\n', ['routes[0].origin', 'missing']],
    [`${route}    credentials: { env: A, file: b }\n`, ['routes[0].credentials', 'either file or env']],
    [`${route}    profile: { lead: 2m }\n`, ['routes[0].profile.lead', 'at most 60s']],
    [`${route}    maxSessions: 0\n`, ['routes[0].maxSessions: must be at least 1']],
    [`${route}    timeshift: 5s\n`, ['routes[0].timeshift', '10s to 24h']],
    ['listen: [\n', ['f.yaml:', 'not YAML']],
    ['a: 1\na: 2\n', ['f.yaml:2', 'not YAML']],
    ['# note\nroutes: *nothing\n', ["f.yaml:2: '*nothing'", "no '&nothing' above it"]],
    ['routes: [*late]\nname: &late x\n', ["f.yaml:1: '*late'"]],
    [`${route}    name: &long x\n    allowHosts: [${'*long, '.repeat(200)}]\n`, ['f.yaml: too many aliases']],
  ];
  for (const [text, words] of table) complains(t, () => parseConfig(text, 'f.yaml'), ...words);
  complains(
    t,
    () => settingsOf({ config: '/nowhere/forebay.yaml' }, {}),
    '/nowhere/forebay.yaml',
    'cannot be read',
  );
  complains(t, () => settingsOf({ config: tmpdir() }, {}), 'not a file');
  t.end();
});

t.test('the sessions of one origin on the command line', (t) => {
  const origin = 'rtsp://media.example/';
  t.equal(settingsOf({ origin, maxSessions: '3' }, {}).routes[0]?.maxSessions, 3);
  t.equal(settingsOf({ origin }, {}).routes[0]?.maxSessions, undefined);
  for (const count of ['0', '-1', 'x', '1.5', '10001']) {
    complains(t, () => settingsOf({ origin, maxSessions: count }, {}), '--max-sessions', 'from 1 to 10000');
  }
  const config = join(t.testdir(), 'forebay.yaml');
  writeFileSync(config, `routes: [{ path: /a/, origin: '${CAMERA}' }]\n`);
  complains(t, () => settingsOf({ config, maxSessions: '3' }, {}), '--max-sessions', 'each route');
  t.end();
});

t.test('a window of live presentations: of a route, or of all that do not say otherwise', (t) => {
  const config = join(t.testdir(), 'forebay.yaml');
  const routes = ['{ path: /a', '{ path: /b, name: b, timeshift: 0', '{ path: /c, name: c, timeshift: 30m'];
  writeFileSync(config, `routes: [${routes.map((route) => `${route}, origin: '${CAMERA}' }`).join(', ')}]\n`);
  const seconds = (timeshift?: string) =>
    settingsOf({ config, timeshift }, {}).routes.map((route) => route.timeshiftSeconds);
  t.same(seconds(), [undefined, 0, 1800]);
  t.same(seconds('1h'), [3600, 0, 1800]);
  t.equal(settingsOf({ origin: CAMERA, timeshift: '600' }, {}).routes[0]?.timeshiftSeconds, 600);
  t.end();
});

t.test('flags win over the file, the file over defaults', (t) => {
  const directory = t.testdir();
  const config = join(directory, 'forebay.yaml');
  writeFileSync(
    config,
    `listen: 127.0.0.1:1\nudpPath: native\ncache: { size: 1GB, dir: ${directory} }\nroutes: [{ path: /a/, origin: '${CAMERA}' }]\n`,
  );
  const plain = settingsOf({ config }, {});
  t.match(plain, {
    listen: { host: '127.0.0.1', port: 1 },
    admin: { host: '127.0.0.1', port: 9554 },
    cache: { directory, bytes: 1e9, ramBytes: 256e6 },
    udpPorts: { first: 20_000, last: 29_999 },
    udpPath: 'native',
    workers: 1,
    sessionTimeoutSeconds: 60,
    routes: [{ id: '192.0.2.7:554', pathPrefix: '/a' }],
  });
  const flags = {
    config,
    listen: '[::1]:2',
    admin: 'off',
    cacheSize: '2GB',
    ramSize: '16MB',
    cacheDir: '/x',
    udpPath: 'dgram',
    workers: '3',
  };
  t.match(settingsOf(flags, {}), {
    listen: { host: '::1', port: 2 },
    admin: undefined,
    cache: { directory: '/x', bytes: 2e9, ramBytes: 16e6 },
    udpPath: 'dgram',
    workers: 3,
  });
  t.equal(settingsOf({ config, cacheSize: '0' }, {}).cache.directory, undefined, 'no disk cache');
  t.match(settingsOf({ config, cacheSize: '64MB', ramSize: '0' }, {}).cache, { bytes: 64e6, ramBytes: 0 });
  const { workers } = settingsOf({ config, workers: 'auto' }, {});
  t.ok(workers >= 1 && workers <= 64, 'a worker a core');
  t.end();
});

t.test('wrong flags name the flag', (t) => {
  const table: readonly (readonly [ServeFlags, readonly string[]])[] = [
    [{}, ['--origin', '--config forebay.yaml']],
    [{ origin: CAMERA, config: 'x' }, ['either --origin']],
    [{ origin: 'http://x/' }, ['--origin', 'must be an RTSP URL']],
    [{ origin: 'rtsp://u:hunter2@x/' }, ['--origin', 'FOREBAY_ORIGIN_CREDENTIALS']],
    [{ origin: CAMERA, listen: '8554' }, ['--listen', 'host:port']],
    [{ origin: CAMERA, admin: 'on' }, ['--admin', 'host:port']],
    [{ origin: CAMERA, cacheSize: 'big' }, ['--cache-size', '10GB']],
    [{ origin: CAMERA, ramSize: '-1' }, ['--ram-size', '10GB']],
    [
      { origin: CAMERA, cacheSize: '10' },
      ['--cache-size: 10 bytes hold no segment; write 10GB, or 0 for none'],
    ],
    [
      { origin: CAMERA, cacheSize: '63MB' },
      ["--cache-size: '63MB' holds too few segments; write 64MB or more"],
    ],
    [
      { origin: CAMERA, ramSize: '1KB' },
      ['--ram-size: 1000 bytes hold no segment; write 256MB, or 0 for none'],
    ],
    [{ origin: CAMERA, udpPath: 'fast' }, ['--udp-path', 'auto, native, dgram']],
    [{ origin: CAMERA, timeshift: '2d' }, ['--timeshift', '10s to 24h']],
    [{ origin: CAMERA, timeshift: '10m', cacheSize: '0' }, ['timeshift', '--cache-size']],
    [{ origin: CAMERA, workers: '0' }, ['--workers', 'from 1 to 64', 'auto']],
    [{ origin: CAMERA, workers: 'all' }, ['--workers', 'auto']],
  ];
  for (const [flags, words] of table) complains(t, () => settingsOf(flags, {}), ...words);
  try {
    settingsOf({ origin: 'rtsp://u:hunter2@x/' }, {});
  } catch (error) {
    t.notMatch(String(error), 'hunter2', 'no password in the complaint');
  }
  t.end();
});

t.test('credentials come from a file or the environment', (t) => {
  const directory = t.testdir();
  const secret = join(directory, 'nvr');
  writeFileSync(secret, 'admin:p:w d\nsecond line\n');
  const config = join(directory, 'forebay.yaml');
  const routes = (credentials: string, more = ''): string =>
    `routes: [{ path: /, origin: '${CAMERA}', credentials: ${credentials} ${more} }]\n`;
  const credentialsOf = (text: string, environment = {}) => {
    writeFileSync(config, text);
    return settingsOf({ config }, environment).routes[0]?.credentials;
  };
  t.same(credentialsOf(routes(`{ file: ${secret} }`)), { username: 'admin', password: 'p:w d' });
  t.same(credentialsOf(routes('{ env: NVR }'), { NVR: 'u:' }), { username: 'u', password: '' });
  complains(
    t,
    () => credentialsOf(`# two lines\n\n${routes('{ env: NVR }')}`),
    `${config}:3: routes[0].credentials.env: NVR is not set`,
  );
  complains(t, () => credentialsOf(routes('{ env: NVR }'), { NVR: 'nocolon' }), 'must hold user:password');
  complains(
    t,
    () => credentialsOf(routes(`{ file: ${secret}.gone }`)),
    `${config}:1: routes[0].credentials.file: cannot be read`,
  );
  t.same(settingsOf({ origin: CAMERA }, { FOREBAY_ORIGIN_CREDENTIALS: 'a:b' }).routes[0]?.credentials, {
    username: 'a',
    password: 'b',
  });
  t.end();
});

t.test('routes that contradict each other are refused', (t) => {
  const directory = t.testdir();
  const config = join(directory, 'forebay.yaml');
  const complainsAbout = (routes: string, ...words: readonly string[]): void => {
    writeFileSync(config, `routes:\n${routes}`);
    complains(t, () => settingsOf({ config }, {}), ...words);
  };
  const one = `  - { path: /a, origin: 'rtsp://x/' }\n`;
  complainsAbout(
    `${one}  - { path: /a/, origin: 'rtsp://y/' }\n`,
    `${config}:3: routes[1].path`,
    'routes[0]',
  );
  complainsAbout(`${one}  - { path: /b, origin: 'rtsp://x/b' }\n`, `${config}:3: routes[1].name`, 'x:554');
  complainsAbout(
    `  - { path: /a, origin: 'rtsp://x/', allowHosts: ['rtsp://y'] }\n`,
    `${config}:2: routes[0].allowHosts[0]`,
  );
  complainsAbout(
    `  - path: /a\n    origin: http://x/\n`,
    `${config}:3: routes[0].origin: must be an RTSP URL`,
  );
  t.end();
});

t.test('the example in the documents is a good one, and has every key', (t) => {
  const text = readFileSync(new URL('../../../../docs/forebay.example.yaml', import.meta.url), 'utf8');
  const config = parseConfig(text, 'forebay.example.yaml');
  const shape = CONFIG_SCHEMA.shape;
  t.same(Object.keys(config).sort(), Object.keys(shape).sort());
  t.same(Object.keys(config.cache ?? {}).sort(), Object.keys(shape.cache.unwrap().shape).sort());
  t.same(Object.keys(config.log ?? {}).sort(), Object.keys(shape.log.unwrap().shape).sort());
  const route = shape.routes.element.shape;
  t.same(Object.keys(config.routes[0] ?? {}).sort(), Object.keys(route).sort());
  t.same(
    Object.keys(config.routes[0]?.profile ?? {}).sort(),
    Object.keys(route.profile.unwrap().shape).sort(),
  );
  const { listen, admin, udpPorts, udpPath, sessionTimeoutSeconds, drainSeconds, log } = settingsOf(
    { origin: CAMERA },
    {},
  );
  t.match(config, {
    listen,
    admin,
    udpPorts,
    udpPath,
    sessionTimeout: sessionTimeoutSeconds,
    drainTimeout: drainSeconds,
    log,
  });
  t.match(config.cache, { size: 10e9, ramSize: 256e6 });
  t.end();
});

t.test('where the cache is unless told', (t) => {
  t.equal(cacheDirectory('/given', { CACHE_DIRECTORY: '/systemd' }), '/given');
  t.equal(cacheDirectory(undefined, { CACHE_DIRECTORY: '/var/cache/forebay:/other' }), '/var/cache/forebay');
  t.equal(cacheDirectory(undefined, { XDG_CACHE_HOME: '/xdg' }), '/xdg/forebay');
  t.match(cacheDirectory(undefined, {}), /\.cache\/forebay$/);
  t.end();
});
