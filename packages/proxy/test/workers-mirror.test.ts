import { join } from 'node:path';
import { type PacketRun, RamTier } from '@forebay/cache';
import t, { type Test } from 'tap';
import type { Place } from '../src/fill/row.js';
import type { Title } from '../src/fill/title.js';
import { Link } from '../src/workers/link.js';
import { MirrorTitle } from '../src/workers/mirror.js';
import type { WorkerLine } from '../src/workers/protocol.js';
import { Publication } from '../src/workers/publication.js';
import { between, flightBench, type FlightBench, settle } from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 30 });
const STEP_SECONDS = 0.2;

const factsOf = ({ startMicros, endMicros, randomAccess, state, last, flying }: Place): object => ({
  startMicros,
  endMicros,
  randomAccess,
  state,
  last,
  flying,
});

/** A title as it is shown, and workers that see it. */
class Show {
  readonly publication: Publication;
  readonly discarded: string[] = [];
  readonly told: WorkerLine[] = [];
  readonly #bench: FlightBench;
  #files = 0;

  constructor(t: Test, bench: FlightBench) {
    const folder = t.testdir();
    this.#bench = bench;
    this.publication = new Publication({
      title: bench.title,
      flights: bench.flights,
      passage: { scales: undefined },
      newPath: () => join(folder, String(++this.#files)),
      discard: (path) => this.discarded.push(path),
    });
  }

  watch(): MirrorTitle {
    const { title, shelves } = this.#bench;
    const { key, generation, live, reference, isVideo } = title;
    const mirror = new MirrorTitle({
      number: 1,
      identity: { key, generation, live, reference, isVideo, windowSeconds: 0 },
      sdp: title.description.text,
      link: new Link((lines) => this.told.push(...lines)),
      ram: new RamTier(0),
      shelves,
    });
    this.publication.add((line) => mirror.take(line));
    return mirror;
  }
}

function compare(t: Test, title: Title, mirror: MirrorTitle, what: string): void {
  t.same([...mirror.row].map(factsOf), [...title.row].map(factsOf), `${what}: places`);
  t.equal(mirror.durationSeconds, title.durationSeconds, `${what}: length`);
  t.equal(mirror.leadSeconds(), title.leadSeconds(), `${what}: lead`);
}

function sameRun(t: Test, got: PacketRun, want: PacketRun, what: string): void {
  t.equal(got.count, want.count, `${what}: packets`);
  const bytes = want.offsets[want.count]!;
  t.ok(got.bytes.subarray(0, bytes).equals(want.bytes.subarray(0, bytes)), `${what}: bytes`);
}

t.test(
  'what workers know of a title is what it is, whatever happens to it and whenever they look',
  async (t) => {
    const bench = flightBench();
    const show = new Show(t, bench);
    const { title, flights, clock } = bench;
    const early = show.watch();
    t.ok(early.isCurrent);
    const mirrors = [early];
    const rider = bench.rider();
    flights.board(0, rider);
    await settle();
    const follow = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += STEP_SECONDS) {
        bench.last().send(between(film, at, at + STEP_SECONDS));
        rider.positionMicros = at * 1e6;
        await bench.pass(STEP_SECONDS * 1000);
        show.publication.publish(true);
        for (const mirror of mirrors) {
          mirror.poll();
          const growing = [...mirror.row].filter((place) => place.growth !== undefined);
          for (const place of growing)
            sameRun(t, place.growth!.run, title.row.startingAt(place.startMicros)!.growth!.run, `at ${at}`);
          compare(t, title, mirror, `at ${at}`);
        }
      }
    };
    await follow(0, 9);
    const late = show.watch();
    mirrors.push(late);
    await follow(9, 14);
    const followed = [...early.row].at(-1)!;
    const { run } = followed.growth!;
    // A hole, that another flight fills.
    title.row.remove([...title.row][1]!);
    flights.board(4e6, rider);
    await settle();
    await follow(4, 9);
    await bench.pass(6000);
    clock.advance(400_000);
    title.sweep(clock.nowMs());
    show.publication.publish(true);
    for (const mirror of mirrors) compare(t, title, mirror, 'when open segments were given up');
    t.ok(run.count > 0, 'who followed one keeps its packets');
    t.ok(show.discarded.length > 2, 'files of segments that do not grow any more are given up');
  },
);

t.test('a worker that rests is told nothing, and everything when it comes back', async (t) => {
  const bench = flightBench();
  const show = new Show(t, bench);
  const { title, flights } = bench;
  const mirror = show.watch();
  const rider = bench.rider();
  flights.board(0, rider);
  await settle();
  bench.last().send(between(film, 0, 9));
  await bench.pass(200);
  show.publication.publish(true);
  t.equal([...mirror.row].length, [...title.row].length);
  mirror.rest();
  t.notOk(mirror.isCurrent);
  t.equal([...mirror.row].length, 0);
  mirror.take({ is: 'current' });
  t.notOk(mirror.isCurrent, 'lines that were on their way count no more');
  mirror.watch();
  await settle();
  t.match(show.told, [
    { op: 'unwatch', title: 1 },
    { op: 'watch', title: 1 },
  ]);
  show.publication.add((line) => mirror.take(line));
  t.ok(mirror.isCurrent);
  for (const place of mirror.row) if (place.growth !== undefined) t.ok(place.growth.run.count > 0);
  mirror.poll();
  compare(t, title, mirror, 'again');
});
