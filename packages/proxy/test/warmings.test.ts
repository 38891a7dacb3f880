import type { Decision } from '@forebay/cache';
import t from 'tap';
import type { Entry } from '../src/read/entries.js';
import { Warmings } from '../src/read/warmings.js';
import { between, flightBench, described, sdp } from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 24 });

t.test('two wishes for one title do not get into each other’s way', async (t) => {
  const wishes: (number | undefined)[] = [];
  const admitted = { admitted: true, victims: [] } as unknown as Decision;
  const b = flightBench({
    description: described(sdp('npt=0-24')),
    store: {
      segments: () => [],
      wish: () => true,
      offer: (_segment, _facts, untilSeconds) => {
        wishes.push(untilSeconds);
        return Promise.resolve(admitted);
      },
    },
  });
  const { title, flights } = b;
  const entry = { title, flights, readers: 0 } as unknown as Entry;
  const warmings = new Warmings(b.clock);
  const wish = (prefixSeconds: number) => {
    const how = { signal: new AbortController().signal, report: () => undefined };
    return warmings.run(entry, { prefixSeconds, keepSeconds: 600, need: 'ahead' }, how);
  };
  const ends = [wish(4), wish(16)];
  const sent = new Map<unknown, number>();
  for (let i = 0; i < 120; i++) {
    for (const session of b.sessions) {
      const at = sent.get(session) ?? session.startSeconds ?? 0;
      if (session.isClosed || !session.isReading) continue;
      session.send(between(film, at, at + 0.5));
      sent.set(session, at + 0.5);
    }
    warmings.tick(b.clock.nowMs());
    await b.pass(500);
  }
  t.match(await Promise.all(ends), [{ state: 'done' }, { state: 'done' }]);
  t.equal(wishes.includes(undefined), false, 'all that was fetched was wished for');
  t.equal(entry.readers, 0);
});
