import { CacheError, type CachePolicy, type Decision, type SegmentFacts } from '../src/index.js';

interface Held {
  readonly bytes: number;
  pins: number;
}

const MAGIC = 0x0f1f0;

/** The plainest policy: everything is admitted, the longest held goes first. For tests of what is around a policy. */
export class FifoPolicy implements CachePolicy {
  readonly name = 'fifo';
  /** In order of arrival. */
  readonly held = new Map<number, Held>();
  readonly #free: number[] = [];
  #handles = 0;
  sessions = 0;

  sessionStarted(): void {
    this.sessions++;
  }

  sessionReached(): void {}

  sessionEnded(): void {}

  hold(facts: SegmentFacts): number {
    const handle = this.#free.pop() ?? this.#handles++;
    this.held.set(handle, { bytes: facts.bytes, pins: 0 });
    return handle;
  }

  dropped(handle: number): void {
    if (!this.held.delete(handle)) throw new Error(`dropped ${handle}, which is not held`);
    this.#free.push(handle);
  }

  pin(handle: number): void {
    this.#change(handle, 1);
  }

  unpin(handle: number): void {
    this.#change(handle, -1);
  }

  decide(candidate: SegmentFacts, freeBytes: number): Decision {
    if (candidate.bytes <= freeBytes) return { admitted: true, reason: 'free-space', victims: [] };
    const victims = this.victims(candidate.bytes - freeBytes);
    const freed = victims.reduce((sum, handle) => sum + (this.held.get(handle)?.bytes ?? 0), 0);
    if (freeBytes + freed < candidate.bytes) return { admitted: false, reason: 'pinned-full' };
    return { admitted: true, reason: 'worth-more', victims };
  }

  victims(bytes: number): readonly number[] {
    const victims: number[] = [];
    let freed = 0;
    for (const [handle, held] of this.held) {
      if (freed >= bytes) break;
      if (held.pins > 0) continue;
      victims.push(handle);
      freed += held.bytes;
    }
    return victims;
  }

  value(): number {
    return 1;
  }

  *saving(): Generator<undefined, Uint8Array> {
    yield;
    const state = Buffer.alloc(8);
    state.writeUInt32LE(MAGIC);
    state.writeUInt32LE(this.sessions, 4);
    return state;
  }

  restore(state: Uint8Array): void {
    const bytes = Buffer.from(state);
    if (bytes.length !== 8 || bytes.readUInt32LE() !== MAGIC) throw new CacheError('bad-state');
    this.sessions = bytes.readUInt32LE(4);
  }

  #change(handle: number, by: number): void {
    const held = this.held.get(handle);
    if (held === undefined || held.pins + by < 0) throw new Error(`no pin of ${handle} to change`);
    held.pins += by;
  }
}
