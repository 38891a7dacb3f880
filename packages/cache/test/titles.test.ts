import t from 'tap';
import { TitleRows } from '../src/policy/title-rows.js';
import { Titles } from '../src/policy/titles.js';
import { randomFrom } from './random.js';

const GAP_SECONDS = 60;
const REGULARS = 20;
const SLOTS = 8192;

t.test(
  'what is foretold of all titles together is what comes, with most of them asked for once',
  async (t) => {
    const titles = new Titles(new TitleRows(SLOTS));
    for (let slot = 0; slot < SLOTS; slot++) titles.open(slot);
    let passing = REGULARS;
    let u = 0;
    let came = 0;
    let foretold = 0;
    for (let session = 0; session < 6000; session++) {
      u += GAP_SECONDS;
      titles.advance(u);
      if (session >= 3000 && session % 100 === 0) {
        for (let slot = 1; slot <= passing; slot++) foretold += titles.known(slot) ? titles.rate(slot, u) : 0;
      }
      const regular = session % 3 === 0;
      if (regular && session >= 3000) came += 1;
      titles.asked(regular ? 1 + (Math.imul(session, 7) % REGULARS) : ++passing, 1, u);
    }
    const ratio = (foretold * 100 * GAP_SECONDS) / came;
    t.ok(ratio > 0.8 && ratio < 1.25, `${ratio} times what came was foretold`);
  },
);

t.test(
  'where demand is steady and little, it is judged as well as by counting all there ever was: 5 seeds together',
  async (t) => {
    let learned = 0;
    let counted = 0;
    for (let seed = 1; seed <= 5; seed++) {
      const wrong = misjudged(seed);
      learned += wrong.learned;
      counted += wrong.counted;
    }
    t.ok(learned < counted, `mean square of the logarithm: ${learned / 5} learned, ${counted / 5} counted`);
  },
);

const STEADY = 100;
const STEADY_SESSIONS = 2000;
const STEADY_GAP_SECONDS = 600;

/** Mean square of the logarithm of what is foretold over what is true, of titles asked for at steady rates, in the last quarter: by what was learned, and by all requests so far. */
function misjudged(seed: number): { learned: number; counted: number } {
  const titles = new Titles(new TitleRows(STEADY + 1));
  const random = randomFrom(seed);
  const shares = Array.from({ length: STEADY }, (_, i) => 1 / (i + 5));
  const sum = shares.reduce((a, b) => a + b, 0);
  for (let slot = 0; slot <= STEADY; slot++) titles.open(slot);
  let u = 0;
  let learned = 0;
  let counted = 0;
  let looks = 0;
  const asked = new Float64Array(STEADY);
  for (let session = 0; session < STEADY_SESSIONS; session++) {
    u += STEADY_GAP_SECONDS;
    titles.advance(u);
    let at = random() * sum;
    let title = 0;
    while (title < STEADY - 1 && at >= shares[title]!) at -= shares[title++]!;
    titles.asked(title + 1, 1, u);
    asked[title]! += 1;
    if (session < 0.75 * STEADY_SESSIONS || session % 20 !== 0) continue;
    for (const [i, share] of shares.entries()) {
      if (!titles.known(i + 1)) continue;
      const truth = share / sum / STEADY_GAP_SECONDS;
      learned += Math.log(titles.rate(i + 1, u) / truth) ** 2;
      counted += Math.log(asked[i]! / u / truth) ** 2;
      looks += 1;
    }
  }
  return { learned: learned / looks, counted: counted / looks };
}
