import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import t from 'tap';
import {
  reportObject,
  reportText,
  verdictOf,
  type Measured,
  type Result,
  type Way,
} from '../src/demo/report.js';
import { BIN, forebay } from './spawned.js';

// Three plays of the title, one after the other, at their own pace.
t.setTimeout(180_000);

function measured(
  way: Way,
  startupMs: number,
  frames: readonly (readonly number[])[] = [[1, 2, 3], [4]],
): Measured {
  const diskShare = { direct: undefined, cold: 0, warm: 1 }[way];
  return { way, startupMs, originBytes: way === 'warm' ? 0 : 1000, diskShare, frames };
}

function result(warm: Measured, cold = measured('cold', 400)): Result {
  return { roundTripMs: 100, titleSeconds: 12, viewings: { direct: measured('direct', 600), cold, warm } };
}

t.test('the verdict', async (t) => {
  const good = result(measured('warm', 12));
  t.same(verdictOf(good), { identical: true, factor: 50, good: true });
  t.match(reportText(good), /^direct +600 ms +6\.0 +1\.00 kB +- +-$/m);
  t.match(reportText(good), /^warm +12\.0 ms +0\.1 +0 B +100 % +yes$/m);
  t.match(reportText(good), 'Warm starts 50 times as fast as direct; 3 + 1 frames came through unchanged');
  t.match(reportObject(good), {
    warm: { startupMs: 12, startupRoundTrips: 0.12, diskShare: 1, frames: [3, 1] },
    framesIdentical: true,
    good: true,
  });

  t.same(verdictOf(result(measured('warm', 121))), { identical: true, factor: 600 / 121, good: false });
  t.match(reportText(result(measured('warm', 121))), 'Warm starts only 5.0 times as fast');
  t.ok(verdictOf(result(measured('warm', 120))).good, 'five times is enough');

  const wrong: readonly (readonly (readonly number[])[])[] = [
    [[1, 2, 3]],
    [[1, 2], [4]],
    [[1, 2, 5], [4]],
    [[], []],
  ];
  for (const frames of wrong) {
    t.notOk(verdictOf(result(measured('warm', 1, frames))).good, `warm ${JSON.stringify(frames)}`);
    t.notOk(
      verdictOf(result(measured('warm', 1), measured('cold', 1, frames))).good,
      `cold ${JSON.stringify(frames)}`,
    );
  }
  t.match(
    reportText(result(measured('warm', 1, [[9], [9]]))),
    /NO\n\nFrames were lost or changed on the way: direct 3 \+ 1, cold 3 \+ 1, warm 1 \+ 1\.\n$/,
  );
});

t.test(
  'the demo measures what it promises, says so by its exit code, and leaves nothing behind',
  { timeout: 180_000 },
  async (t) => {
    const temporary = t.testdir();
    const { code, out, err } = await forebay(['demo', '--once', '--json'], { TMPDIR: temporary });
    const found = JSON.parse(out) as { good: boolean };
    // How fast a start is depends on what else this machine does; what was played and whence does not.
    t.equal(code, found.good ? 0 : 1, out);
    t.match(
      found,
      {
        roundTripMs: 100,
        direct: { startupRoundTrips: Number },
        cold: { diskShare: 0 },
        warm: { originBytes: 0, diskShare: 1 },
        framesIdentical: true,
      },
      out,
    );
    for (const way of ['direct', 'cold', 'warm']) t.match(err, `${way}: `);
    t.same(readdirSync(temporary), []);
  },
);

t.test('the demo ends at once when asked to, and cleans up', async (t) => {
  const temporary = t.testdir();
  const child = spawn(process.execPath, [BIN, 'demo'], {
    env: { TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const err = text(child.stderr);
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => String(chunk).includes('direct: ') && resolve());
  });
  t.equal(readdirSync(temporary).length, 1, join(temporary, '...'));
  child.kill('SIGINT');
  await once(child, 'close');
  t.equal(child.exitCode, 1, await err);
  t.same(readdirSync(temporary), []);
});
