/** Widest bar, characters. */
const BAR_WIDTH = 24;

/** A line for each title that is on its way, written over on a terminal; elsewhere only what is finished is written. */
export interface Bars {
  show(title: string, text: string): void;
  /** The last line of a title stays. */
  finish(title: string, text: string): void;
}

/** @param write takes text for people */
export function openBars(write: (text: string) => void, isTerminal: boolean): Bars {
  const lines = new Map<string, string>();
  let drawn = 0;
  const draw = (finished: string): void => {
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`;
    write(`${isTerminal ? `${up}\u001b[J` : ''}${finished}${isTerminal ? [...lines.values()].join('') : ''}`);
    drawn = isTerminal ? lines.size : 0;
  };
  return {
    show: (title, text) => {
      lines.set(title, `${text}\n`);
      if (isTerminal) draw('');
    },
    finish: (title, text) => {
      lines.delete(title);
      draw(`${text}\n`);
    },
  };
}

/** `[#########---------------]`. @param share 0 to 1; undefined: nobody knows how much there is */
export function barOf(share: number | undefined): string {
  const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share ?? 0)));
  return `[${'#'.repeat(filled)}${(share === undefined ? '?' : '-').repeat(BAR_WIDTH - filled)}]`;
}
