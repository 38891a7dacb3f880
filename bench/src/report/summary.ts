/** What a set of measurements looks like, without an average: start-up times have a long tail on one side. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly least: number;
  readonly most: number;
}

/** @throws RangeError without values */
export function summaryOf(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: sorted.length,
    median: quantile(sorted, 0.5),
    p10: quantile(sorted, 0.1),
    p90: quantile(sorted, 0.9),
    least: sorted[0]!,
    most: sorted.at(-1)!,
  };
}

export function medianOf(values: readonly number[]): number {
  return summaryOf(values).median;
}

/** Between the two nearest ranks. Source: Hyndman and Fan 1996, definition 7. */
function quantile(sorted: readonly number[], share: number): number {
  const rank = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
  return below + (above - below) * (rank - Math.floor(rank));
}
