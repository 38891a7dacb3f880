const BINS = 64;
const DEPTH = 5;
const LEAVES = 2 ** DEPTH;
const TREES = 16;
const RATE = 0.3;
const SMALLEST_LEAF = 32;

/**
 * Gradient-boosted regression trees over features already cut into 64 bins; squared error. All nodes of one level split alike, which makes a prediction a
 * row of comparisons. Source: oblivious trees as in CatBoost (Prokhorenkova et al., NeurIPS 2018).
 */
export class Trees {
  readonly #features: number;
  readonly #split = new Uint8Array(TREES * DEPTH);
  readonly #threshold = new Uint8Array(TREES * DEPTH);
  readonly #leaf = new Float32Array(TREES * LEAVES);
  #base = 0;
  ready = false;

  constructor(features: number) {
    this.#features = features;
  }

  /** Prediction for the row of bins at `at`. */
  predict(rows: Uint8Array, at: number): number {
    const split = this.#split;
    const threshold = this.#threshold;
    let sum = this.#base;
    for (let tree = 0, i = 0; tree < TREES; tree++) {
      let leaf = 0;
      for (let level = 0; level < DEPTH; level++, i++) {
        leaf = 2 * leaf + (rows[at + split[i]!]! > threshold[i]! ? 1 : 0);
      }
      sum += this.#leaf[tree * LEAVES + leaf]!;
    }
    return sum;
  }

  fit(rows: Uint8Array, targets: Float32Array, count: number): void {
    const residual = targets.slice(0, count);
    this.#base = residual.reduce((sum, x) => sum + x, 0) / Math.max(1, count);
    for (let i = 0; i < count; i++) residual[i]! -= this.#base;
    const data = { rows, residual, node: new Uint8Array(count), count };
    for (let tree = 0; tree < TREES; tree++) {
      data.node.fill(0);
      for (let level = 0; level < DEPTH; level++) this.#grow(tree * DEPTH + level, 2 ** level, data);
      this.#leaves(tree, data);
    }
    this.ready = true;
  }

  /** Chooses the split of one level, of `width` nodes, and moves every row to its next node. */
  #grow(place: number, width: number, data: Data): void {
    const features = this.#features;
    const sums = new Float64Array(width * features * BINS);
    const counts = new Uint32Array(sums.length);
    for (let i = 0; i < data.count; i++) {
      const from = data.node[i]! * features;
      for (let f = 0; f < features; f++) {
        const cell = (from + f) * BINS + data.rows[i * features + f]!;
        sums[cell]! += data.residual[i]!;
        counts[cell]! += 1;
      }
    }
    const gains = new Float64Array(features * BINS);
    for (let n = 0; n < width; n++) addGains(gains, n * features * BINS, { sums, counts });
    const best = gains.reduce((most, gain, i) => (gain > gains[most]! ? i : most), 0);
    const feature = Math.floor(best / BINS);
    const threshold = best % BINS;
    this.#split[place] = feature;
    this.#threshold[place] = threshold;
    for (let i = 0; i < data.count; i++) {
      data.node[i] = 2 * data.node[i]! + (data.rows[i * features + feature]! > threshold ? 1 : 0);
    }
  }

  #leaves(tree: number, data: Data): void {
    const sums = new Float64Array(LEAVES);
    const counts = new Float64Array(LEAVES);
    for (let i = 0; i < data.count; i++) {
      sums[data.node[i]!]! += data.residual[i]!;
      counts[data.node[i]!]! += 1;
    }
    for (let l = 0; l < LEAVES; l++) this.#leaf[tree * LEAVES + l] = (RATE * sums[l]!) / (counts[l]! + 1);
    for (let i = 0; i < data.count; i++) data.residual[i]! -= this.#leaf[tree * LEAVES + data.node[i]!]!;
  }
}

interface Data {
  readonly rows: Uint8Array;
  readonly residual: Float32Array;
  /** Node of each row at the present level. */
  readonly node: Uint8Array;
  readonly count: number;
}

interface Histogram {
  readonly sums: Float64Array;
  readonly counts: Uint32Array;
}

/** What every split of one node, whose histogram begins at `from`, would explain of its squares. */
function addGains(gains: Float64Array, from: number, { sums, counts }: Histogram): void {
  for (let f = 0; f < gains.length; f += BINS) {
    let sum = 0;
    let count = 0;
    for (let i = from + f; i < from + f + BINS; i++) {
      sum += sums[i]!;
      count += counts[i]!;
    }
    let left = 0;
    let leftCount = 0;
    for (let b = 0; b < BINS - 1; b++) {
      left += sums[from + f + b]!;
      leftCount += counts[from + f + b]!;
      if (leftCount < SMALLEST_LEAF || count - leftCount < SMALLEST_LEAF) continue;
      gains[f + b]! +=
        (left * left) / leftCount + (sum - left) ** 2 / (count - leftCount) - (sum * sum) / count;
    }
  }
}
