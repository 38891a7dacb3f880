import { readFileSync } from 'node:fs';
import { LineCounter, isNode, parseDocument } from 'yaml';
import { ConfigError } from './config-error.js';

/**
 * What `work` finds wrong with the values of a configuration file whose form is right.
 *
 * @throws ConfigError with `file:line: key` where it had the key alone
 */
export function placed<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${file}:${lineOf(file, error.key)}: ${error.key}`, error.advice, { cause: error });
  }
}

/** The line of a key such as `routes[1].name`, or of the innermost part of it that the file has. */
function lineOf(file: string, key: string): number {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines });
  const steps = Array.from(key.matchAll(/[^.[\]]+/g), ([step]) => (/^\d+$/.test(step) ? Number(step) : step));
  for (let depth = steps.length; depth > 0; depth--) {
    const node = document.getIn(steps.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
