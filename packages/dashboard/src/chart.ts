import type { Point } from './history.js';

/** What is drawn: areas that stand on each other, and a line over all of them. All have the same times. */
export interface ChartSeries {
  readonly areas: readonly (readonly Point[])[];
  readonly line: readonly Point[];
}

export interface ChartBox {
  readonly width: number;
  readonly height: number;
  /** Of the right edge. */
  readonly nowMs: number;
  /** From the left edge to the right one. */
  readonly spanMs: number;
}

export interface ChartPaths {
  /** Of SVG, one for each area. */
  readonly areas: readonly string[];
  readonly line: string;
  /** Value at the upper edge, a second. */
  readonly top: number;
}

export function chartPaths({ areas, line }: ChartSeries, box: ChartBox): ChartPaths {
  const stacked = stack(areas);
  const most = Math.max(0, ...(stacked.at(-1) ?? []), ...line.map(({ perSecond }) => perSecond));
  const top = niceAbove(most);
  const at = (atMs: number, value: number): string => {
    const x = box.width * (1 - (box.nowMs - atMs) / box.spanMs);
    return `${x.toFixed(1)},${(box.height * (1 - value / top)).toFixed(1)}`;
  };
  const paths = areas.map((points, i) => {
    const upper = points.map(({ atMs }, k) => at(atMs, stacked[i]![k]!));
    const lower = points.map(({ atMs }, k) => at(atMs, stacked[i - 1]?.[k] ?? 0));
    return points.length === 0 ? '' : `M${upper.join('L')}L${lower.toReversed().join('L')}Z`;
  });
  const drawn = line.map(({ atMs, perSecond }) => at(atMs, perSecond));
  return { areas: paths, line: drawn.length === 0 ? '' : `M${drawn.join('L')}`, top };
}

function stack(areas: readonly (readonly Point[])[]): number[][] {
  const sums: number[][] = [];
  for (const [i, points] of areas.entries())
    sums.push(points.map(({ perSecond }, k) => perSecond + (sums[i - 1]?.[k] ?? 0)));
  return sums;
}

/** The next number of bits that is 1, 2 or 5 times a power of ten, in bytes; a kilobit at least. */
export function niceAbove(value: number): number {
  const bits = Math.max(1000, 8 * value);
  const power = 10 ** Math.floor(Math.log10(bits));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= bits) ?? 10;
  return (step * power) / 8;
}
