import { join } from 'node:path';
import { RamTier, type SharedTier } from '@forebay/cache';
import { parseRtspUrl } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import type { Catalogue } from '../src/read/catalogue.js';
import { Desk } from '../src/workers/desk.js';
import { Link } from '../src/workers/link.js';
import { MirrorTitle } from '../src/workers/mirror.js';
import type { OwnerLine, Reply } from '../src/workers/protocol.js';
import { Publication } from '../src/workers/publication.js';
import type { Publications } from '../src/workers/publications.js';
import { between, flightBench, type FlightBench, settle } from './flight-bench.js';
import { makePackets } from './packets.js';

const film = makePackets({ seconds: 30 });
const READER = 7;

/** The owner's side of one worker that has one reader. */
class Office {
  readonly desk: Desk;
  readonly told: OwnerLine[] = [];
  readonly held = { readers: 0 };
  files = 0;
  discarded = 0;
  #questions = 0;

  constructor(t: Test, { title, flights }: FlightBench) {
    const folder = t.testdir();
    const publication = new Publication({
      title,
      flights,
      passage: { scales: undefined },
      newPath: () => join(folder, String(++this.files)),
      discard: () => this.discarded++,
    });
    const entry = { title, flights };
    const shown = { entry, route: 'fake' };
    const ignore = (): void => undefined;
    const catalogue = {
      find: () => Promise.resolve(shown),
      occupy: () => {
        this.held.readers++;
        return entry;
      },
      release: () => this.held.readers--,
      shownOf: () => shown,
      audienceOf: () => ({ started: ignore, reached: ignore, ended: ignore }),
    } as unknown as Catalogue;
    this.desk = new Desk({
      catalogue,
      publications: { of: () => publication, discard: ignore } as unknown as Publications,
      tier: {} as SharedTier,
      tell: (line) => this.told.push(line),
      onViewing: undefined,
    });
  }

  async open(): Promise<void> {
    const url = parseRtspUrl('rtsp://proxy/a');
    this.desk.receive({ op: 'ask', id: ++this.#questions, question: { is: 'find', url, account: 'a' } });
    await settle();
    this.desk.receive({ op: 'opened', reader: READER, title: 1 });
  }

  /** What the worker is answered. */
  async board(atSeconds: number): Promise<Reply | undefined> {
    const id = ++this.#questions;
    const atMicros = atSeconds * 1e6;
    const rider = { positionMicros: atMicros, need: 'playing', untilMicros: undefined } as const;
    this.desk.receive({ op: 'ask', id, question: { is: 'board', reader: READER, atMicros, rider } });
    await settle();
    return this.reply(id);
  }

  /** What the latest question was answered. */
  reply(id = this.#questions): Reply | undefined {
    for (const line of this.told) if (line.op === 'reply' && line.id === id) return line.reply;
    return undefined;
  }
}

t.test('a worker that asks for what has come meanwhile costs the origin nothing', async (t) => {
  const bench = flightBench();
  const office = new Office(t, bench);
  await office.open();
  t.equal(office.held.readers, 1);
  void office.board(0);
  await settle();
  bench.last().send(between(film, 0, 9));
  await bench.pass(200);
  t.equal(bench.sessions.length, 1);
  const rows = [...bench.title.row];
  t.ok(rows.length >= 3, 'two segments are behind the flight');
  // As a worker sees it that has not heard yet that a segment was cut: inside it, and at its very end.
  for (const at of [3.88, 4, 7.9]) {
    t.match(await office.board(at), { is: 'boarded', isRiding: false });
    t.equal(bench.sessions.length, 1, `at ${at} s`);
  }
  t.match(await office.board(8.9), { is: 'boarded', isRiding: true }, 'what grows is ridden for');
  t.equal(bench.sessions.length, 1);
  bench.title.row.remove(rows[1]!);
  void office.board(4);
  await settle();
  t.equal(bench.sessions.length, 2, 'what is lacking indeed is fetched');
});

t.test('a worker hears that its reader is in line for a session, for as long as it is', async (t) => {
  const bench = flightBench();
  const office = new Office(t, bench);
  await office.open();
  const open = bench.client.open.bind(bench.client);
  let comeTurn = (): void => undefined;
  const turn = new Promise<void>((resolve) => (comeTurn = resolve));
  bench.client.open = async (...wish) => {
    await turn;
    return await open(...wish);
  };
  for (let i = 0; i < 2; i++) {
    t.equal(await office.board(20), undefined, 'it is waited for');
    await bench.pass(300);
    t.match(office.reply(), { is: 'boarded', isRiding: false, isWaiting: true });
  }
  comeTurn();
  await settle();
  void office.board(20);
  await settle();
  bench.last().send(between(film, 20, 21));
  await bench.pass(100);
  t.match(office.reply(), { is: 'boarded', isRiding: true, isWaiting: false });
});

t.test('a title that rested is known again when it is asked for, whoever speaks first', async (t) => {
  const bench = flightBench();
  const office = new Office(t, bench);
  const link = new Link((lines) => lines.forEach((line) => office.desk.receive(line)));
  await office.open();
  const { identity, sdp } = office.told.find((line) => line.op === 'identity')!;
  const ram = new RamTier(0);
  const mirror = new MirrorTitle({ number: 1, identity, sdp, link, ram, shelves: bench.shelves });
  let heard = 0;
  const hear = async (): Promise<void> => {
    await settle();
    for (; heard < office.told.length; heard++) {
      const line = office.told[heard]!;
      if (line.op === 'title') mirror.take(line.about);
    }
  };
  await hear();
  t.ok(mirror.isCurrent);
  mirror.rest();
  await hear();
  t.notOk(mirror.isCurrent);
  await office.open();
  await hear();
  mirror.watch();
  await hear();
  t.ok(mirror.isCurrent, 'found again');
  mirror.rest();
  mirror.watch();
  await hear();
  t.ok(mirror.isCurrent, 'watched again');
});

t.test('when a worker is gone what its readers held is given back', async (t) => {
  const bench = flightBench();
  const office = new Office(t, bench);
  await office.open();
  void office.board(0);
  await settle();
  bench.last().send(between(film, 0, 2));
  void office.board(40);
  await settle();
  void office.open();
  office.desk.close();
  t.equal(office.held.readers, 0);
  await bench.pass(5000);
  t.ok(bench.last().isClosed, 'nobody rides the flight any more');
  const lines = office.told.length;
  await bench.pass(500);
  t.equal(office.told.length, lines, 'nothing is told to nobody');
  t.equal(office.files, office.discarded, 'what was shown is given up, and nothing more is shown');
});
