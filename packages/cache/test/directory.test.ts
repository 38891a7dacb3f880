import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readlink, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import {
  encodeSegment,
  formatSegmentName,
  inspectSegmentFile,
  listCache,
  nodeStoreFs,
  purgeCache,
  RamTier,
  segmentMemoryBytes,
  SegmentBuilder,
} from '../src/index.js';
import { DirectoryLock } from '../src/lock.js';
import { FaultFs, systemError } from './fault-fs.js';
import { factsOf, GENERATION, KEY, makeSegment } from './making.js';
import {
  checkInvariants,
  filesBelow,
  filled,
  openStore,
  OTHER,
  pathOf,
  segmentAt,
  TITLE,
} from './store-checks.js';

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
}

function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function emptyDirectory(t: Test): Promise<string> {
  const directory = join(t.testdir(), 'cache');
  await mkdir(directory);
  return directory;
}

t.test('one store at a time, in this process too', async (t) => {
  const directory = await emptyDirectory(t);
  const store = await openStore(directory);
  await t.rejects(openStore(directory), { code: 'locked' });
  await t.rejects(openStore(`${directory}/../cache/`), { code: 'locked' }, 'by whatever path');
  await store.close();
  await store.close();
  t.notOk((await filesBelow(directory)).has('lock'));
  await (await openStore(directory)).close();
});

t.test('the lock of a living process is respected, that of a dead one is taken over', async (t) => {
  const directory = await emptyDirectory(t);
  const other = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
  await once(other, 'spawn');
  const pid = other.pid ?? 0;
  const owner = `${pid}-${startTimeOf(pid)}-${bootId()}`;
  await symlink(owner, join(directory, 'lock'));
  await t.rejects(openStore(directory), { code: 'locked', message: new RegExp(`process ${pid}`) });
  t.equal(await readlink(join(directory, 'lock')), owner, 'untouched');
  await t.rejects(
    purgeCache(directory, () => true),
    { code: 'locked' },
  );
  t.match(await listCache(directory), { segments: 0 }, 'looking is allowed');
  other.stdin.end();
  await once(other, 'exit');
  const store = await openStore(directory);
  t.not(await readlink(join(directory, 'lock')), owner);
  await store.close();
  t.strictSame([...(await filesBelow(directory)).keys()], ['popularity.state']);
});

t.test('a process id that is used again, or is from before a reboot, is nobody', async (t) => {
  const directory = await emptyDirectory(t);
  const parent = process.ppid;
  for (const owner of [`${parent}-1-${bootId()}`, `${parent}-${startTimeOf(parent)}-00000000`]) {
    await symlink(owner, join(directory, 'lock'));
    await (await openStore(directory)).close();
  }
  t.pass();
});

t.test('something else with the name of the lock is not ours to remove', async (t) => {
  const directory = await emptyDirectory(t);
  await writeFile(join(directory, 'lock'), '1');
  await t.rejects(openStore(directory), { code: 'bad-directory' });
  await unlink(join(directory, 'lock'));
  await symlink('/etc/passwd', join(directory, 'lock'));
  await t.rejects(openStore(directory), { code: 'bad-directory' });
  await unlink(join(directory, 'lock'));
  await (await openStore(directory)).close();
});

t.test('of two that find the same stale lock one gets it', async (t) => {
  const directory = await emptyDirectory(t);
  const stale = '1-1-00000000';
  await symlink(stale, join(directory, 'lock'));
  const fs = new FaultFs();
  const rival = `${process.ppid}-${startTimeOf(process.ppid)}-${bootId()}`;
  fs.fate = async (call) => {
    if (call.name !== 'rename') return undefined;
    await unlink(join(directory, 'lock'));
    await symlink(rival, join(directory, 'lock'));
    return undefined;
  };
  await t.rejects(DirectoryLock.acquire(fs, directory), { code: 'locked' });
  t.equal(await readlink(join(directory, 'lock')), rival, 'the lock that was moved by mistake is back');
  t.equal((await filesBelow(directory)).size, 1);
  fs.fate = () => undefined;
  await unlink(join(directory, 'lock'));
  const lock = await DirectoryLock.acquire(fs, directory);
  await lock.release();
  await lock.release();
  fs.fate = (call) => (call.name === 'createLink' ? { error: systemError('EEXIST') } : undefined);
  await t.rejects(DirectoryLock.acquire(fs, directory), { code: 'locked' }, 'not for ever');
});

