/** One value of a metric, with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Metrics as they stood at one time, by name. */
export class Samples {
  readonly #byName = new Map<string, Sample[]>();

  /** @param text in the Prometheus text format 0.0.4; lines that are none are left out */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [, name, labels, value] = LINE.exec(line) ?? [];
      if (name === undefined) continue;
      const sample = { labels: labelsOf(labels ?? ''), value: Number(value?.replace('Inf', 'Infinity')) };
      const known = this.#byName.get(name);
      if (known === undefined) this.#byName.set(name, [sample]);
      else known.push(sample);
    }
  }

  of(name: string): readonly Sample[] {
    return this.#byName.get(name) ?? [];
  }

  /** The sum of those of a metric that have these labels; 0 where there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels);
    let sum = 0;
    for (const sample of this.of(name))
      if (wanted.every(([label, value]) => sample.labels[label] === value)) sum += sample.value;
    return sum;
  }

  /** The values that a label of a metric has. */
  values(name: string, label: string): Set<string> {
    return new Set(this.of(name).map(({ labels }) => labels[label] ?? ''));
  }

  /**
   * A quantile of a histogram over all its labels, between bucket bounds by straight lines.
   * @returns undefined while nothing was observed; the last finite bound where it lies above that
   */
  quantile(name: string, q: number): number | undefined {
    const buckets = this.#buckets(name);
    const total = buckets.at(-1)?.count ?? 0;
    if (total === 0) return undefined;
    let lower = { bound: 0, count: 0 };
    for (const bucket of buckets) {
      if (bucket.count >= q * total) {
        if (!Number.isFinite(bucket.bound)) return lower.bound;
        const share = (q * total - lower.count) / (bucket.count - lower.count);
        return lower.bound + share * (bucket.bound - lower.bound);
      }
      lower = bucket;
    }
    return lower.bound;
  }

  #buckets(name: string): { readonly bound: number; readonly count: number }[] {
    const counts = new Map<number, number>();
    for (const { labels, value } of this.of(`${name}_bucket`)) {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    return [...counts].map(([bound, count]) => ({ bound, count })).sort((a, b) => a.bound - b.bound);
  }
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(LABEL))
    labels[name!] = value!.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  return labels;
}
