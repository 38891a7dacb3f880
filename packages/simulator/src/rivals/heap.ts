/** Binary min-heap over small integers whose keys can change. */
export class KeyedHeap {
  size = 0;
  readonly #key: Float64Array;
  readonly #place: Int32Array;
  readonly #order: Int32Array;

  constructor(ids: number, capacity: number) {
    this.#key = new Float64Array(ids);
    this.#place = new Int32Array(ids).fill(-1);
    this.#order = new Int32Array(capacity + 1);
  }

  has(id: number): boolean {
    return this.#place[id]! >= 0;
  }

  key(id: number): number {
    return this.#key[id]!;
  }

  /** The id of least key. */
  least(): number {
    return this.#order[0]!;
  }

  /** Adds `id`, or gives it another key. */
  set(id: number, key: number): void {
    this.#key[id] = key;
    if (this.#place[id]! < 0) {
      this.#place[id] = this.size;
      this.#order[this.size++] = id;
    }
    this.#down(this.#up(this.#place[id]!));
  }

  remove(id: number): void {
    const at = this.#place[id]!;
    if (at < 0) return;
    this.#place[id] = -1;
    const last = this.#order[--this.size]!;
    if (last === id) return;
    this.#order[at] = last;
    this.#place[last] = at;
    this.#down(this.#up(at));
  }

  #up(from: number): number {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#key[this.#order[parent]!]! <= this.#key[this.#order[at]!]!) break;
      this.#swap(at, parent);
      at = parent;
    }
    return at;
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) return;
      if (child + 1 < this.size && this.#key[this.#order[child + 1]!]! < this.#key[this.#order[child]!]!)
        child += 1;
      if (this.#key[this.#order[at]!]! <= this.#key[this.#order[child]!]!) return;
      this.#swap(at, child);
      at = child;
    }
  }

  #swap(a: number, b: number): void {
    const x = this.#order[a]!;
    const y = this.#order[b]!;
    this.#order[a] = y;
    this.#order[b] = x;
    this.#place[x] = b;
    this.#place[y] = a;
  }
}
