import type { PacketRun } from '@forebay/cache';
import t from 'tap';
import { type ScalingSample, scalingOf } from '../src/read/scaling.js';
import { fakeRun } from './viewer-fakes.js';

const RATE = 90_000;
const PICTURE = 3600;

interface Came {
  /** Pictures of the title by number, in the order in which they come. */
  readonly pictures: readonly number[];
  /** Ticks from one to the next. */
  readonly stepTicks: number;
  /** Milliseconds from one to the next. */
  readonly stepMs: number;
  readonly isKeys?: boolean;
}

function runOf({ pictures, stepTicks, stepMs, isKeys }: Came): PacketRun {
  const run = fakeRun(pictures.map((_, i) => ({ stream: 0, ticks: (i * stepTicks) >>> 0 })));
  pictures.forEach((picture, i) => {
    run.hashes[i] = 1000 + picture;
    run.dueMicros[i] = i * stepMs * 1000;
    run.flags[i] = isKeys === true ? 3 : 1;
  });
  return run;
}

const held = new Map(Array.from({ length: 100 }, (_, i) => [1000 + i, i * 40_000]));
const strangers = new Map<number, number>();
const every = (n: number, step = 1, from = 0): number[] =>
  Array.from({ length: n }, (_, i) => from + i * step);

function judge(came: Came, more: Partial<ScalingSample> = {}): string | undefined {
  return scalingOf({
    run: runOf(came),
    reference: 0,
    clockRate: RATE,
    scale: 4,
    isAnnounced: false,
    heldMicros: strangers,
    isIntraOnly: false,
    isLast: false,
    ...more,
  });
}

t.test('what was held tells what came, whatever the reply says', (t) => {
  const heldMicros = held;
  const squeezed = { pictures: every(20), stepTicks: PICTURE / 4, stepMs: 10 };
  t.equal(judge(squeezed, { heldMicros }), 'viewer-time', 'every picture, four times as close');
  const timed = { pictures: every(80), stepTicks: PICTURE, stepMs: 10 };
  t.equal(judge(timed, { heldMicros }), 'npt', 'timestamps of the title');
  const keys = { pictures: every(5, 10), stepTicks: 9000, stepMs: 100 };
  t.equal(judge(keys, { heldMicros }), 'viewer-time', 'every tenth picture');
  const normal = { pictures: every(20), stepTicks: PICTURE, stepMs: 40 };
  t.equal(judge(normal, { heldMicros, isAnnounced: true }), 'none', 'a normal play, for all its words');
  const back = { pictures: every(5, -10, 90), stepTicks: 36_000, stepMs: 400 };
  t.equal(judge(back, { heldMicros, scale: -1 }), 'viewer-time', 'backward, timestamps forward');
  t.equal(
    judge({ ...back, stepTicks: -36_000 }, { heldMicros, scale: -1 }),
    'npt',
    'timestamps backward, too',
  );
  t.equal(
    judge({ ...timed, pictures: every(33), stepMs: 1 }, { heldMicros }),
    undefined,
    'what came in one go, as after a stall, tells no rhythm',
  );
  t.equal(judge({ ...timed, pictures: every(33), stepMs: 1 }, { heldMicros, isLast: true }), undefined);
  t.equal(judge(normal, { heldMicros, scale: -1, isAnnounced: true }), 'none', 'forward is not backward');
  t.equal(judge({ ...squeezed, pictures: every(3) }, { heldMicros }), undefined, 'too little to tell');
  t.end();
});

t.test('where nothing is held, timestamps and kinds of pictures do', (t) => {
  const fast = { pictures: every(100), stepTicks: PICTURE, stepMs: 10 };
  t.equal(judge(fast), 'npt');
  t.equal(judge({ ...fast, pictures: every(30) }), undefined, 'not yet');
  t.equal(judge({ pictures: every(4, 10), stepTicks: 9000, stepMs: 100, isKeys: true }), 'viewer-time');
  const intra = { pictures: every(30), stepTicks: PICTURE, stepMs: 40, isKeys: true };
  t.equal(
    judge(intra, { isIntraOnly: true }),
    undefined,
    'key frames alone say nothing of a title that has no others',
  );
  t.equal(judge(intra, { isIntraOnly: true, isLast: true }), 'none');
  t.equal(
    judge(intra, { isIntraOnly: true, isLast: true, isAnnounced: true }),
    'viewer-time',
    'the reply, at last',
  );
  t.equal(judge({ pictures: [], stepTicks: 0, stepMs: 0 }), undefined);
  t.equal(judge({ pictures: [], stepTicks: 0, stepMs: 0 }, { isLast: true }), undefined, 'nothing came');
  t.end();
});
