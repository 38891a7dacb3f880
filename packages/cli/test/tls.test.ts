import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { checkSynthetic, makeCertificate, playOnce, RigOrigin, syntheticTitle } from '@forebay/rig';
import t from 'tap';
import { openToOthers, settingsOf } from '../src/settings.js';
import { formatSocketAddress } from '../src/socket-address.js';
import { complains } from './complains.js';
import { running } from './spawned.js';

const TIMEOUT_MS = 30_000;

/** Makes `NAME.key` and `NAME.crt` in a folder. */
async function certify(folder: string, name: string, days: number): Promise<void> {
  const { certificate, key } = await makeCertificate(name, days);
  writeFileSync(join(folder, `${name}.crt`), certificate);
  writeFileSync(join(folder, `${name}.key`), key);
}

/** The common name that a server shows. */
async function shownBy(address: string): Promise<unknown> {
  const [host, port] = address.split(':');
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

for (const workers of ['1', '2']) {
  t.test(
    `viewers come over TLS, and SIGHUP has the certificate read again, with ${workers} serving`,
    async (t) => {
      const title = syntheticTitle({ seconds: 2, videoKbps: 300 });
      const origin = await RigOrigin.start({ titles: { '/vod/film': title } });
      t.teardown(() => origin.close());
      const folder = t.testdir();
      for (const [name, days] of [
        ['old', 2],
        ['new', 30],
      ] as const)
        await certify(folder, name, days);
      const use = (name: string): void => {
        for (const end of ['key', 'crt'])
          copyFileSync(join(folder, `${name}.${end}`), join(folder, `proxy.${end}`));
      };
      use('old');
      const config = join(folder, 'forebay.yaml');
      writeFileSync(
        config,
        `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: ${workers}
cache: { size: 0 }
tls: { listen: 127.0.0.1:0, certificate: ${join(folder, 'proxy.crt')}, key: ${join(folder, 'proxy.key')} }
routes:
  - { path: /, origin: '${origin.url('/vod')}' }
`,
      );
      const serving = running(t, ['serve', '--config', config]);
      const { rtsp, rtsps, admin } = await serving.logged('forebay serves');
      t.match(await serving.logged('the certificate for viewers runs out'), {
        level: 'warn',
        subject: 'CN=old',
      });
      const how = { transport: 'tcp', check: checkSynthetic(), endTimeoutMs: TIMEOUT_MS } as const;
      const ca = readFileSync(join(folder, 'old.crt'), 'utf8');
      const played = await playOnce({ ...how, url: `rtsps://${String(rtsps)}/film`, ca });
      for (const stream of [0, 1]) t.equal(played.recording(stream).wrongPayloads, 0);
      await playOnce({ ...how, url: `rtsp://${String(rtsp)}/film` });
      use('new');
      serving.child.kill('SIGHUP');
      await serving.logged('configuration read again');
      // Workers are told a moment later.
      while ((await shownBy(String(rtsps))) !== 'new');
      copyFileSync(join(folder, 'old.key'), join(folder, 'proxy.key'));
      serving.child.kill('SIGHUP');
      const kept = await serving.logged('the configuration cannot be read again: all is as before');
      t.match(JSON.stringify(kept), /tls\.key: cannot be used/);
      t.equal(await shownBy(String(rtsps)), 'new');
      const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
      t.match(metrics, /^forebay_viewer_connections \d/m);
      serving.child.kill('SIGTERM');
      t.equal(await serving.ended(), 0);
      t.notMatch(JSON.stringify(serving.lines), 'PRIVATE');
    },
  );
}

t.test('others reach what a password opens by the port for TLS as well', async (t) => {
  const folder = t.testdir();
  await certify(folder, 'a', 30);
  const file = join(folder, 'forebay.yaml');
  const certificate = `certificate: ${join(folder, 'a.crt')}, key: ${join(folder, 'a.key')}`;
  const table = [
    ['0.0.0.0:1', '', ['0.0.0.0:1']],
    ['127.0.0.1:1', '', []],
    ['127.0.0.1:1', `tls: { ${certificate} }`, ['0.0.0.0:8322']],
    ['127.0.0.1:1', `tls: { listen: '[::1]:2', ${certificate} }`, []],
  ] as const;
  for (const [listen, tls, expected] of table) {
    const route = `{ path: /, origin: 'rtsp://192.0.2.7/', name: nvr, credentials: { env: SECRET } }`;
    writeFileSync(file, `listen: ${listen}\n${tls}\nroutes:\n  - ${route}\n`);
    const open = openToOthers(settingsOf({ config: file }, { SECRET: 'viewer:swordfish' }));
    t.same(open.listen.map(formatSocketAddress), expected);
    t.same(open.origins, ['nvr']);
  }
});

t.test('what is wrong about certificates is said in one line', async (t) => {
  const folder = t.testdir({ text: 'hello' });
  await certify(folder, 'a', 2);
  await certify(folder, 'b', 2);
  const file = join(folder, 'forebay.yaml');
  const table: readonly (readonly [string, string, RegExp])[] = [
    ['absent', 'a.key', /forebay\.yaml:1: tls\.certificate: cannot be read/],
    ['a.crt', 'absent', /forebay\.yaml:1: tls\.key: cannot be read/],
    ['text', 'a.key', /tls\.certificate: cannot be used/],
    ['a.crt', 'text', /tls\.key: cannot be used/],
    ['a.crt', 'b.key', /tls\.key: cannot be used: .*key values mismatch/],
  ];
  for (const [certificate, key, expected] of table) {
    const tls = `tls: { certificate: ${join(folder, certificate)}, key: ${join(folder, key)} }`;
    writeFileSync(file, `${tls}\nroutes:\n  - path: /\n    origin: rtsp://192.0.2.7/\n`);
    complains(t, () => settingsOf({ config: file }, {}), expected);
  }
});
