import t from 'tap';
import { Ports } from '../src/viewer/ports.js';
import { freeRange } from './viewer-ears.js';
import { TestClock } from './viewer-fakes.js';

const HOST = '127.0.0.1';
const PAIRS = 8;

t.test('ports that were given back rest while there are others', async (t) => {
  const first = await freeRange(PAIRS);
  const ports = new Ports({ first, last: first + 2 * PAIRS - 1 }, PAIRS, new TestClock());
  const seen = new Set<number>();
  let count = 0;
  // Others on this machine may have some of them.
  for (let i = 0; i < PAIRS / 2; i++) {
    const pair = await ports.take(HOST);
    if (pair === undefined) break;
    seen.add(pair.ports[0]);
    count++;
    pair.release();
    pair.release();
  }
  t.ok(count > 0);
  t.equal(seen.size, count, 'one after the other');
  t.equal(ports.held, 0);
});

t.test('where there are no others they are taken again', async (t) => {
  const first = await freeRange(1);
  const ports = new Ports({ first, last: first + 1 }, PAIRS, new TestClock());
  const before = await ports.take(HOST);
  before?.release();
  const again = await ports.take(HOST);
  t.same(again?.ports, before?.ports);
  again?.release();
});

t.test('and after ten seconds they have rested', async (t) => {
  const first = await freeRange(2);
  const clock = new TestClock();
  const ports = new Ports({ first, last: first + 3 }, PAIRS, clock);
  const [one, other] = [await ports.take(HOST), await ports.take(HOST)];
  one?.release();
  clock.advance(9000);
  other?.release();
  clock.advance(1000);
  const again = await ports.take(HOST);
  t.same(again?.ports, one?.ports, 'the one that was given back first');
  again?.release();
});
