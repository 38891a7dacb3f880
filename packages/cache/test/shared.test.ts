import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  decodeSegment,
  GrowthReader,
  GrowthWriter,
  SegmentBuilder,
  SharedFolder,
  SharedTier,
} from '../src/index.js';
import { GENERATION, KEY, makeSegment } from './making.js';

t.test(
  "a folder is its process's own: nobody else may enter, and it is gone when it is closed",
  async (t) => {
    const base = t.testdir();
    const folder = await SharedFolder.open(1e6, base);
    t.equal(statSync(folder.path).mode & 0o777, 0o700);
    t.not(folder.newPath(), folder.newPath());
    writeFileSync(folder.newPath(), 'x');
    const other = await SharedFolder.open(1e6, base);
    t.ok(existsSync(folder.path), 'another one leaves it alone');
    await folder.close();
    await other.close();
    t.same(readdirSync(base), []);
  },
);

t.test('what a process that is gone left is removed, and nothing else', async (t) => {
  const base = t.testdir();
  const left = join(base, 'forebay-shared-abcdef');
  mkdirSync(left, { mode: 0o700 });
  symlinkSync('4194303-1-00000000', join(left, 'lock'));
  writeFileSync(join(left, '1'), 'media');
  const strange = join(base, 'something-else');
  mkdirSync(strange);
  const young = join(base, 'forebay-shared-ghijkl');
  mkdirSync(young, { mode: 0o700 });
  writeFileSync(join(base, 'forebay-shared-file'), 'no folder');
  symlinkSync(strange, join(base, 'forebay-shared-link'));
  const folder = await SharedFolder.open(1e6, base);
  t.notOk(existsSync(left), 'its lock names a process that does not live');
  t.ok(existsSync(young), 'one that is being made');
  t.ok(existsSync(strange), 'a link is not followed');
  t.ok(existsSync(join(base, 'forebay-shared-file')));
  await folder.close();
});

t.test(
  'the shared tier holds no more than its capacity, and never takes a segment from who has it open',
  async (t) => {
    const folder = await SharedFolder.open(1e6, t.testdir());
    t.teardown(() => folder.close());
    const segments = [0, 1, 2, 3].map((i) =>
      makeSegment({ startSeconds: 6 * i, payloadBytes: 1000, seed: i }),
    );
    const bytes = segments[0]!.meta.byteLength;
    const evicted: number[] = [];
    const tier = new SharedTier({
      folder,
      capacityBytes: 2 * bytes + 100,
      onEvict: ({ startMicros }) => evicted.push(startMicros / 6e6),
      onFault: (error) => t.fail(String(error)),
    });
    tier.put(segments[0]!, KEY);
    tier.put(segments[1]!, KEY);
    t.same(tier.get(GENERATION, 0)?.run.bytes, segments[0]!.run.bytes);
    const second = tier.file(GENERATION, 6e6)!;
    t.ok(tier.file(GENERATION, 0), 'used last');
    tier.put(segments[2]!, KEY);
    t.same(evicted, [1], 'the one that was not used longest');
    t.notOk(existsSync(second.path));
    t.ok(tier.bytes <= tier.capacityBytes);
    t.equal(readdirSync(folder.path).filter((name) => name !== 'lock').length, 2);
    const path = tier.file(GENERATION, 0)!.path;
    const expected = { key: KEY, generation: GENERATION, startMicros: 0 };
    t.same(decodeSegment(readFileSync(path), expected).meta, segments[0]!.meta, 'as others read it');
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.notOk(tier.has(GENERATION, 6e6));
    const lent = tier.lend(segments[3]!, KEY)!;
    t.ok(existsSync(lent.path));
    t.notOk(tier.has(GENERATION, 18e6), 'one that is lent is not kept');
    tier.drop(GENERATION, 0);
    t.notOk(existsSync(path), 'one that is dropped is gone');
    t.same(evicted, [1], 'and did not have to make room');
  },
);

