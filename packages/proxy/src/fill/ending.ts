/** The last picture may lie this far before the announced end. */
const END_SLACK_SECONDS = 1.5;
/** Silence that ends a title whose announced end was reached; where a BYE is expected, an overloaded origin gets more time. */
const SILENCE_AT_END_MS = 1000;
const SILENCE_BEFORE_BYE_MS = 5000;
const END_REACHED_SECONDS = 0.35;
/** Sender reports whose packet count stands still, with nothing sent for this long. */
const FROZEN_MS = 3000;
/** Silence in the middle of a title: the origin has failed. */
const SILENCE_MS = 8000;
/** Between two looks no more counts as silence: when we come late ourselves, what has arrived waits to be read. */
const LONGEST_STEP_MS = 250;

/** `goodbye`: the origin takes leave long before the announced end. */
export type EndingVerdict = 'running' | 'end' | 'goodbye' | 'fault';

/**
 * Tells the end of a title from a failing origin: BYE on every stream, silence at the end of the range, or sender reports
 * whose packet count stands still (live555 never sends BYE for files).
 */
export class Ending {
  readonly #active = new Set<number>();
  readonly #byes = new Set<number>();
  readonly #counts = new Map<number, number>();
  readonly #frozen = new Set<number>();
  readonly #silenceAtEndMs: number;
  #lookedMs: number;
  #silentMs = 0;

  /** @param expectsBye the origin has said BYE at the end of other titles */
  constructor(nowMs: number, expectsBye: boolean) {
    this.#lookedMs = nowMs;
    this.#silenceAtEndMs = expectsBye ? SILENCE_BEFORE_BYE_MS : SILENCE_AT_END_MS;
  }

  /** The origin has taken leave of every stream that it sent. */
  get isGoodbye(): boolean {
    return this.#byes.size > 0 && [...this.#active].every((stream) => this.#byes.has(stream));
  }

  packet(stream: number): void {
    this.#silentMs = 0;
    if (this.#active.has(stream) && this.#frozen.size === 0) return;
    this.#active.add(stream);
    this.#frozen.clear();
  }

  /** Packets were not taken for a while, and are again: silence counts from now on. */
  resume(nowMs: number): void {
    this.#lookedMs = nowMs;
    this.#silentMs = 0;
  }

  bye(stream: number): void {
    this.#byes.add(stream);
  }

  senderReport(stream: number, packetCount: number): void {
    if (this.#counts.get(stream) === packetCount) this.#frozen.add(stream);
    else this.#frozen.delete(stream);
    this.#counts.set(stream, packetCount);
  }

  /**
   * To be asked a few times a second.
   *
   * @param positionSeconds NPT of the newest packet
   * @param durationSeconds the title's length, if known
   */
  verdict(nowMs: number, positionSeconds: number, durationSeconds: number | undefined): EndingVerdict {
    const nearEnd = durationSeconds === undefined || positionSeconds >= durationSeconds - END_SLACK_SECONDS;
    const silentMs = this.#silence(nowMs);
    if (this.isGoodbye) return nearEnd && this.#active.size > 0 ? 'end' : 'goodbye';
    if (
      durationSeconds !== undefined &&
      positionSeconds >= durationSeconds - END_REACHED_SECONDS &&
      silentMs >= this.#silenceAtEndMs
    ) {
      return 'end';
    }
    if (
      silentMs >= FROZEN_MS &&
      this.#active.size > 0 &&
      [...this.#active].every((s) => this.#frozen.has(s))
    ) {
      return nearEnd ? 'end' : 'fault';
    }
    return silentMs >= SILENCE_MS ? 'fault' : 'running';
  }

  #silence(nowMs: number): number {
    this.#silentMs += Math.min(LONGEST_STEP_MS, Math.max(0, nowMs - this.#lookedMs));
    this.#lookedMs = nowMs;
    return this.#silentMs;
  }
}
