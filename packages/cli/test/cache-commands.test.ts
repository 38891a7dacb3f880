import { chownSync, lstatSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  PopularityPolicy,
  SegmentBuilder,
  SegmentStore,
  type Segment,
  type SegmentMeta,
} from '@forebay/cache';
import t from 'tap';
import { titlePattern } from '../src/cache-options.js';
import { foreignOwner } from '../src/cache-owner.js';
import { coverageOf } from '../src/ls.js';
import { formatTable, printable } from '../src/table.js';
import { forebay } from './spawned.js';

const FILM = 'rtsp://origin.example/films/one.mp4?x=1';
const CLIP = 'rtsp://origin.example/clips/two.mkv';
const GENERATIONS: Readonly<Record<string, string>> = {
  [FILM]: '0123456789abcdef0123456789abcdef',
  [CLIP]: 'ffffffffffffffffffffffffffffffff',
};

/** A segment of 4 s: 100 packets of one stream, 25 access units a second, each a random access point. */
function segment(key: string, index: number): Segment {
  const builder = new SegmentBuilder({ key, clockRates: [90_000] });
  const packet = Buffer.alloc(112, index);
  packet[0] = 0x80;
  packet[1] = 96;
  for (let i = 0; i < 100; i++) {
    const place = {
      stream: 0,
      dueMicros: i * 40_000,
      flags: 3,
      canonicalTicks: index * 360_000 + i * 3600,
      lostBefore: 0,
    };
    builder.append(packet, 0, packet.length, place);
  }
  return builder.seal(
    {
      generation: GENERATIONS[key] ?? '',
      index,
      startMicros: index * 4_000_000,
      durationMicros: 4_000_000,
      randomAccess: true,
      last: index === 14,
      anchor: 7,
    },
    [{ packets: 100, firstTicks: index * 360_000, endTicks: (index + 1) * 360_000 }],
  );
}

/** A cache directory as a proxy leaves it: a minute's film held to 12 s and from 56 s on, and the start of a clip. */
async function cacheDirectory(test: { testdir(): string }): Promise<string> {
  const directory = join(test.testdir(), 'cache');
  const store = await openStore(directory);
  for (const [key, indexes] of [
    [FILM, [0, 1, 2, 14]],
    [CLIP, [0]],
  ] as const) {
    const durationSeconds = key === FILM ? 60 : undefined;
    await store.saveTitle({ key, generation: GENERATIONS[key] ?? '', description: '{}', durationSeconds });
    for (const index of indexes) {
      const sealed = segment(key, index);
      const decision = await store.offer(sealed, {
        title: key,
        segment: index,
        startSeconds: index * 4,
        durationSeconds: 4,
        bytes: sealed.meta.byteLength,
        titleDurationSeconds: durationSeconds,
      });
      if (!decision.admitted) throw new Error(decision.reason);
    }
  }
  await store.close();
  return directory;
}

function openStore(directory: string): Promise<SegmentStore> {
  const policy = new PopularityPolicy();
  return SegmentStore.open({
    directory,
    capacityBytes: 1e9,
    policy,
    nowSeconds: () => performance.now() / 1000,
  });
}

t.test('ls: the window of a live presentation', async (t) => {
  const directory = join(t.testdir(), 'cache');
  const store = await openStore(directory);
  const title = { key: CLIP, generation: GENERATIONS[CLIP] ?? '', description: '{}', windowSeconds: 600 };
  await store.saveTitle(title);
  const sealed = segment(CLIP, 448_974_700);
  const { index, startMicros, byteLength: bytes } = sealed.meta;
  const facts = { title: CLIP, segment: index, startSeconds: startMicros / 1e6, durationSeconds: 4, bytes };
  const decision = await store.offer(sealed, { ...facts, titleDurationSeconds: undefined });
  t.match(decision, { admitted: true, reason: 'window' });
  await store.close();
  const listed = await forebay(['ls', '--cache-dir', directory]);
  t.match(listed.out, /two\.mkv +live, 10:00 +- +4 s +1 /);
  const { out } = await forebay(['ls', '--cache-dir', directory, '--json']);
  t.match(JSON.parse(out), { titles: [{ durationSeconds: null, windowSeconds: 600 }] });
});

