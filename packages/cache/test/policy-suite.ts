import type { Test } from 'tap';

import { CacheError, type CachePolicy, type SegmentFacts } from '../src/index.js';

const CAPACITY_BYTES = 40_000;
const STEPS = 3000;
const TITLES = 12;
const SEGMENT_SECONDS = 6;
const SEGMENTS = 10;

/** What a policy has learned, all slices at once. */
export function saved(policy: CachePolicy): Uint8Array {
  const slices = policy.saving();
  let slice = slices.next();
  while (slice.done !== true) slice = slices.next();
  return slice.value;
}

/** Uniform in [0, 1), the same for the same seed (Marsaglia's xorshift32). */
function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface HeldFacts {
  readonly facts: SegmentFacts;
  pinned: boolean;
}

/** A cache without a disk: does what a policy says and checks every word of it. */
class Model {
  readonly held = new Map<number, HeldFacts>();
  readonly problems: string[] = [];
  readonly decisions: string[] = [];
  readonly #policy: CachePolicy;
  readonly #random: () => number;
  #nowSeconds = 1000;
  #session = 0;

  constructor(policy: CachePolicy, seed: number) {
    this.#policy = policy;
    this.#random = seeded(seed);
  }

  get bytes(): number {
    return Array.from(this.held.values()).reduce((sum, held) => sum + held.facts.bytes, 0);
  }

  step(): void {
    this.#nowSeconds += this.#random() * 10;
    const dice = this.#random();
    if (dice < 0.5) this.#view();
    else if (dice < 0.6) this.#pinOrUnpin();
    else if (dice < 0.63) this.#dropOne();
    else if (dice < 0.65) this.#lower(Math.floor(this.#random() * CAPACITY_BYTES));
    else this.offer(this.#someFacts());
    if (this.bytes > CAPACITY_BYTES) this.problems.push(`${this.bytes} bytes held`);
  }

  offer(facts: SegmentFacts): void {
    if (this.#isHeld(facts)) return;
    const before = this.held.size;
    const decision = this.#policy.decide(facts, CAPACITY_BYTES - this.bytes, this.#nowSeconds);
    this.decisions.push(decision.admitted ? decision.victims.join() : decision.reason);
    if (!decision.admitted) return;
    if (this.held.size !== before) this.problems.push('deciding changed the held set');
    this.#drop(decision.victims);
    if (this.bytes + facts.bytes > CAPACITY_BYTES) {
      this.problems.push(`admitted ${facts.bytes} bytes beside ${this.bytes}`);
      return;
    }
    const handle = this.#policy.hold(facts, this.#nowSeconds);
    if (!Number.isSafeInteger(handle) || handle < 0) this.problems.push(`handle ${handle}`);
    if (this.held.has(handle)) this.problems.push(`handle ${handle} given twice`);
    this.held.set(handle, { facts, pinned: false });
  }

  /** A viewer of a title, from some position to another; popular titles are asked for more often. */
  #view(): void {
    const session = ++this.#session;
    const startSeconds = Math.floor(this.#random() * 3) * SEGMENT_SECONDS;
    const start = {
      title: titleUrl(Math.floor(this.#random() ** 2 * TITLES)),
      startSeconds,
      titleDurationSeconds: this.#random() < 0.8 ? SEGMENTS * SEGMENT_SECONDS : undefined,
      viewerAddress: `192.0.2.${session % 250}`,
    };
    this.#policy.sessionStarted(session, start, this.#nowSeconds);
    for (let position = startSeconds; this.#random() < 0.8; position += SEGMENT_SECONDS) {
      this.#nowSeconds += SEGMENT_SECONDS;
      this.#policy.sessionReached(session, position, this.#nowSeconds);
    }
    if (this.#random() < 0.9) this.#policy.sessionEnded(session, this.#nowSeconds);
  }

  #pinOrUnpin(): void {
    const [handle, held] = this.#someHeld();
    if (held === undefined) return;
    if (held.pinned) this.#policy.unpin(handle);
    else this.#policy.pin(handle);
    held.pinned = !held.pinned;
  }

  #dropOne(): void {
    const [handle, held] = this.#someHeld();
    if (held === undefined || held.pinned) return;
    this.held.delete(handle);
    this.#policy.dropped(handle);
  }

  /** The capacity is lowered for a moment. */
  #lower(bytes: number): void {
    const before = this.bytes;
    this.#drop(this.#policy.victims(bytes, this.#nowSeconds));
    const isRestPinned = Array.from(this.held.values()).every((held) => held.pinned);
    if (before - this.bytes < bytes && !isRestPinned) this.problems.push(`${bytes} bytes were to be freed`);
  }

  #drop(victims: readonly number[]): void {
    for (const handle of victims) {
      const held = this.held.get(handle);
      if (held === undefined) this.problems.push(`victim ${handle} is not held, or was named twice`);
      else if (held.pinned) this.problems.push(`victim ${handle} is pinned`);
      if (held === undefined) continue;
      this.held.delete(handle);
      this.#policy.dropped(handle);
    }
  }

  #isHeld(facts: SegmentFacts): boolean {
    return Array.from(this.held.values()).some(
      (held) => held.facts.title === facts.title && held.facts.segment === facts.segment,
    );
  }

