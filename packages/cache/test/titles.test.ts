import t from 'tap';
import { TitleRows } from '../src/policy/title-rows.js';
import { Titles } from '../src/policy/titles.js';

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
