import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Passage } from '../src/fill/passage.js';
import { OriginError } from '../src/origin/errors.js';
import type { OriginSink } from '../src/origin/session.js';
import type { PassedSession } from '../src/read/playable.js';
import { Link } from '../src/workers/link.js';
import type { MirrorTitle } from '../src/workers/mirror.js';
import { Passings } from '../src/workers/passings.js';
import { tellError, type WorkerLine } from '../src/workers/protocol.js';
import { RemotePassages } from '../src/workers/remote-passage.js';
import { settle } from './flight-bench.js';

const WISH = { streams: [0, 1], startSeconds: 8, scale: 4 };
const READER = 7;

/** An owner and a worker that tell each other of one origin session, played by the test. */
class Wire {
  readonly folder: string;
  readonly passings: Passings;
  readonly passages: RemotePassages;
  /** What was done to the origin's session. */
  readonly done: string[] = [];
  /** Puts packets into the owner. */
  sink: OriginSink | undefined;
  refusal: OriginError | undefined;
  #files = 0;

  constructor(t: Test) {
    this.folder = t.testdir();
    const link = new Link((lines) => setImmediate(() => lines.forEach((line) => this.#received(line, link))));
    this.passages = new RemotePassages(link);
    const newPath = (): string => join(this.folder, String(++this.#files));
    this.passings = new Passings(newPath, (line) => {
      setImmediate(() => line.op === 'pass' && this.passages.take(line.pass, line.about));
    });
  }

  get files(): number {
    return existsSync(this.folder) ? readdirSync(this.folder).length : 0;
  }

  readonly #passage = {
    open: ({ signal, ...wish }: { signal: AbortSignal }, sink: OriginSink): Promise<PassedSession> => {
      this.done.push(JSON.stringify(wish));
      this.sink = sink;
      signal.addEventListener('abort', () => this.done.push('abort'));
      if (this.refusal !== undefined) return Promise.reject(this.refusal);
      const note = (what: string) => (): void => void this.done.push(what);
      return Promise.resolve({
        reply: { rtpInfo: [undefined, undefined], scale: 4 },
        start: note('start'),
        pauseReading: note('pause'),
        resumeReading: note('resume'),
        close: () => {
          this.done.push('close');
          return Promise.resolve();
        },
      });
    },
  } as unknown as Passage;

  #received(line: WorkerLine, link: Link): void {
    if (line.op === 'passing') this.passings.order(line.pass, line.order);
    if (line.op !== 'ask' || line.question.is !== 'pass') return;
    const { pass, wish } = line.question;
    this.passings.open(pass, this.#passage, wish).then(
      (reply) => link.answered(line.id, { is: 'passing', reply }),
      (error: unknown) => link.answered(line.id, { is: 'error', error: tellError(error) }),
    );
  }
}

/** A viewer's side: what it got, in the order it came. */
class Taken implements OriginSink {
  readonly packets: string[] = [];
  readonly events: string[] = [];
  bytes = 0;

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    this.packets.push(`${stream} ${bytes.readUInt32BE(start)} ${end - start} ${bytes[end - 1]}`);
  }

  senderReport(): void {
    this.events.push('report');
  }

  bye(stream: number): void {
    this.events.push(`bye ${stream} after ${this.packets.length}`);
  }

  closed(error: OriginError | undefined): void {
    this.events.push(`closed ${error?.code} after ${this.packets.length}`);
  }
}

function packet(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, number);
  bytes.writeUInt32BE(number);
  return bytes;
}

const open = (wire: Wire, sink: OriginSink, signal = new AbortController().signal): Promise<PassedSession> =>
  wire.passages.of({ scales: undefined } as MirrorTitle, READER).open({ ...WISH, signal }, sink);

t.test('packets come as they were sent, goodbyes behind them, and nothing is left', async (t) => {
  const wire = new Wire(t);
  const taken = new Taken();
  const session = await open(wire, taken);
  t.equal(session.reply.scale, 4);
  session.start();
  await settle();
  t.same(wire.done, [JSON.stringify(WISH), 'start']);
  const sent: string[] = [];
  for (let i = 0; i < 3000; i++) {
    const [stream, length] = [i % 2, 12 + ((i * 7919) % 1400)];
    const bytes = Buffer.concat([Buffer.alloc(5), packet(i, length), Buffer.alloc(3)]);
    wire.sink!.rtp(stream, bytes, 5, 5 + length);
    sent.push(`${stream} ${i} ${length} ${length > 4 ? i & 0xff : 0}`);
    if (i % 500 === 0) {
      await settle();
      wire.passages.poll();
    }
  }
  wire.sink!.rtp(0, packet(9, 65_535), 0, 65_535);
  sent.push('0 9 65535 9');
  wire.sink!.bye(0);
  wire.sink!.bye(1);
  await settle();
  t.same(taken.packets, sent);
  t.same(
    taken.events,
    [0, 1].map((stream) => `bye ${stream} after ${sent.length}`),
  );
  await session.close();
  await settle();
  t.same(wire.done.slice(2), ['abort', 'close']);
  t.same(taken.events.slice(2), [`closed undefined after ${sent.length}`]);
  t.equal(wire.files, 0);
});

t.test('a worker that lags holds the origin back, and past a limit packets are dropped', async (t) => {
  const wire = new Wire(t);
  const taken = new Taken();
  const session = await open(wire, taken);
  session.start();
  const bytes = packet(1, 50_000);
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      wire.sink!.rtp(0, bytes, 0, bytes.length);
      if (i % 4 === 0) await settle();
    }
    await settle();
  };
  await send(100);
  t.same(wire.done.slice(2), ['pause'], 'with 4 MB that nobody reads');
  await send(300);
  t.ok(wire.files <= 8, `${wire.files} files of 1 MB`);
  wire.passages.poll();
  await settle();
  t.ok(taken.bytes > 7e6 && taken.bytes < 10e6, `${taken.bytes} bytes of 20 million`);
  t.same(wire.done.slice(2), ['pause', 'resume']);
  t.equal(wire.files, 1);
  session.pauseReading();
  await settle();
  session.resumeReading();
  await settle();
  t.same(wire.done.slice(4), ['pause', 'resume'], 'and so does a viewer that lags');
  wire.sink!.closed(new OriginError('origin-closed', 'gone'));
  await settle();
  t.match(taken.events, [/^closed origin-closed/]);
  t.equal(wire.files, 0);
});

