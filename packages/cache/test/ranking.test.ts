import t from 'tap';
import { ASIDE_STEP, stepOf } from '../src/policy/ranking.js';

t.test('steps are an eighth of an octave below 1, and in order', async (t) => {
  for (let value = 1e-25; value < 0.2; value *= 1.37) {
    t.equal(stepOf(2 * value), stepOf(value) + 8, `${value}`);
    t.ok(stepOf(1.1 * value) >= stepOf(value));
    t.ok(stepOf(1.3 * value) > stepOf(value));
  }
});

t.test('what is no value is the lowest, and nothing is as high as what is set aside', async (t) => {
  for (const value of [Number.NaN, -1, 0, 1e-300]) t.equal(stepOf(value), 0, `${value}`);
  t.ok(stepOf(Number.POSITIVE_INFINITY) < ASIDE_STEP);
});
