/** A line on stderr that is written over on a terminal; elsewhere it is left out. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away. */
  end(): void;
}

export function progressLine(): Progress {
  if (!process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  return {
    show: (text) => void process.stderr.write(`\r${text}\u001b[K`),
    end: () => void process.stderr.write('\r\u001b[K'),
  };
}
