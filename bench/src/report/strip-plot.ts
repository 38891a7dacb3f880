export interface Strip {
  readonly label: string;
  readonly values: readonly number[];
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  /** What stands at the right end. */
  readonly note: string;
  readonly emphasis: 'strong' | 'plain';
}

export interface StripPlot {
  readonly title: string;
  readonly subtitle: string;
  readonly axis: string;
  readonly groups: readonly { readonly title: string; readonly strips: readonly Strip[] }[];
}

const WIDTH = 860;
const LEFT = 214;
const RIGHT = 764;
const HEAD = 76;
const ROW = 30;
const GROUP_HEAD = 26;
const FOOT = 48;
const DOT_SPREAD = 14;
const STYLE = `
    .ground { fill: #f7f9fb; stroke: #d5dde5 }
    text { fill: #22303c }
    .faint { fill: #5b6b7b }
    .grid { stroke: #d5dde5 }
    .span { stroke: #9cc3ec; stroke-width: 10 }
    .dot { fill: #2563a8; fill-opacity: .45 }
    .median { stroke: #c2410c; stroke-width: 3 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #14191f; stroke: #33404d }
      text { fill: #dfe6ed }
      .faint { fill: #93a2b1 }
      .grid { stroke: #2a343f }
      .span { stroke: #24507f }
      .dot { fill: #8fc0f5 }
      .median { stroke: #fb923c }
    }`;

/** The axis of a plot of nothing, as where only a part was measured. */
const NO_TICKS = [1, 10];

/**
 * Every measurement as a dot on a logarithmic axis, with its median and the span from the tenth to the ninetieth
 * percentile. Values must be above zero.
 *
 * @returns an SVG document, light or dark as the reader has it
 */
export function stripPlot(plot: StripPlot): string {
  const values = plot.groups.flatMap(({ strips }) => strips.flatMap((strip) => strip.values));
  const ticks = values.length === 0 ? NO_TICKS : ticksOf(Math.min(...values), Math.max(...values));
  const [from, to] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  const x = (value: number): number => LEFT + ((Math.log(value) - from) / (to - from)) * (RIGHT - LEFT);
  const body: string[] = [];
  let y = HEAD;
  for (const { title, strips } of plot.groups) {
    body.push(text(20, y + 17, title, 'font-weight="600"'));
    y += GROUP_HEAD;
    for (const strip of strips) {
      body.push(...drawStrip(strip, y + ROW / 2, x));
      y += ROW;
    }
  }
  const grid = ticks.flatMap((tick) => [
    `<path class="grid" d="M${round(x(tick))} ${HEAD}V${y + 4}" />`,
    text(x(tick), y + 20, String(tick), 'class="faint" text-anchor="middle"'),
  ]);
  const height = y + FOOT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `  <title>${escaped(plot.title)}</title>`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="ground" x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="10" />`,
    `  ${text(20, 30, plot.title, 'font-size="16" font-weight="600"')}`,
    `  ${text(20, 52, plot.subtitle, 'class="faint"')}`,
    ...[...grid, ...body].map((line) => `  ${line}`),
    `  ${text((LEFT + RIGHT) / 2, y + 39, plot.axis, 'class="faint" text-anchor="middle"')}`,
    '</svg>\n',
  ].join('\n');
}

function drawStrip(strip: Strip, y: number, x: (value: number) => number): string[] {
  const { values, median } = strip;
  const weight = strip.emphasis === 'strong' ? ' font-weight="600"' : '';
  return [
    text(36, y + 4, strip.label, weight === '' ? 'class="faint"' : weight.trim()),
    `<path class="span" d="M${round(x(strip.p10))} ${y}H${round(Math.max(x(strip.p90), x(strip.p10) + 1))}" />`,
    ...values.map((value, i) => {
      const offset = (((i * 7) % 11) / 10 - 0.5) * DOT_SPREAD;
      return `<circle class="dot" cx="${round(x(value))}" cy="${round(y + offset)}" r="2.2" />`;
    }),
    `<path class="median" d="M${round(x(median))} ${y - 10}v20" />`,
    text(WIDTH - 20, y + 4, strip.note, `text-anchor="end"${weight}`),
  ];
}

/** 1, 2 and 5 times powers of ten, from one at or below `least` to one at or above `most`. */
function ticksOf(least: number, most: number): number[] {
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); ; power *= 10) {
    for (const factor of [1, 2, 5]) {
      const tick = Number((power * factor).toPrecision(3));
      if (tick <= least) ticks.length = 0;
      ticks.push(tick);
      if (tick >= most && ticks.length > 1) return ticks;
    }
  }
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;
}

function round(coordinate: number): number {
  return Math.round(coordinate * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