t.test('ls: what is held, for people and for programs', async (t) => {
  const directory = await cacheDirectory(t);
  const listed = await forebay(['ls', '--cache-dir', directory]);
  t.match(listed, { code: 0, err: '' });
  const lines = listed.out.split('\n');
  t.match(lines[0], /^TITLE +LENGTH +PREFIX +HELD +SEGMENTS +SIZE +GENERATION$/);
  t.match(lines[2], /one\.mp4\?x=1 +1:00 +12 s +16 s 27 % +4 +\d+\.\d kB +01234567$/, 'the larger first');
  t.match(lines[3], /two\.mkv +\? +4 s +4 s +1 +\d+\.\d kB +ffffffff$/);
  t.match(listed.out, `2 titles, 5 segments`);
  t.notMatch(listed.out, / \n/, 'no trailing blanks');
  const json = JSON.parse(
    (await forebay(['ls', '/films/*', '--json', '--cache-dir', directory])).out,
  ) as object;
  t.match(json, {
    directory,
    titles: [
      {
        key: FILM,
        generation: GENERATIONS[FILM],
        newest: true,
        durationSeconds: 60,
        prefixSeconds: 12,
        heldSeconds: 16,
        stretches: 2,
        segments: [
          { startSeconds: 0, durationSeconds: 4, last: false },
          {},
          {},
          { startSeconds: 56, last: true },
        ],
      },
    ],
    setAside: [],
    orphans: [],
  });
  t.equal((json as { titles: unknown[] }).titles.length, 1);
  const config = join(directory, '..', 'forebay.yaml');
  writeFileSync(config, `cache: { dir: ${directory} }\nroutes: [{ path: /, origin: 'rtsp://x/' }]\n`);
  t.equal((await forebay(['ls', '--config', config])).out, listed.out);
});

t.test('ls: beside a running proxy, and without a cache', async (t) => {
  const directory = await cacheDirectory(t);
  const store = await openStore(directory);
  t.match(await forebay(['ls', '--cache-dir', directory]), { code: 0 });
  await store.close();
  for (const command of [['ls'], ['purge', '*']]) {
    const missing = await forebay([...command, '--cache-dir', join(directory, 'nowhere')]);
    t.equal(missing.code, 1);
    t.match(
      missing.err,
      /^forebay: no such directory: .*nowhere; give the --cache-dir or the --config .*\n$/,
    );
  }
  const plain = join(directory, 'plain');
  writeFileSync(plain, '');
  t.match(await forebay(['ls', '--cache-dir', plain]), {
    code: 1,
    err: `forebay: ${plain} is no directory; give the --cache-dir or the --config that forebay serve has\n`,
  });
  t.equal((await forebay(['ls', '--config', '/nowhere.yaml'])).code, 2);
});

t.test('inspect: a sound file, a damaged one, and none', async (t) => {
  const directory = await cacheDirectory(t);
  const listed = await forebay(['ls', '--segments', '/clips/*', '--cache-dir', directory]);
  const path = /\S+\.seg$/m.exec(listed.out)?.[0] ?? '';
  const sound = await forebay(['inspect', path]);
  t.match(sound, { code: 0, err: '' });
  for (const words of [CLIP, 'sound', 'agrees', '4.000 s', '100, 11.6 kB', '0.000-3.960 s'])
    t.match(sound.out, words);
  t.match(JSON.parse((await forebay(['inspect', path, '--json'])).out), {
    checksumOk: true,
    nameAgrees: true,
    error: null,
    header: { key: CLIP, packets: 100 },
    streams: [{ packets: 100, accessUnits: 100, randomAccessPoints: 100 }],
  });
  const bytes = readFileSync(path);
  bytes[bytes.length - 100]! ^= 1;
  writeFileSync(path, bytes);
  const damaged = await forebay(['inspect', path]);
  t.equal(damaged.code, 1);
  t.match(damaged.out, 'DAMAGED: a checksum does not match');
  t.match(JSON.parse((await forebay(['inspect', path, '--json'])).out), {
    checksumOk: false,
    error: { code: 'corrupt' },
  });
  const missing = await forebay(['inspect', join(directory, 'none.seg')]);
  t.equal(missing.code, 1);
  t.match(missing.err, /^forebay: no such file: .*none\.seg; forebay ls --segments lists .*\n$/);
  const folder = await forebay(['inspect', directory]);
  t.equal(folder.code, 1);
  t.equal(
    folder.err,
    `forebay: ${directory} is a directory, or no regular file; forebay ls --segments lists those of the cache\n`,
  );
});

