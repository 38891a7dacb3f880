import type { Place, Row } from '../fill/row.js';

/** A stretch of a range, by where its media is. */
export interface Part {
  readonly kind: 'stored' | 'flying' | 'gap';
  readonly startMicros: number;
  /** Infinity: to the end of the title, wherever that is. */
  readonly endMicros: number;
}

/** The parts of [startMicros, endMicros) in play order, neighbours of one kind merged. */
export function plan(row: Row<Place>, startMicros: number, endMicros: number): Part[] {
  const parts: Part[] = [];
  const add = (kind: Part['kind'], from: number, to: number): void => {
    const last = parts.at(-1);
    if (last?.kind === kind) parts[parts.length - 1] = { ...last, endMicros: to };
    else parts.push({ kind, startMicros: from, endMicros: to });
  };
  let at = startMicros;
  let held = row.covering(at);
  while (at < endMicros) {
    if (held === undefined) {
      const next = row.firstFrom(at);
      const to = Math.min(next?.startMicros ?? endMicros, endMicros);
      add('gap', at, to);
      at = to;
      held = next;
      continue;
    }
    const to = Math.min(held.endMicros, endMicros);
    if (to > at) add(held.flying && held.state === 'open' ? 'flying' : 'stored', at, to);
    at = Math.max(at, to);
    if (held.last) break;
    held = row.following(held);
  }
  return parts;
}

/** The last segment of the unbroken stretch that begins with `held`, looked for no further than NPT `enoughMicros`. */
export function horizon(row: Row<Place>, held: Place, enoughMicros: number): Place {
  let last = held;
  while (last.endMicros <= enoughMicros) {
    const next = row.following(last);
    if (next === undefined) break;
    last = next;
  }
  return last;
}
