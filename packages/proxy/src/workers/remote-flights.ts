import type { Boarding, Outlook, Rider } from '../fill/flights.js';
import { JOINT_MICROS, type Place } from '../fill/row.js';
import type { Boarder } from '../read/playable.js';
import type { Link } from './link.js';
import type { MirrorTitle } from './mirror.js';
import type { ToldRider } from './protocol.js';

/** A reader that rides says so again after this: it asks ten times a second. */
const AGAIN_MS = 500;
/** The same flight, a little further on. */
const ONWARD_MICROS = 2_000_000;
/** What the owner cannot give now is asked for again after this. */
const POLL_MS = 50;

interface Wish {
  readonly atMicros: number;
  readonly sinceMs: number;
  opened: Promise<Place | undefined> | undefined;
  state: 'asked' | 'riding' | 'refused';
}

/** The flights of the owner, for one reader of a worker. */
export class RemoteFlights implements Boarder {
  readonly #title: MirrorTitle;
  readonly #link: Link;
  readonly #reader: number;
  #wish: Wish | undefined;
  /** As the owner said last. */
  #isWaiting = false;

  constructor(title: MirrorTitle, link: Link, reader: number) {
    this.#title = title;
    this.#link = link;
    this.#reader = reader;
  }

  board(atMicros: number, rider: Rider): Boarding {
    if (!this.#title.isCurrent) return { kind: 'later', error: undefined };
    const nowMs = this.#title.shelves.clock.nowMs();
    if (!this.#isGoodFor(atMicros, nowMs)) {
      const wish: Wish = { atMicros, sinceMs: nowMs, state: 'asked', opened: undefined };
      wish.opened = this.#ask(wish, toldOf(rider));
      // Who waits for it hears of an error.
      wish.opened.catch(() => (wish.state = 'refused'));
      this.#wish = wish;
    }
    return { kind: 'riding', opened: this.#wish!.opened! };
  }

  outlook(atMicros: number): Outlook {
    return this.#title.outlook(atMicros);
  }

  isWaiting(): boolean {
    return this.#isWaiting;
  }

  leave(): void {
    if (this.#wish === undefined) return;
    this.#wish = undefined;
    this.#isWaiting = false;
    this.#link.tell({ op: 'leave', reader: this.#reader });
  }

  /** Tells the owner how far the reader is, where a flight fills for it. */
  tellPosition(rider: Rider): void {
    if (this.#wish === undefined) return;
    this.#link.tell({ op: 'at', reader: this.#reader, rider: toldOf(rider) });
  }

  #isGoodFor(atMicros: number, nowMs: number): boolean {
    const wish = this.#wish;
    if (wish === undefined || wish.state === 'refused') return false;
    const isOnward =
      this.#title.live ||
      (atMicros >= wish.atMicros - JOINT_MICROS && atMicros <= wish.atMicros + ONWARD_MICROS);
    return isOnward && (wish.state === 'asked' || nowMs - wish.sinceMs < AGAIN_MS);
  }

  /** @throws OriginError */
  async #ask(wish: Wish, rider: ToldRider): Promise<Place | undefined> {
    const { atMicros } = wish;
    const reply = await this.#link.ask({ is: 'board', reader: this.#reader, atMicros, rider });
    if (this.#wish === wish) this.#isWaiting = reply.is === 'boarded' && reply.isWaiting;
    wish.state = reply.is === 'boarded' && reply.isRiding ? 'riding' : 'refused';
    const place = reply.is === 'boarded' ? this.#title.place(reply.place) : undefined;
    if (place === undefined) await this.#wait();
    return place;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#title.shelves.clock.setTimeout(resolve, POLL_MS);
    });
  }
}

function toldOf({ positionMicros, need, untilMicros }: Rider): ToldRider {
  return { positionMicros, need, untilMicros };
}
