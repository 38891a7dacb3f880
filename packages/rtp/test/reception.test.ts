import * as fc from 'fast-check';
import t from 'tap';
import { formatReceiverReport, parseCompound, Reception } from '../src/index.js';
import { holds } from './holds.js';

/** 90 kHz video at 25 frames a second, one packet a frame, arriving on time. */
const FRAME_TICKS = 3600;
const FRAME_MS = 40;
const SOURCE = { ssrc: 7, clockRate: 90000 };

/** Feeds packets by extended sequence number; each arrives when it is due, whatever number it carries. */
class Feed {
  readonly reception = new Reception(SOURCE);
  #frames = 0;
  readonly #firstTicks: number;

  constructor(firstTicks = 0) {
    this.#firstTicks = firstTicks;
  }

  /** @returns for each number whether the packet counted */
  packets(...extended: readonly number[]): boolean[] {
    return extended.map((number) => {
      const ticks = (this.#firstTicks + this.#frames * FRAME_TICKS) >>> 0;
      const counted = this.reception.packet(number & 0xffff, ticks, this.#frames * FRAME_MS);
      this.#frames += 1;
      return counted;
    });
  }

  /** Numbers from `first` to `last`, both included. */
  run(first: number, last: number): void {
    for (let number = first; number <= last; number += 1) this.packets(number);
  }
}

t.test('nothing is known before two packets in order', async (t) => {
  const feed = new Feed();
  t.match(feed.reception.report(5000), {
    ssrc: 7,
    fractionLost: 0,
    cumulativeLost: 0,
    highestSequence: 0,
    jitterTicks: 0,
    lastSr: 0,
    delaySinceLastSr: 0,
  });
  t.same(feed.packets(100, 200, 300, 301, 302), [false, false, false, true, true]);
  t.equal(feed.reception.received, 2);
  t.equal(feed.reception.lost, 0);
  t.equal(feed.reception.report(0).highestSequence, 302);
});

t.test('losses are counted, and late packets make them good', async (t) => {
  const feed = new Feed();
  feed.packets(9, 10, 11, 14, 15);
  t.equal(feed.reception.received, 4);
  t.equal(feed.reception.lost, 2);
  t.match(feed.reception.report(0), { fractionLost: 85, cumulativeLost: 2, highestSequence: 15 });
  t.same(feed.packets(12), [true]);
  t.equal(feed.reception.lost, 1);
  t.match(feed.reception.report(0), { fractionLost: 0, cumulativeLost: 1, highestSequence: 15 });
  feed.packets(16, 16, 16, 16);
  t.equal(feed.reception.lost, 0, 'never below zero');
  t.match(feed.reception.report(0), { fractionLost: 0, cumulativeLost: -2, highestSequence: 16 });
});

t.test('the fraction counts from the previous report', async (t) => {
  const feed = new Feed();
  feed.packets(0);
  feed.run(1, 100);
  t.equal(feed.reception.report(0).fractionLost, 0);
  feed.packets(104, 108);
  t.equal(feed.reception.report(0).fractionLost, 192, '6 of 8');
  feed.packets(109, 110, 112);
  t.equal(feed.reception.report(0).fractionLost, 64, '1 of 4');
  t.equal(feed.reception.report(0).fractionLost, 0, 'nothing since');
  feed.packets(112 + 2999);
  t.equal(feed.reception.report(0).fractionLost, 255, '2998 of 2999');
});

t.test('the sequence wraps with, in, before and after a gap', async (t) => {
  const feed = new Feed();
  feed.run(65000, 65534);
  feed.packets(65538);
  t.match(feed.reception.report(0), { cumulativeLost: 3, highestSequence: 0x10002 });
  t.same(feed.packets(65535, 65536, 65537), [true, true, true], 'late ones from before the wrap');
  t.equal(feed.reception.lost, 0);
  feed.run(65539, 4 * 65536 + 5);
  t.equal(feed.reception.lost, 0);
  t.equal(feed.reception.received, 4 * 65536 + 5 - 65000);
  t.equal(feed.reception.report(0).highestSequence, 0x40005);
  const early = new Feed();
  t.same(early.packets(65535, 65536), [false, true], 'in order over the wrap');
  t.equal(early.reception.report(0).highestSequence, 0);
});

t.test('jumps: a stray packet changes nothing, two in order are a restart', async (t) => {
  const limits: readonly [jump: number, counted: boolean][] = [
    [2999, true],
    [3000, false],
    [30000, false],
    [-30000, false],
    [-100, false],
    [-99, true],
    [0, true],
  ];
  for (const [jump, counted] of limits) {
    const feed = new Feed();
    feed.run(40000, 40200);
    t.same(feed.packets(40200 + jump), [counted], `by ${jump}`);
    t.same(feed.packets(40201), [jump !== 2999], `by ${jump}, and back`);
  }
  const feed = new Feed();
  feed.run(1000, 1010);
  t.same(feed.packets(50000, 1011, 50002, 1012), [false, true, false, true], 'strays');
  t.equal(feed.reception.report(0).highestSequence, 1012);
  t.same(feed.packets(30000, 30001, 30002), [false, true, true], 'restart');
  t.equal(feed.reception.report(0).highestSequence, 30002);
  t.equal(feed.reception.received, 14, 'the total goes on');
  t.equal(feed.reception.lost, 0);
  feed.packets(30004);
  t.equal(feed.reception.lost, 1);
});

t.test('a source that repeats one number for ever', async (t) => {
  const feed = new Feed();
  feed.packets(1, 2);
  for (let i = 0; i < 100_000; i += 1) feed.packets(2);
  t.equal(feed.reception.lost, 0);
  t.match(feed.reception.report(0), { fractionLost: 0, cumulativeLost: -100_000, highestSequence: 2 });
});

t.test('jitter is none on time, over both wraps', async (t) => {
  const feed = new Feed(2 ** 32 - 100 * FRAME_TICKS);
  feed.run(65400, 65800);
  t.equal(feed.reception.report(0).jitterTicks, 0);
});

t.test('jitter takes a sixteenth of each difference', async (t) => {
  const reception = new Reception(SOURCE);
  const arrivalsMs = [0, 40, 90, 120, 160];
  arrivalsMs.forEach((arrivalMs, i) =>
    reception.packet(i, 2 ** 32 - 2 * FRAME_TICKS + i * FRAME_TICKS, arrivalMs),
  );
  // Differences of the packets after the first that counts: 10 ms late is 900 ticks, caught up 900, then 0.
  const expected = [900, 900, 0].reduce((jitter, difference) => jitter + (difference - jitter) / 16, 0);
  t.equal(reception.report(0).jitterTicks, Math.floor(expected));
});

t.test('jitter starts anew after a restart', async (t) => {
  const reception = new Reception(SOURCE);
  for (let i = 0; i < 5; i += 1) reception.packet(i, i * FRAME_TICKS, i * FRAME_MS);
  for (let i = 0; i < 5; i += 1) reception.packet(20000 + i, 2 ** 31 + i * FRAME_TICKS, 1000 + i * FRAME_MS);
  t.equal(reception.report(0).jitterTicks, 0);
});

t.test('a report of extremes can be written', async (t) => {
  const reception = new Reception(SOURCE);
  reception.senderReport(1, 0, 0);
  reception.packet(0xffff, 0, 0);
  for (let i = 0; i < 3000; i += 1) reception.packet((i * 2999) & 0xffff, (i % 2) * 2 ** 31, i * 1e9);
  const written = formatReceiverReport({ ssrc: 1, cname: 'a', reports: [reception.report(1e12)] });
  t.match(parseCompound(written, 0, written.length)[0], {
    reports: [{ cumulativeLost: 2 ** 23 - 1, jitterTicks: 2 ** 32 - 1, delaySinceLastSr: 2 ** 32 - 1 }],
  });
});

t.test('the round trip can be told from the last sender report', async (t) => {
  const { reception } = new Feed();
  reception.senderReport(0xe93c7b12, 0x89abcdef, 10_000);
  t.match(reception.report(10_000), { lastSr: 0x7b1289ab, delaySinceLastSr: 0 });
  t.match(reception.report(15_250), { lastSr: 0x7b1289ab, delaySinceLastSr: 5.25 * 65536 });
  reception.senderReport(0x0000ffff, 0xffff0000, 20_000);
  t.equal(reception.report(20_000).lastSr, 0xffffffff);
});

t.test('a clock rate that is none', async (t) => {
  for (const clockRate of [0, -1, Number.NaN, Infinity]) {
    t.throws(() => new Reception({ ssrc: 7, clockRate }), RangeError, String(clockRate));
  }
});

t.test('losing and delaying up to 99 packets at random: the totals come out right', async (t) => {
  const packet = fc.record({ lost: fc.boolean(), delay: fc.integer({ min: 0, max: 99 }) });
  holds(
    t,
    fc.property(
      fc.integer({ min: 0, max: 65535 }),
      fc.array(packet, { maxLength: 200 }),
      (first, packets) => {
        const reception = new Reception(SOURCE);
        reception.packet(first, 0, 0);
        reception.packet((first + 1) & 0xffff, 0, 0);
        const arriving = packets
          .map(({ lost, delay }, i) => ({ lost, number: first + 2 + i, at: i + delay }))
          .filter(({ lost }) => !lost)
          .sort((a, b) => a.at - b.at || a.number - b.number);
        for (const { number, at } of arriving)
          reception.packet(number & 0xffff, at * FRAME_TICKS, at * FRAME_MS);
        const highest = Math.max(first + 1, ...arriving.map(({ number }) => number));
        const lost = highest - first - arriving.length - 1;
        const report = reception.report(0);
        return (
          reception.received === arriving.length + 1 &&
          reception.lost === lost &&
          report.cumulativeLost === lost &&
          (report.highestSequence & 0xffff) === (highest & 0xffff)
        );
      },
    ),
  );
});
