import { RamTier, type SharedFolder } from '@forebay/cache';
import t from 'tap';
import { Passage } from '../src/fill/passage.js';
import { Pacer } from '../src/read/pacer.js';
import type { Entry } from '../src/read/entries.js';
import { Link } from '../src/workers/link.js';
import { Publications } from '../src/workers/publications.js';
import { RemoteLibrary } from '../src/workers/remote-library.js';
import { parseRtspUrl } from '@forebay/rtsp';
import { flightBench, settle } from './flight-bench.js';
import { TestClock } from './viewer-fakes.js';

const GLANCE_MS = 5;
/** Wake-ups in a second. */
const [FEW, MANY] = [11, 150] as const;

/** Counts how often something runs by it. */
class CountingClock extends TestClock {
  #wakeUps = 0;

  override setTimeout(callback: () => void, delayMs: number) {
    return super.setTimeout(() => {
      this.#wakeUps++;
      callback();
    }, delayMs);
  }

  /** In the next second. */
  wakeUps(): number {
    const before = this.#wakeUps;
    this.advance(1000);
    return this.#wakeUps - before;
  }
}

t.test('an owner looks often while a title is watched, and no longer', (t) => {
  const clock = new CountingClock();
  const { title, flights } = flightBench();
  const folder = { newPath: () => t.testdirName } as unknown as SharedFolder;
  const publications = new Publications(clock, folder, GLANCE_MS);
  t.ok(clock.wakeUps() <= FEW);
  const entry = { title, flights, passage: new Passage(title) } as unknown as Entry;
  const watcher = (): void => undefined;
  const publication = publications.of(entry);
  publication.add(watcher);
  t.ok(clock.wakeUps() >= MANY);
  publication.remove(watcher);
  clock.advance(100);
  t.ok(clock.wakeUps() <= FEW);
  publications.close();
  publications.of(entry);
  t.equal(clock.timers, 0);
  t.end();
});

t.test('a worker looks often while somebody is to play, and no longer', async (t) => {
  const clock = new CountingClock();
  const { title, shelves } = flightBench();
  const { key, generation, live, reference, isVideo } = title;
  const link: Link = new Link((lines) => {
    for (const line of lines) {
      if (line.op !== 'ask') continue;
      library.take({
        op: 'identity',
        title: 1,
        identity: { key, generation, live, reference, isVideo, windowSeconds: 0 },
        sdp: title.description.text,
      });
      link.answered(line.id, { is: 'found', title: 1, route: 'fake' });
    }
  });
  const pacer = new Pacer(clock);
  const library = new RemoteLibrary({ link, pacer, ram: new RamTier(0), shelves: { ...shelves, clock } });
  t.ok(clock.wakeUps() <= FEW);
  const found = await library.find(parseRtspUrl('rtsp://proxy/a'), {
    account: 'a',
    signal: new AbortController().signal,
  });
  const reader = library.open(found, {
    streams: [{ stream: 0, ssrc: 1 }],
    sink: { writable: () => true, send: () => 0, ended: () => undefined },
    viewerAddress: '127.0.0.1',
    transport: 'tcp',
  });
  t.ok(clock.wakeUps() >= MANY);
  reader.close();
  clock.advance(100);
  t.ok(clock.wakeUps() <= FEW);
  library.close();
  await settle();
});