t.test('a viewer that goes away while its session opens, and an origin that refuses', async (t) => {
  const wire = new Wire(t);
  const leaving = new AbortController();
  const opened = open(wire, new Taken(), leaving.signal);
  leaving.abort();
  await t.rejects(opened, { code: 'aborted' });
  await settle();
  t.ok(wire.done.includes('close'));
  wire.refusal = new OriginError('busy', 'full');
  await t.rejects(open(wire, new Taken()), { code: 'busy' });
});

t.test('where no file can be written the session ends as one of an origin that breaks off', async (t) => {
  const wire = new Wire(t);
  const taken = new Taken();
  const session = await open(wire, taken);
  session.start();
  await settle();
  t.teardown(() => wire.passings.close());
  Object.defineProperty(wire, 'folder', { value: join(wire.folder, 'none') });
  wire.sink!.rtp(0, packet(1, 100), 0, 100);
  await settle();
  t.same(taken.events, ['closed internal after 0']);
  t.ok(wire.done.includes('close'));
});

t.test('when the worker is gone its sessions are closed', async (t) => {
  const wire = new Wire(t);
  const session = await open(wire, new Taken());
  session.start();
  wire.sink!.rtp(0, packet(1, 100), 0, 100);
  await settle();
  t.equal(wire.files, 1);
  wire.passings.close();
  t.ok(wire.done.includes('close'));
  t.equal(wire.files, 0);
});
