export interface Column {
  readonly title: string;
  /** Figures stand to the right. */
  readonly align?: 'left' | 'right';
}

/** A table that reads as well on a terminal as it renders. @param rows cells as text, as many as there are columns */
export function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows].map((cells) => cells.map(escaped));
  const widths = columns.map((_, i) =>
    Math.max(3, ...lines.map((cells) => Array.from(cells[i] ?? '').length)),
  );
  const format = (cells: readonly string[]): string =>
    `| ${columns.map(({ align }, i) => padded(cells[i] ?? '', widths[i]!, align)).join(' | ')} |`;
  const rule = columns.map(({ align }, i) => {
    return align === 'right' ? `${'-'.repeat(widths[i]! - 1)}:` : '-'.repeat(widths[i]!);
  });
  return [format(lines[0]!), `| ${rule.join(' | ')} |`, ...lines.slice(1).map(format)].join('\n');
}

function padded(cell: string, width: number, align: Column['align']): string {
  const blanks = ' '.repeat(width - Array.from(cell).length);
  return align === 'right' ? blanks + cell : cell + blanks;
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

/** Milliseconds with as many digits as mean something. */
export function formatMs(ms: number): string {
  return ms.toFixed(ms < 99.95 ? 1 : 0);
}

/** A ratio with two digits that mean something. */
export function formatRatio(ratio: number): string {
  return ratio.toFixed(ratio < 0.0995 ? 3 : 2);
}
