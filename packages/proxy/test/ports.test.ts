import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { Ports } from '../src/viewer/ports.js';

const HOST = '127.0.0.1';
const PAIRS = 8;

/** The first port of a range that was free a moment ago. */
async function someRange(): Promise<number> {
  const probe = createSocket('udp4');
  probe.bind(0, HOST);
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return Math.min(port, 65_000) & ~31;
}

t.test('ports that were given back rest while there are others', async (t) => {
  const first = await someRange();
  const ports = new Ports({ first, last: first + 2 * PAIRS - 1 }, PAIRS);
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
  const first = await someRange();
  const ports = new Ports({ first, last: first + 1 }, PAIRS);
  const before = await ports.take(HOST);
  before?.release();
  const again = await ports.take(HOST);
  t.same(again?.ports, before?.ports);
  again?.release();
});
