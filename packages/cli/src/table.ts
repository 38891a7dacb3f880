/** A column: its heading, and whether its cells are figures, which stand to the right. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/**
 * Text in columns for people: two blanks between columns, a line under the headings, no trailing blanks.
 *
 * @param rows cells as text, as many as there are columns
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => widthOf(cells[index] ?? ''))));
  const format = (cells: readonly string[]): string =>
    columns
      .map((column, index) => {
        const cell = cells[index] ?? '';
        const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell)));
        return column.align === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = lines;
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return `${[format(head), rule, ...body.map(format)].join('\n')}\n`;
}

/** What origins put into URLs may hold control characters; a terminal must not act on them. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd');
}

function widthOf(text: string): number {
  return Array.from(text).length;
}