t.test('a shared segment that is damaged is never served', async (t) => {
  const folder = await SharedFolder.open(1e6, t.testdir());
  t.teardown(() => folder.close());
  const faults: unknown[] = [];
  const tier = new SharedTier({
    folder,
    capacityBytes: 1e6,
    onEvict: () => undefined,
    onFault: (error) => faults.push(error),
  });
  tier.put(makeSegment({ payloadBytes: 1000 }), KEY);
  const { path } = tier.file(GENERATION, 0)!;
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  t.equal(tier.get(GENERATION, 0), undefined);
  t.match(faults, [{ code: 'corrupt' }]);
  t.notOk(tier.has(GENERATION, 0));
});

t.test('a tier that cannot write keeps nothing, and says so', async (t) => {
  const folder = await SharedFolder.open(1e6, t.testdir());
  const faults: unknown[] = [];
  const tier = new SharedTier({
    folder,
    capacityBytes: 1e6,
    onEvict: () => undefined,
    onFault: (error) => faults.push(error),
  });
  await folder.close();
  tier.put(makeSegment({ payloadBytes: 1000 }), KEY);
  t.match(faults, [{ code: 'ENOENT' }]);
  t.equal(tier.bytes, 0);
});

t.test('a run that grows is the same for who follows it, at whatever moments both look', async (t) => {
  const path = join(t.testdir(), 'growth');
  const builder = new SegmentBuilder({ key: KEY, clockRates: [90_000, 48_000] });
  const writer = new GrowthWriter(path, builder.run);
  const reader = new GrowthReader(path);
  const { run } = reader;
  const packet = Buffer.alloc(1400, 7);
  packet[0] = 0x80;
  let ticks = 0;
  for (let turn = 0; turn < 300; turn++) {
    for (let i = 0; i < (turn * 7) % 11; i++) {
      const end = 12 + ((turn * 131 + i * 17) % 1388);
      packet[end - 1] = turn;
      const place = { stream: i & 1, dueMicros: ticks, flags: i % 3, canonicalTicks: ticks, lostBefore: 0 };
      builder.append(packet, 0, end, place);
      ticks += 40;
    }
    if (turn % 3 !== 0) writer.flush(ticks);
    if (turn % 5 !== 0) reader.poll();
    t.ok(run.count <= builder.run.count);
  }
  writer.flush(ticks + 1);
  writer.close();
  reader.poll();
  const whole = builder.run;
  t.equal(run.count, whole.count);
  t.equal(reader.endMicros, ticks + 1);
  t.same(run.bytes.subarray(0, builder.byteLength), whole.bytes.subarray(0, builder.byteLength));
  for (const name of ['streams', 'dueMicros', 'flags'] as const)
    t.same(run[name].subarray(0, run.count), whole[name].subarray(0, run.count), name);
  t.same(run.offsets.subarray(0, run.count + 1), whole.offsets.subarray(0, run.count + 1));
  const late = new GrowthReader(path);
  late.poll();
  t.equal(late.run.count, whole.count, 'who comes late reads it all at once');
  late.close();
  reader.close();
});

t.test('half a chunk waits for the rest, and what is no chunk is refused', async (t) => {
  const path = join(t.testdir(), 'growth');
  const builder = new SegmentBuilder({ key: KEY, clockRates: [90_000] });
  const packet = Buffer.alloc(500, 1);
  packet[0] = 0x80;
  const place = { stream: 0, dueMicros: 0, flags: 0, canonicalTicks: 0, lostBefore: 0 };
  for (let i = 0; i < 4; i++) builder.append(packet, 0, 500, place);
  const writer = new GrowthWriter(path, builder.run);
  writer.flush(40);
  writer.close();
  const whole = readFileSync(path);
  const half = join(t.testdir(), 'half');
  writeFileSync(half, whole.subarray(0, 700));
  const reader = new GrowthReader(half);
  reader.poll();
  t.equal(reader.run.count, 0);
  writeFileSync(half, whole);
  reader.poll();
  t.equal(reader.run.count, 4);
  reader.close();
  writeFileSync(half, Buffer.alloc(64));
  const wrong = new GrowthReader(half);
  t.throws(() => wrong.poll(), RangeError);
  wrong.close();
});