t.test('a directory that cannot be used is said at once', async (t) => {
  const directory = await emptyDirectory(t);
  const file = join(directory, 'file');
  await writeFile(file, '');
  await t.rejects(openStore(join(file, 'cache')), { code: 'bad-directory' });
  await t.rejects(openStore(file), { code: /bad-directory|not-a-file/ });
  for (const inKernel of ['/proc/none/cache', '/proc/self'])
    await t.rejects(openStore(inKernel), { code: 'bad-directory' }, inKernel);
  await t.rejects(listCache(join(directory, 'none')), { code: 'bad-directory' });
  await t.rejects(
    purgeCache(join(directory, 'none'), () => true),
    { code: 'bad-directory' },
  );
  for (const code of ['EROFS', 'ENOSPC']) {
    const fs = new FaultFs();
    fs.fate = (call) => (call.name === 'createLink' ? { error: systemError(code) } : undefined);
    await t.rejects(openStore(directory, { fs }), { name: 'CacheError' });
  }
  await (await openStore(directory)).close();
});

t.test('a cache can be listed and purged without a proxy', async (t) => {
  const { store, directory } = await filled(t, [segmentAt(0), segmentAt(1)]);
  await store.saveTitle(OTHER);
  const other = makeSegment(OTHER);
  await store.offer(other, factsOf(other, OTHER.key));
  const beside = await listCache(directory);
  t.equal(beside.segments, 3, 'beside a running proxy');
  await t.rejects(
    purgeCache(directory, () => true),
    { code: 'locked' },
  );
  const bytes = store.bytes;
  await store.close();
  await unlink(join(directory, OTHER.generation, 'title.json'));
  await mkdir(join(directory, '0'.repeat(32)));
  await writeFile(`${pathOf(directory, segmentAt(9).meta)}.bad`, 'bad');

  const listing = await listCache(directory);
  t.match(
    listing.titles.find((title) => title.key === KEY),
    { ...TITLE, newest: true, segments: [{}, {}] },
  );
  t.match(
    listing.titles.find((title) => title.key === OTHER.key),
    { description: '', segments: [other.meta] },
  );
  t.strictSame(listing.orphans, [join(directory, '0'.repeat(32))]);
  t.equal(listing.setAside.length, 1);
  t.ok(listing.bytes < bytes);

  const purged = await purgeCache(directory, (title) => title.key === KEY);
  t.strictSame(purged, { segments: 2, bytes: 2 * segmentAt(0).meta.byteLength });
  t.strictSame(
    (await listCache(directory)).titles.map((title) => title.key),
    [OTHER.key],
  );
  t.notOk([...(await filesBelow(directory)).keys()].some((path) => path.startsWith(GENERATION)));
  const again = await openStore(directory);
  t.equal(again.segmentCount, 1);
  await checkInvariants(t, again, directory);
  await again.close();
});

t.test(
  'a folder that goes away while the cache is listed is passed over; a failing disk is said',
  async (t) => {
    const { store, directory } = await filled(t, [segmentAt(0)]);
    await store.close();
    const fs = new FaultFs();
    fs.fate = (call) =>
      call.name === 'list' && call.path !== directory ? { error: systemError('ENOENT') } : undefined;
    t.match(await listCache(directory, fs), { titles: [], segments: 0 });
    for (const name of ['list', 'remove']) {
      fs.fate = (call) =>
        call.name === name && call.path !== join(directory, 'lock') && call.path !== directory
          ? { error: systemError('EIO') }
          : undefined;
      await t.rejects(
        purgeCache(directory, () => true, fs),
        { code: 'io' },
      );
    }
    t.match(await purgeCache(directory, () => true, nodeStoreFs), { segments: 1 }, 'the lock was given back');
  },
);