  #someHeld(): [number, HeldFacts | undefined] {
    const handles = Array.from(this.held.keys());
    const handle = handles[Math.floor(this.#random() * handles.length)] ?? -1;
    return [handle, this.held.get(handle)];
  }

  #someFacts(): SegmentFacts {
    const segment = Math.floor(this.#random() * SEGMENTS);
    const isHuge = this.#random() < 0.01;
    return {
      title: titleUrl(Math.floor(this.#random() * TITLES)),
      segment,
      startSeconds: segment * SEGMENT_SECONDS,
      durationSeconds: SEGMENT_SECONDS,
      bytes: isHuge ? CAPACITY_BYTES + 1 : 1 + Math.floor(this.#random() * 4000),
      titleDurationSeconds: SEGMENTS * SEGMENT_SECONDS,
    };
  }
}

function titleUrl(title: number): string {
  return `rtsp://origin.example:554/title-${title}`;
}

function run(policy: CachePolicy, seed: number): Model {
  const model = new Model(policy, seed);
  for (let step = 0; step < STEPS && model.problems.length === 0; step++) model.step();
  return model;
}

/** What every `CachePolicy` promises. @param make a policy that has seen nothing. */
export async function policySuite(t: Test, name: string, make: () => CachePolicy): Promise<void> {
  const seeds = [1, 20, 300, Date.now() >>> 0];

  await t.test(
    `${name}: the held set fits, victims are held and not pinned, handles are not given twice`,
    async (t) => {
      for (const seed of seeds) {
        const model = run(make(), seed);
        t.strictSame(model.problems, [], `seed ${seed}`);
        t.ok(model.held.size > 0, `something was admitted, seed ${seed}`);
      }
    },
  );

  await t.test(`${name}: the same calls give the same decisions`, async (t) => {
    const [first, second] = [run(make(), 7), run(make(), 7)];
    t.ok(first.decisions.length > 100);
    t.strictSame(first.decisions, second.decisions);
  });

  await t.test(`${name}: an empty cache takes what fits, and nothing larger than all of it`, async (t) => {
    const policy = make();
    const facts = {
      title: titleUrl(0),
      segment: 0,
      startSeconds: 0,
      durationSeconds: 6,
      titleDurationSeconds: 60,
    };
    t.match(policy.decide({ ...facts, bytes: 1000 }, 1000, 0), { admitted: true, reason: 'free-space' });
    t.match(policy.decide({ ...facts, bytes: 1001 }, 1000, 0), { admitted: false });
  });

  await t.test(`${name}: what was learned outlives the process, garbage changes nothing`, async (t) => {
    const learned = make();
    for (let session = 0; session < 50; session++) {
      const start = {
        title: titleUrl(1),
        startSeconds: 0,
        titleDurationSeconds: 60,
        viewerAddress: '192.0.2.1',
      };
      learned.sessionStarted(session, start, session);
      learned.sessionReached(session, 30, session + 30);
      learned.sessionEnded(session, session + 30);
    }
    const state = saved(learned);
    const copy = make();
    copy.restore(state);
    for (const segment of [0, 2, 9]) {
      const startSeconds = segment * SEGMENT_SECONDS;
      const facts = { title: titleUrl(1), segment, startSeconds, durationSeconds: 6, bytes: 1000 };
      const [before, after] = [learned, copy].map((policy) =>
        policy.value({ ...facts, titleDurationSeconds: 60 }, 100),
      );
      const isSame = Math.abs((before ?? 0) - (after ?? 0)) <= 0.05 * (before ?? 0);
      t.ok(isSame, `segment ${segment} is worth ${before}, and ${after} to the next process`);
    }
    const before = Buffer.from(saved(copy));
    const garbage = [Buffer.of(1), Buffer.alloc(100, 0xff), Buffer.from(state).subarray(0, state.length - 1)];
    for (const bytes of garbage) {
      t.throws(() => copy.restore(bytes), CacheError, `${bytes.length} bytes of garbage`);
      t.strictSame(Buffer.from(saved(copy)), before, 'nothing has changed');
    }
  });
}
