/** Someone who has been given all there is of a title, and goes on when more comes. */
export interface Follower {
  /** More has come. It comes back by itself to wait for what follows. */
  arrived(nowMs: number): void;
}

/** Who waits for the next packets of one title, wherever in it they come. */
export class Followers {
  readonly #waiting: Follower[] = [];

  /** Once until it is told. */
  wait(follower: Follower): void {
    this.#waiting.push(follower);
  }

  /** Does not wait any more. */
  leave(follower: Follower): void {
    const at = this.#waiting.indexOf(follower);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** A packet has come. Cost: next to nothing while nobody waits, as for all packets of a burst but the first. */
  tell(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    for (const follower of this.#waiting) follower.arrived(nowMs);
    this.#waiting.length = 0;
  }
}