t.test('a segment file can be inspected, damaged or not', async (t) => {
  const directory = await emptyDirectory(t);
  const segment = makeSegment({ frames: 4, payloadBytes: 40 });
  const file = encodeSegment(segment, KEY);
  const path = join(directory, formatSegmentName(segment.meta));
  await writeFile(path, file);
  t.match(await inspectSegmentFile(path), {
    fileBytes: file.length,
    header: { key: KEY, meta: segment.meta, packets: 8, extents: segment.extents },
    streams: [
      {
        packets: 4,
        bytes: 4 * 56,
        accessUnits: 4,
        randomAccessPoints: 1,
        firstDueMicros: 0,
        lastDueMicros: 4.5e6,
      },
      {
        packets: 4,
        bytes: 4 * 36,
        accessUnits: 4,
        randomAccessPoints: 4,
        firstTicks: 0,
        endTicks: 6 * 48_000,
      },
    ],
    nameAgrees: true,
    checksumOk: true,
    error: undefined,
  });
  const empty = new SegmentBuilder({ key: KEY, clockRates: [1000] });
  const nothing = empty.seal(segment.meta, [{ packets: 0, firstTicks: 0, endTicks: 0 }]);
  await writeFile(join(directory, 'empty'), encodeSegment(nothing, KEY));
  t.match(await inspectSegmentFile(join(directory, 'empty')), {
    nameAgrees: false,
    checksumOk: true,
    streams: [{ packets: 0 }],
  });

  const flipped = Buffer.from(file);
  flipped[file.length - 20] = (flipped[file.length - 20] ?? 0) ^ 1;
  await writeFile(path, flipped);
  t.match(await inspectSegmentFile(path), {
    header: { key: KEY },
    streams: [],
    checksumOk: false,
    error: { code: 'corrupt' },
  });
  await writeFile(path, 'no segment');
  t.match(await inspectSegmentFile(path), {
    header: undefined,
    checksumOk: false,
    error: { code: 'not-a-segment' },
  });
  await t.rejects(inspectSegmentFile(join(directory, 'none')), { code: 'vanished' });
  await t.rejects(inspectSegmentFile(directory), { code: 'not-a-file' });
});

t.test('the RAM tier holds what was used last, within its bytes', async (t) => {
  const bytes = segmentMemoryBytes(segmentAt(0));
  const evicted: number[] = [];
  const ram = new RamTier(3 * bytes, (segment) => evicted.push(segment.meta.startMicros / 6e6));
  const check = (expected: readonly number[]): void => {
    const held = [0, 1, 2, 3, 4].filter((number) => ram.get(GENERATION, number * 6e6) !== undefined);
    t.strictSame(held, expected);
    t.ok(ram.bytes <= ram.capacityBytes, `${ram.bytes} of ${ram.capacityBytes} bytes`);
    t.equal(ram.segmentCount, expected.length);
  };
  for (const number of [0, 1, 2]) ram.put(segmentAt(number));
  check([0, 1, 2]);
  ram.get(GENERATION, 0);
  ram.put(segmentAt(3));
  check([0, 2, 3]);
  ram.put(segmentAt(3));
  check([0, 2, 3]);
  ram.put(makeSegment({ startSeconds: 24, payloadBytes: 4000 }));
  check([0, 2, 3]);
  ram.drop(GENERATION, 12e6);
  ram.drop(GENERATION, 12e6);
  check([0, 3]);
  t.strictSame(evicted, [1], 'told of those that had to make room, and of no others');
  const stranger = makeSegment({ generation: 'a'.repeat(32) });
  ram.put(stranger);
  ram.dropGeneration(GENERATION);
  t.equal(ram.segmentCount, 1);
  t.equal(ram.get('a'.repeat(32), 0), stranger);

  const none = new RamTier(0);
  none.put(stranger);
  none.drop(GENERATION, 0);
  none.dropGeneration(GENERATION);
  t.equal(none.get('a'.repeat(32), 0), undefined);
  t.equal(none.bytes, 0);
});

t.test('memory is counted by what a segment keeps alive', async (t) => {
  const segment = segmentAt(0);
  const slab = Buffer.alloc(100_000);
  segment.run.bytes.copy(slab, 5000);
  const slice = slab.subarray(5000, 5000 + segment.run.bytes.length);
  const pinning = { ...segment, run: { ...segment.run, bytes: slice } };
  t.ok(segmentMemoryBytes(pinning) >= 100_000);
  t.ok(segmentMemoryBytes(segment) < 2 * segment.meta.byteLength);
});
