import type { AccessUnit } from '@forebay/rig';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { compareGroups } from '../src/live/groups.js';
import { UsageError } from '../src/command.js';
import { parseOptions } from '../src/live/options.js';
import { compare, type Row } from '../src/live/rows.js';
import { readTrace } from '../src/live/trace.js';

/** A direct viewer's stream: payload 7 comes again and again, as parameter sets do. */
const direct: Row = {
  hashes: [7, 1, 2, 7, 3, 4, 7, 5, 6],
  sequences: [10, 11, 12, 13, 14, 15, 16, 17, 18],
  arrivalsMs: [0, 10, 20, 30, 40, 50, 60, 70, 80],
};

const row = (sequences: number[], hashes: number[], arrivalsMs: number[]): Row => ({
  hashes: Uint32Array.from(hashes),
  sequences: Float64Array.from(sequences),
  arrivalsMs: Float64Array.from(arrivalsMs),
});

t.test('packets are matched by payload, also those that come again and again', (t) => {
  const whole = compare(row([100, 101, 102, 103], [7, 3, 4, 7], [32, 42, 52, 66]), direct);
  t.match(whole, { expected: 4, right: 4 });
  t.same(whole.delaysMs, [2, 2, 2, 6]);
  t.equal(whole.shortMs, 20);
  t.end();
});

t.test('what is lost, wrong or twice is seen', (t) => {
  t.match(compare(row([1, 2, 4], [1, 2, 3], [1, 1, 1]), direct), { expected: 4, right: 3 });
  t.match(compare(row([1, 2, 3], [1, 9, 7], [1, 1, 1]), direct), { expected: 3, right: 2 });
  t.match(compare(row([1, 2, 2, 3], [1, 2, 2, 7], [1, 1, 1, 1]), direct), { expected: 3, right: 3 });
  t.match(compare(row([1, 2], [8, 9], [1, 1]), direct), { expected: 2, right: 0, shortMs: Infinity });
  t.end();
});

t.test('groups of pictures: whole, in part, left out', (t) => {
  const unit = (hash: number): AccessUnit => ({
    hash,
    randomAccess: hash % 10 === 0,
    timestampTicks: 0,
    packets: 1,
    arrivalMs: 0,
  });
  const all = [10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42].map(unit);
  const seen = [10, 11, 12, 30, 31, 40, 41, 42].map(unit);
  t.same(compareGroups(all, seen), { whole: 1, partial: 1, leftOut: 1, broken: 0 });
  t.match(compareGroups(all, [10, 11, 99, 12, 40, 41].map(unit)), { whole: 1, leftOut: 2, broken: 1 });
  t.end();
});

t.test('a trace is told apart by viewer and stream, and its numbers do not wrap', async (t) => {
  const noted = (viewer: number, stream: number, sequence: number, hash: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.writeDoubleLE(sequence / 4, 0);
    bytes.writeUInt32LE(hash, 8);
    bytes.writeUInt16LE(sequence, 12);
    bytes.writeUInt16LE(stream, 14);
    bytes.writeUInt32LE(viewer, 16);
    return bytes;
  };
  const file = join(t.testdir(), 'trace');
  const packets = [noted(3, 0, 65_535, 8), noted(1, 1, 5, 0xffff_ffff), noted(3, 0, 0, 9), noted(3, 1, 7, 1)];
  await writeFile(file, Buffer.concat(packets));
  const [third, first, ...more] = await readTrace(file, 2);
  t.match(third, [
    { hashes: [8, 9], sequences: [65_535, 65_536], arrivalsMs: [16_383.75, 0] },
    { hashes: [1], sequences: [7] },
  ]);
  t.match(first, [{ hashes: [] }, { hashes: [0xffff_ffff], arrivalsMs: [1.25] }]);
  t.same(more, []);
});

t.test('options', (t) => {
  t.match(parseOptions(['--quick', '--json']), { tcp: 50, udp: 20, seconds: 16, json: true });
  t.match(parseOptions([]), { tcp: 500, udp: 200, seconds: 30 });
  for (const wrong of [['--seconds', '5'], ['--seconds', 'x'], ['--what']])
    t.throws(() => parseOptions(wrong), UsageError);
  t.end();
});
