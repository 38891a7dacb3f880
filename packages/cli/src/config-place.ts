import { LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './config-error.js';
import { lineOf, readText } from './config-file.js';

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
    throw new ConfigError(`${file}:${lineOfKey(file, error.key)}: ${error.key}`, error.advice, {
      cause: error,
    });
  }
}

function lineOfKey(file: string, key: string): number {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines });
  const steps = Array.from(key.matchAll(/[^.[\]]+/g), ([step]) => (/^\d+$/.test(step) ? Number(step) : step));
  return lineOf(document, lines, steps);
}
