/** The last picture may lie this far before the announced end. */
const END_SLACK_SECONDS = 1.5;
/** Silence that ends a title whose announced end was reached. */
const SILENCE_AT_END_MS = 1000;
const END_REACHED_SECONDS = 0.35;
/** Sender reports whose packet count stands still, with nothing sent for this long. */
const FROZEN_MS = 3000;
/** Silence in the middle of a title: the origin has failed. */
const SILENCE_MS = 8000;

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
  #lastPacketMs: number;

  constructor(nowMs: number) {
    this.#lastPacketMs = nowMs;
  }

  packet(stream: number, nowMs: number): void {
    this.#lastPacketMs = nowMs;
    if (this.#active.has(stream) && this.#frozen.size === 0) return;
    this.#active.add(stream);
    this.#frozen.clear();
  }

  /** Packets were not taken for a while, and are again: silence counts from now on. */
  resume(nowMs: number): void {
    this.#lastPacketMs = nowMs;
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
   * @param positionSeconds NPT of the newest packet
   * @param durationSeconds the title's length, if known
   */
  verdict(nowMs: number, positionSeconds: number, durationSeconds: number | undefined): EndingVerdict {
    const nearEnd = durationSeconds === undefined || positionSeconds >= durationSeconds - END_SLACK_SECONDS;
    const silentMs = nowMs - this.#lastPacketMs;
    if (this.#byes.size > 0 && [...this.#active].every((stream) => this.#byes.has(stream))) {
      return nearEnd && this.#active.size > 0 ? 'end' : 'goodbye';
    }
    if (
      durationSeconds !== undefined &&
      positionSeconds >= durationSeconds - END_REACHED_SECONDS &&
      silentMs >= SILENCE_AT_END_MS
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
}
