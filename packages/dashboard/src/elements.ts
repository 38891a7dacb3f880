const SVG = 'http://www.w3.org/2000/svg';

type Content = Node | string;

/** An HTML element. Text stays text, whatever is in it. */
export function element(tag: string, className: string, ...content: readonly Content[]): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...content);
  return made;
}

/** An SVG element. */
export function shape(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  ...content: readonly Node[]
): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...content);
  return made;
}

/** A picture that fills its box, whatever the proportions. */
export function picture(
  o: { readonly width: number; readonly height: number; readonly className: string; readonly says: string },
  ...content: readonly Node[]
): SVGElement {
  return shape(
    'svg',
    {
      viewBox: `0 0 ${o.width} ${o.height}`,
      preserveAspectRatio: 'none',
      class: o.className,
      role: 'img',
      'aria-label': o.says,
    },
    ...content,
  );
}

export interface Column {
  readonly title: string;
  readonly className?: string;
}

/** A table, or `empty` in its place where there is no row. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
  empty: string,
): HTMLElement {
  if (rows.length === 0) return element('p', 'faint', empty);
  const head = columns.map(({ title, className = '' }) => element('th', className, title));
  const body = rows.map((cells) =>
    element('tr', '', ...cells.map((cell, i) => element('td', columns[i]?.className ?? '', cell))),
  );
  return element(
    'table',
    '',
    element('thead', '', element('tr', '', ...head)),
    element('tbody', '', ...body),
  );
}

/** Puts `content` in the place of what an element of the page holds. */
export function fill(id: string, ...content: readonly Content[]): void {
  document.getElementById(id)?.replaceChildren(...content);
}