t.test('purge: what matches and nothing else, and never under a running proxy', async (t) => {
  const directory = await cacheDirectory(t);
  const args = ['--cache-dir', directory];
  const store = await openStore(directory);
  const refused = await forebay(['purge', '*', ...args]);
  t.equal(refused.code, 1);
  t.match(
    refused.err,
    /^forebay: another process uses the cache directory: process \d+; stop the proxy first\n$/,
  );
  await store.close();
  t.match(await forebay(['purge', '/films/*', '--dry-run', ...args]), {
    code: 0,
    out: /would purge 1 title, 4 segments/,
  });
  t.equal(readdirSync(directory).filter((name) => /^[0-9a-f]{32}$/.test(name)).length, 2, 'nothing happened');
  t.match(await forebay(['purge', '/films/*', ...args]), {
    code: 0,
    out: /one\.mp4.*\npurged 1 title, 4 segments/,
  });
  t.match(await forebay(['purge', '/films/*', ...args]), {
    code: 0,
    out: 'purged 0 titles, 0 segments, 0 B\nnothing matches; forebay ls lists what there is\n',
  });
  t.match(await forebay(['purge', 'clips', ...args]), {
    code: 0,
    out: 'purged 0 titles, 0 segments, 0 B\nnothing matches; /clips or *clips* is meant?\n',
  });
  const rest = JSON.parse((await forebay(['ls', '--json', ...args])).out) as { titles: { key: string }[] };
  t.same(
    rest.titles.map((title) => title.key),
    [CLIP],
  );
  t.match(JSON.parse((await forebay(['purge', '*', '--json', ...args])).out), {
    titles: [CLIP],
    segments: 1,
    dryRun: false,
  });
});

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

t.test('whose the cache directory is matters to root alone', (t) => {
  const directory = t.testdir();
  if (isRoot) {
    t.equal(foreignOwner(directory), undefined);
    chownSync(directory, NOBODY, NOBODY);
  }
  t.match(foreignOwner(directory, 0), /^([a-z_][a-z0-9_.-]*|'#\d+')$/i);
  t.equal(foreignOwner(directory, NOBODY), undefined);
  t.equal(foreignOwner(join(directory, 'nowhere'), 0), undefined);
  if (isRoot) {
    chownSync(directory, 54_321, NOBODY);
    t.equal(foreignOwner(directory), "'#54321'");
  }
  t.end();
});

t.test(
  "root does not store in another user's cache, but lists and purges it",
  { skip: isRoot ? false : 'only root can' },
  async (t) => {
    const directory = await cacheDirectory(t);
    const names = (): string[] => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
    for (const name of ['', ...names()]) chownSync(join(directory, name), NOBODY, NOBODY);
    const before = names();
    const where = ['--cache-dir', directory];
    const { code, err } = await forebay(['warm', FILM, '--origin', 'rtsp://127.0.0.1:1/', ...where]);
    t.equal(code, 1);
    t.match(err, `forebay: run it as the owner of ${directory}: sudo -u `);
    t.match(err, / forebay warm \.\.\.; .*--admin\n$/);
    t.strictSame(names(), before);
    t.match(await forebay(['ls', ...where]), { code: 0, out: /one\.mp4/ });
    t.match(await forebay(['purge', '/films/*', ...where]), { code: 0, out: /purged 1 title/ });
    t.ok(names().length < before.length);
    t.ok(
      names().every((name) => lstatSync(join(directory, name)).uid === NOBODY),
      "nothing is root's",
    );
  },
);

t.test('patterns', async (t) => {
  const title = { key: FILM, generation: GENERATIONS[FILM] ?? '' };
  for (const pattern of [
    FILM,
    '*',
    'rtsp://*/films/*',
    '/films/*',
    '/films/one.mp4?x=1',
    title.generation,
    '*x=1',
  ]) {
    t.ok(titlePattern(pattern)(title), pattern);
  }
  for (const pattern of [
    '',
    'films',
    '/films',
    '/films/one.mp4',
    '/films/one.mp4.x=1',
    'rtsp://*/clips/*',
    '01234567',
  ]) {
    t.notOk(titlePattern(pattern)(title), `not '${pattern}'`);
  }
});

function meta(startMicros: number, durationMicros: number): SegmentMeta {
  return { ...segment(CLIP, 0).meta, startMicros, durationMicros };
}

t.test('coverage', async (t) => {
  t.same(coverageOf([]), { prefixSeconds: 0, heldSeconds: 0, stretches: 0 });
  t.same(coverageOf([meta(0, 4e6), meta(4.02e6, 4e6)]), {
    prefixSeconds: 8.02,
    heldSeconds: 8,
    stretches: 1,
  });
  t.same(coverageOf([meta(4e6, 4e6), meta(10e6, 1e6)]), { prefixSeconds: 0, heldSeconds: 5, stretches: 2 });
  t.same(
    coverageOf([meta(0, 4e6), meta(2e6, 4e6)]),
    { prefixSeconds: 6, heldSeconds: 6, stretches: 1 },
    'overlap once',
  );
});

t.test('tables', async (t) => {
  const columns = [{ title: 'A' }, { title: 'N', align: 'right' as const }];
  t.equal(
    formatTable(columns, [
      ['é', '10'],
      ['long', '1'],
    ]),
    'A      N\n----  --\né     10\nlong   1\n',
  );
  t.equal(printable('a\u001b[31mb\n'), 'a\ufffd[31mb\ufffd');
});
