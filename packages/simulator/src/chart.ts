/** A line chart as SVG text. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Positions on the x axis are logarithms. */
  readonly logX?: boolean;
}

interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly strong?: boolean;
}

const WIDTH = 760;
const HEIGHT = 420;
const BOX = { left: 64, right: 560, top: 40, bottom: 372 } as const;
const COLOURS = [
  '#c0392b',
  '#2c3e50',
  '#2980b9',
  '#27ae60',
  '#8e44ad',
  '#d35400',
  '#16a085',
  '#7f8c8d',
  '#b7950b',
  '#5d6d7e',
] as const;

/** Draws a chart. Axes begin at the least and end at the greatest value; labels say what they are. */
export function drawChart(chart: Chart): string {
  const x = axis(
    chart.series.flatMap((s) => s.points.map((p) => p[0])),
    BOX.left,
    BOX.right,
    chart.logX === true,
  );
  const y = axis(
    chart.series.flatMap((s) => s.points.map((p) => p[1])),
    BOX.bottom,
    BOX.top,
    false,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(BOX.left, 18, chart.title, 'font-size="15" font-weight="bold"'),
    text((BOX.left + BOX.right) / 2, HEIGHT - 10, chart.xLabel, 'text-anchor="middle"'),
    text(BOX.left - 52, BOX.top - 6, chart.yLabel, ''),
    ...y.ticks.map(
      (v) =>
        `<path d="M${BOX.left} ${at(y, v)}H${BOX.right}" stroke="#e4e4e4"/>${text(BOX.left - 6, y.place(v) + 4, label(v), 'text-anchor="end"')}`,
    ),
    ...x.ticks.map((v) => text(x.place(v), BOX.bottom + 18, label(v), 'text-anchor="middle"')),
    `<path d="M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}" fill="none" stroke="#333"/>`,
  ];
  chart.series.forEach((series, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = series.points.map((p, n) => `${n === 0 ? 'M' : 'L'}${at(x, p[0])} ${at(y, p[1])}`).join('');
    const width = series.strong === true ? 3 : 1.4;
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="${width}"/>`);
    const row = BOX.top + 12 + 18 * i;
    parts.push(`<path d="M${BOX.right + 14} ${row - 4}h22" stroke="${colour}" stroke-width="${width}"/>`);
    parts.push(text(BOX.right + 42, row, series.name, series.strong === true ? 'font-weight="bold"' : ''));
  });
  return `${parts.join('\n')}\n</svg>\n`;
}

interface Axis {
  readonly ticks: readonly number[];
  place(value: number): number;
}

function axis(values: readonly number[], from: number, to: number, log: boolean): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const scale = (v: number): number => (log ? Math.log(v) : v);
  const span = scale(high) - scale(low) || 1;
  const place = (v: number): number => from + ((scale(v) - scale(low)) / span) * (to - from);
  if (log) return { ticks: [...new Set(values)], place };
  const step = niceStep((high - low) / 6);
  const ticks: number[] = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) ticks.push(v);
  return { ticks, place };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? power;
}

function at(a: Axis, value: number): string {
  return a.place(value).toFixed(1);
}

function label(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`;
}
