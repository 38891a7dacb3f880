const BINS = 64;
const DEPTH = 5;
const TREES = 16;
const RATE = 0.3;
const SMALLEST_LEAF = 32;

/** Gradient-boosted regression trees over features already cut into 64 bins; squared error, level by level. */
export class Trees {
  readonly #features: number;
  readonly #nodes = 2 ** DEPTH - 1;
  readonly #split: Uint8Array;
  readonly #threshold: Uint8Array;
  readonly #leaf: Float32Array;
  #base = 0;
  ready = false;

  constructor(features: number) {
    this.#features = features;
    this.#split = new Uint8Array(TREES * this.#nodes);
    this.#threshold = new Uint8Array(TREES * this.#nodes);
    this.#leaf = new Float32Array(TREES * 2 ** DEPTH);
  }

  /** Prediction for the row of bins at `at`. */
  predict(rows: Uint8Array, at: number): number {
    let sum = this.#base;
    for (let tree = 0; tree < TREES; tree++)
      sum += this.#leaf[(tree << DEPTH) + this.#leafOf(tree, rows, at)]!;
    return sum;
  }

  fit(rows: Uint8Array, targets: Float32Array, count: number): void {
    const residual = targets.slice(0, count);
    this.#base = residual.reduce((sum, x) => sum + x, 0) / Math.max(1, count);
    for (let i = 0; i < count; i++) residual[i]! -= this.#base;
    const node = new Uint16Array(count);
    for (let tree = 0; tree < TREES; tree++) {
      node.fill(0);
      for (let level = 0; level < DEPTH; level++) this.#grow(tree, level, { rows, residual, node, count });
      this.#leaves(tree, { rows, residual, node, count });
    }
    this.ready = true;
  }

  #leafOf(tree: number, rows: Uint8Array, at: number): number {
    const base = tree * this.#nodes;
    let node = 0;
    for (let level = 0; level < DEPTH; level++) {
      node = 2 * node + (rows[at + this.#split[base + node]!]! > this.#threshold[base + node]! ? 2 : 1);
    }
    return node - this.#nodes;
  }

  #grow(tree: number, level: number, data: Data): void {
    const width = 2 ** level;
    const first = width - 1;
    const cells = width * this.#features * BINS;
    const sums = new Float64Array(cells);
    const counts = new Uint32Array(cells);
    for (let i = 0; i < data.count; i++) {
      const from = (data.node[i]! - first) * this.#features;
      for (let f = 0; f < this.#features; f++) {
        const cell = (from + f) * BINS + data.rows[i * this.#features + f]!;
        sums[cell]! += data.residual[i]!;
        counts[cell]! += 1;
      }
    }
    for (let n = 0; n < width; n++) this.#choose(tree * this.#nodes + first + n, n, sums, counts);
    const base = tree * this.#nodes;
    for (let i = 0; i < data.count; i++) {
      const at = data.node[i]!;
      const bin = data.rows[i * this.#features + this.#split[base + at]!]!;
      data.node[i] = 2 * at + (bin > this.#threshold[base + at]! ? 2 : 1);
    }
  }

  #choose(place: number, node: number, sums: Float64Array, counts: Uint32Array): void {
    let best = 0;
    this.#split[place] = 0;
    this.#threshold[place] = BINS - 1;
    for (let f = 0; f < this.#features; f++) {
      const from = (node * this.#features + f) * BINS;
      let sum = 0;
      let count = 0;
      for (let b = 0; b < BINS; b++) {
        sum += sums[from + b]!;
        count += counts[from + b]!;
      }
      let left = 0;
      let leftCount = 0;
      for (let b = 0; b < BINS - 1; b++) {
        left += sums[from + b]!;
        leftCount += counts[from + b]!;
        if (leftCount < SMALLEST_LEAF || count - leftCount < SMALLEST_LEAF) continue;
        const gain =
          (left * left) / leftCount + (sum - left) ** 2 / (count - leftCount) - (sum * sum) / count;
        if (gain <= best) continue;
        best = gain;
        this.#split[place] = f;
        this.#threshold[place] = b;
      }
    }
  }

  #leaves(tree: number, data: Data): void {
    const sums = new Float64Array(2 ** DEPTH);
    const counts = new Float64Array(2 ** DEPTH);
    for (let i = 0; i < data.count; i++) {
      sums[data.node[i]! - this.#nodes]! += data.residual[i]!;
      counts[data.node[i]! - this.#nodes]! += 1;
    }
    for (let l = 0; l < sums.length; l++)
      this.#leaf[(tree << DEPTH) + l] = (RATE * sums[l]!) / (counts[l]! + 1);
    for (let i = 0; i < data.count; i++)
      data.residual[i]! -= this.#leaf[(tree << DEPTH) + data.node[i]! - this.#nodes]!;
  }
}

interface Data {
  readonly rows: Uint8Array;
  readonly residual: Float32Array;
  readonly node: Uint16Array;
  readonly count: number;
}
