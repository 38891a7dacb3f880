import t from 'tap';
import { REACH_BINS, Reach } from '../src/policy/reach.js';
import { TitleRows } from '../src/policy/title-rows.js';

const TITLES = 400;
const VIEWERS_A_TITLE = 10;
const DURATION_SECONDS = 1500;
const MIDDLE = REACH_BINS / 2;
const NEW = TITLES + 1;

function view(reach: Reach, slot: number, to: number): void {
  reach.viewer(slot, 1);
  reach.passed(slot, { from: 0, to }, 1);
  reach.left(slot, { from: 0, to }, 1);
}

/** Titles of which viewer `v` stays to the end where `stays` says so, and leaves after a quarter of the bins otherwise. */
function watched(stays: (title: number, v: number) => boolean): Reach {
  const reach = new Reach(new TitleRows(TITLES + 2));
  for (let slot = 0; slot < TITLES + 2; slot++) reach.open(slot, DURATION_SECONDS);
  for (let v = 0; v < VIEWERS_A_TITLE; v++) {
    for (let title = 1; title <= TITLES; title++)
      view(reach, title, stays(title, v) ? REACH_BINS : REACH_BINS / 4);
  }
  return reach;
}

t.test('how much a few viewers of a title say is learned from titles of like length', async (t) => {
  // Half of all viewers stay, in both: of every title, or all those of every other title.
  const alike = watched((title, v) => (title + v) % 2 === 0);
  const different = watched((title) => title % 2 === 0);
  for (const reach of [alike, different]) {
    t.ok(Math.abs(reach.share(NEW, MIDDLE) - 0.5) < 0.02, 'of a title that nobody saw: as of the others');
    for (let v = 0; v < 4; v++) view(reach, NEW, REACH_BINS);
  }
  const cautious = alike.share(NEW, MIDDLE);
  const convinced = different.share(NEW, MIDDLE);
  t.ok(cautious < 0.6, `where titles are alike, four who stayed change little: ${cautious}`);
  t.ok(convinced > 0.8, `where they differ, four who stayed say nearly all: ${convinced}`);
});

t.test('what was learned goes to another node; what cannot be is not believed', async (t) => {
  const from = watched((title) => title % 2 === 0);
  const to = new Reach(new TitleRows(TITLES + 2));
  for (let slot = 0; slot < TITLES + 2; slot++) to.open(slot, DURATION_SECONDS);
  for (const [i, table] of to.tables().entries()) table.set(from.tables()[i]!);
  to.settle();
  for (const reach of [from, to]) for (let v = 0; v < 4; v++) view(reach, NEW, REACH_BINS);
  t.equal(to.share(NEW, MIDDLE), from.share(NEW, MIDDLE));
  to.tables().at(-1)!.fill(0);
  to.settle();
  t.ok(to.share(NEW, MIDDLE) > 0.5 && to.share(NEW, MIDDLE) <= 1);
});
