import { getEventListeners } from 'node:events';
import t from 'tap';
import { Metrics } from '../src/metrics.js';
import type { Asker } from '../src/origin/description-line.js';
import { OriginError } from '../src/origin/errors.js';
import { Questions } from '../src/read/questions.js';
import { codeOf } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An origin that answers when the test says so. */
class Desk {
  readonly clock = new TestClock();
  readonly metrics = new Metrics();
  readonly asked: string[] = [];
  readonly #questions = new Questions<string>(this.clock, this.metrics);
  readonly #open = new Map<string, { resolve: (answer: string) => void; reject: (error: Error) => void }>();

  ask(
    key: string,
    asker: string | Asker,
    { how = 'ask', origin = 'o' }: { how?: 'ask' | 'askAnew'; origin?: string } = {},
  ): Promise<string> {
    const who = typeof asker === 'string' ? ({ account: asker, need: 'starting' } as const) : asker;
    return this.#questions[how]({ key, origin }, who, () => {
      this.asked.push(key);
      return new Promise((resolve, reject) => this.#open.set(key, { resolve, reject }));
    });
  }

  /** So many questions of one account. */
  many(account: string, count: number, asker: Partial<Asker> = {}): Promise<string>[] {
    return Array.from({ length: count }, (_, i) =>
      this.ask(`${account}${i}`, { account, need: 'starting', ...asker }),
    );
  }

  get open(): number {
    return this.#open.size;
  }

  async answer(key = [...this.#open.keys()][0]!): Promise<void> {
    this.#open.get(key)?.resolve(`of ${key}`);
    this.#open.delete(key);
    await turns();
  }

  async refuse(key: string): Promise<void> {
    this.#open.get(key)?.reject(new OriginError('not-found', 'no'));
    this.#open.delete(key);
    await turns();
  }

  async answerAll(): Promise<void> {
    while (this.#open.size > 0) await this.answer();
  }

  async refusals(): Promise<number> {
    const { values } = await this.metrics.originFaults.get();
    return values.find(({ labels }) => labels.reason === 'crowded')?.value ?? 0;
  }
}

t.test('sixteen descriptions are asked for at a time, eight for one address; the rest wait', async (t) => {
  const desk = new Desk();
  const mine = desk.many('a', 60);
  await turns();
  t.equal(desk.open, 8, 'one address');
  const others = [...desk.many('b', 60), ...desk.many('c', 60)];
  await turns();
  t.equal(desk.open, 16, 'three');
  await desk.answerAll();
  t.equal(new Set(await Promise.all([...mine, ...others])).size, 180, 'all are answered');
  t.equal(desk.asked.length, 180);
  t.equal(desk.clock.timers, 0);
});

t.test('a question that is asked by two routes takes one place, and gives it back', async (t) => {
  const desk = new Desk();
  const playing = { account: 'opening', need: 'playing' } as const;
  for (let round = 0; round < 20; round++) {
    void desk.many('a', 8);
    const waiting = desk.ask('film', 'a');
    await turns();
    const other = desk.ask('film', round % 2 === 0 ? playing : 'b', { how: 'askAnew', origin: 'other' });
    await turns();
    await desk.answerAll();
    t.same(await Promise.all([waiting, other]), ['of film', 'of film']);
  }
  for (const origin of ['o', 'other']) {
    const questions = Array.from({ length: 16 }, (_, i) => desk.ask(`${i}`, `address ${i}`, { origin }));
    await turns();
    t.equal(desk.open, 16, `all places of ${origin} are free`);
    await desk.answerAll();
    await Promise.all(questions);
  }
});

t.test('addresses take turns: one question does not wait behind sixty', async (t) => {
  const desk = new Desk();
  void desk.many('a', 60);
  void desk.many('b', 60);
  const other = desk.ask('film', 'c');
  await turns();
  t.notOk(desk.asked.includes('film'), 'all places are taken');
  await desk.answer();
  t.equal(desk.asked.at(-1), 'film', 'the next one that comes free');
  await desk.answer('film');
  t.equal(await other, 'of film');
  await desk.answerAll();
});

t.test('a full line: whoever has the most in it gives way, and hears so at once', async (t) => {
  const desk = new Desk();
  const greedy = desk.many('a', 8 + 200);
  const second = desk.many('b', 8 + 56);
  await turns();
  t.equal(await codeOf(desk.ask('one more', 'a')), 'crowded');
  const ended = codeOf(greedy.at(-1)!);
  const late = desk.ask('film', 'c');
  t.equal(await ended, 'crowded', 'the last one of the greediest');
  t.equal(await desk.refusals(), 2);
  t.equal(new OriginError('crowded', '').status, 503, 'a status that comes with Retry-After');
  await desk.answerAll();
  t.equal(await late, 'of film');
  t.equal((await Promise.all([...greedy.slice(0, -1), ...second])).length, 271);
});

t.test('a line of as many addresses as it has places takes no more', async (t) => {
  const desk = new Desk();
  const line = Array.from({ length: 16 + 256 }, (_, i) => desk.ask(`${i}`, `address ${i}`));
  t.equal(await codeOf(desk.ask('film', 'a')), 'crowded');
  await desk.answerAll();
  await Promise.all(line);
  const again = desk.ask('film', 'a');
  await turns();
  await desk.answerAll();
  t.equal(await again, 'of film', 'what was not asked is not held against anybody');
});

t.test(
  'a viewer waits ten seconds for a turn; what is fetched ahead waits for as long as it takes',
  async (t) => {
    const desk = new Desk();
    const asked = desk.many('a', 8);
    const late = codeOf(desk.ask('late', 'a'));
    void desk.many('warming', 8, { need: 'ahead' });
    const ahead = desk.ask('ahead', { account: 'warming', need: 'ahead' });
    const joining = codeOf(desk.ask('ahead', 'b'));
    desk.clock.advance(10_000);
    t.equal(await late, 'crowded');
    t.equal(await joining, 'crowded', 'nor does a viewer who joins it');
    desk.clock.advance(3_600_000);
    await desk.answerAll();
    t.equal(await ahead, 'of ahead');
    t.equal((await Promise.all(asked)).length, 8, 'what was asked goes on');
    t.notOk(desk.asked.includes('late'));
  },
);

t.test('a viewer who leaves frees the place, unless somebody else wants the same', async (t) => {
  const desk = new Desk();
  void desk.many('a', 8);
  const [first, second, third] = [0, 1, 2].map(() => new AbortController());
  const asker = (stop: AbortController): Asker => ({ account: 'a', need: 'starting', signal: stop.signal });
  const gone = codeOf(desk.ask('nobody wants', asker(first!)));
  const left = codeOf(desk.ask('wanted', asker(second!)));
  const stays = desk.ask('wanted', asker(third!));
  first!.abort();
  second!.abort();
  t.equal(await gone, 'aborted');
  t.equal(await left, 'aborted');
  await desk.answerAll();
  t.equal(await stays, 'of wanted');
  t.notOk(desk.asked.includes('nobody wants'));
  t.equal(desk.clock.timers, 0);
  t.equal(getEventListeners(third!.signal, 'abort').length, 0, 'no listeners');
  t.equal(await codeOf(desk.ask('too late', asker(first!))), 'aborted');
  const again = desk.ask('nobody wants', 'a');
  await turns();
  await desk.answerAll();
  t.equal(await again, 'of nobody wants', 'who comes later is answered');
});

t.test('what another address floods with is not in the way of one who wants the same', async (t) => {
  const desk = new Desk();
  void desk.many('a', 60);
  void desk.many('b', 60);
  await turns();
  const same = desk.ask('a59', 'c');
  await desk.answer();
  t.equal(desk.asked.at(-1), 'a59');
  await desk.answerAll();
  t.equal(await same, 'of a59');
});

t.test(
  'a description that a session waits for is asked for at once, in whatever line it stands',
  async (t) => {
    const desk = new Desk();
    const playing = { account: 'opening', need: 'playing' } as const;
    void desk.many('a', 8);
    void desk.many('b', 8);
    const waiting = desk.ask('title', { account: 'revalidation', need: 'ahead' });
    await turns();
    t.notOk(desk.asked.includes('title'));
    const opening = desk.ask('title', playing, { how: 'askAnew' });
    const other = desk.ask('other', playing, { how: 'askAnew' });
    await turns();
    t.strictSame(desk.asked.slice(16), ['title', 'other']);
    await desk.answerAll();
    t.strictSame(await Promise.all([waiting, opening, other]), ['of title', 'of title', 'of other']);
    t.equal(desk.asked.length, 18, 'once for both');
  },
);

t.test("an origin's refusal is repeated for two seconds, and the next in line is asked", async (t) => {
  const desk = new Desk();
  const questions = desk.many('a', 9).map((question) => codeOf(question));
  await turns();
  await desk.refuse('a0');
  t.equal(await questions[0], 'not-found');
  t.equal(desk.asked.at(-1), 'a8');
  t.equal(await codeOf(desk.ask('a0', 'b')), 'not-found');
  t.equal(desk.asked.length, 9);
  desk.clock.advance(2000);
  void desk.ask('a0', 'b');
  await turns();
  t.equal(desk.asked.at(-1), 'a0');
  await desk.answerAll();
});
