import type { TitleView } from './api.js';
import { picture, shape } from './elements.js';
import { clock, percent } from './format.js';

const WIDTH = 1000;
const HEIGHT = 10;
/** A flight is drawn so wide, of the title's length. */
const HEAD_WIDTH = 6;

/** From where to where the bar of a title goes, NPT; undefined where nothing is known of it. */
function extentOf({ durationSeconds, held, flightsAtSeconds }: TitleView): [number, number] | undefined {
  if (durationSeconds !== undefined && durationSeconds > 0) return [0, durationSeconds];
  const from = held[0]?.fromSeconds ?? flightsAtSeconds[0];
  const to = Math.max(held.at(-1)?.toSeconds ?? -Infinity, ...flightsAtSeconds);
  return from !== undefined && to > from ? [from, to] : undefined;
}

/** What is held of a title, over its length, and where origin sessions are. */
export function titleBar(title: TitleView): Node {
  const extent = extentOf(title);
  if (extent === undefined) return document.createTextNode('nothing held');
  const [from, to] = extent;
  const x = (seconds: number): number => (WIDTH * (seconds - from)) / (to - from);
  const spans = title.held.map(({ fromSeconds, toSeconds, where }) =>
    shape('rect', {
      x: x(fromSeconds).toFixed(1),
      width: Math.max(1, x(toSeconds) - x(fromSeconds)).toFixed(1),
      height: HEIGHT,
      class: where,
    }),
  );
  const heads = title.flightsAtSeconds.map((seconds) =>
    shape('rect', {
      x: (x(seconds) - HEAD_WIDTH / 2).toFixed(1),
      width: HEAD_WIDTH,
      height: HEIGHT,
      class: 'head',
    }),
  );
  const box = { width: WIDTH, height: HEIGHT, className: 'bar', says: saysOf(title, to - from) };
  const hover = shape('title', {});
  hover.textContent = box.says;
  return picture(box, hover, ...spans, ...heads);
}

function saysOf({ held, flightsAtSeconds }: TitleView, length: number): string {
  const secondsIn = (where: string): number =>
    held
      .filter((span) => span.where === where)
      .reduce((sum, { fromSeconds, toSeconds }) => sum + toSeconds - fromSeconds, 0);
  const parts = (['disk', 'ram', 'filling'] as const)
    .filter((where) => secondsIn(where) > 0)
    .map((where) => `${where} ${clock(secondsIn(where))} (${percent(secondsIn(where) / length)})`);
  const sessions = flightsAtSeconds.length;
  if (sessions > 0) parts.push(`${sessions} origin session${sessions === 1 ? '' : 's'}`);
  return parts.length === 0 ? 'nothing held' : parts.join(', ');
}
