import type { AccessUnit, StreamRecording } from '@forebay/rig';
import t from 'tap';
import { compareGroups } from '../src/live/groups.js';
import { UsageError } from '../src/command.js';
import { parseOptions } from '../src/live/options.js';
import { compare, type Row } from '../src/live/rows.js';

const ZERO_MS = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();

/** A direct viewer's stream: payload 7 comes again and again, as parameter sets do. */
const direct: Row = {
  hashes: [7, 1, 2, 7, 3, 4, 7, 5, 6],
  arrivalsMs: [0, 10, 20, 30, 40, 50, 60, 70, 80].map((ms) => ms + ZERO_MS),
};

const recording = (sequences: number[], hashes: number[], arrivalsMs: number[]): StreamRecording =>
  ({
    hashes: Uint32Array.from(hashes),
    sequences: Float64Array.from(sequences),
    arrivalsMs: Float64Array.from(arrivalsMs),
    packets: hashes.length,
  }) as unknown as StreamRecording;

t.test('packets are matched by payload, also those that come again and again', (t) => {
  const whole = compare(recording([100, 101, 102, 103], [7, 3, 4, 7], [32, 42, 52, 66]), direct);
  t.match(whole, { expected: 4, right: 4 });
  t.same(
    whole.delaysMs.map((ms) => Math.round(ms)),
    [2, 2, 2, 6],
  );
  t.equal(Math.round(whole.shortMs), 20);
  t.end();
});

t.test('what is lost, wrong or twice is seen', (t) => {
  t.match(compare(recording([1, 2, 4], [1, 2, 3], [1, 1, 1]), direct), { expected: 4, right: 3 });
  t.match(compare(recording([1, 2, 3], [1, 9, 7], [1, 1, 1]), direct), { expected: 3, right: 2 });
  t.match(compare(recording([1, 2, 2, 3], [1, 2, 2, 7], [1, 1, 1, 1]), direct), { expected: 3, right: 3 });
  t.match(compare(recording([1, 2], [8, 9], [1, 1]), direct), { expected: 2, right: 0, shortMs: Infinity });
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

t.test('options', (t) => {
  t.match(parseOptions(['--quick', '--json']), { tcp: 50, udp: 20, seconds: 16, json: true });
  t.match(parseOptions([]), { tcp: 500, udp: 200, seconds: 30 });
  for (const wrong of [['--seconds', '5'], ['--seconds', 'x'], ['--what']])
    t.throws(() => parseOptions(wrong), UsageError);
  t.end();
});
