const NONE = -1;

/** Doubly linked lists over small integers, of which each is in one list at most. */
export class Lists {
  readonly size: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #list: Int8Array;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;

  constructor(lists: number, ids: number) {
    this.size = new Int32Array(lists);
    this.#next = new Int32Array(ids);
    this.#previous = new Int32Array(ids);
    this.#list = new Int8Array(ids).fill(NONE);
    this.#head = new Int32Array(lists).fill(NONE);
    this.#tail = new Int32Array(lists).fill(NONE);
  }

  /** The list that holds `id`, or -1. */
  of(id: number): number {
    return this.#list[id]!;
  }

  first(list: number): number {
    return this.#head[list]!;
  }

  last(list: number): number {
    return this.#tail[list]!;
  }

  /** The neighbour towards the front, or -1. */
  before(id: number): number {
    return this.#previous[id]!;
  }

  /** Puts `id` at the front of `list`, taking it out of the list it is in. */
  toFront(list: number, id: number): void {
    if (this.#list[id] !== NONE) this.remove(id);
    const head = this.#head[list]!;
    this.#next[id] = head;
    this.#previous[id] = NONE;
    if (head === NONE) this.#tail[list] = id;
    else this.#previous[head] = id;
    this.#head[list] = id;
    this.#list[id] = list;
    this.size[list]! += 1;
  }

  /** Takes the last of `list` out and returns it, or -1. */
  takeLast(list: number): number {
    const id = this.#tail[list]!;
    if (id !== NONE) this.remove(id);
    return id;
  }

  remove(id: number): void {
    const list = this.#list[id]!;
    if (list === NONE) return;
    const next = this.#next[id]!;
    const previous = this.#previous[id]!;
    if (previous === NONE) this.#head[list] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[list] = previous;
    else this.#previous[next] = previous;
    this.#list[id] = NONE;
    this.size[list]! -= 1;
  }
}
