import type { Test } from 'tap';
import { ConfigError } from '../src/config-error.js';

/** What `work` throws must be a ConfigError with all of this in its one line, which is returned. */
export function complains(test: Test, work: () => unknown, ...parts: readonly (string | RegExp)[]): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    test.notMatch(error.message, '\n', 'one line');
    for (const part of parts) test.match(error.message, part);
    return error.message;
  }
  test.fail(`nothing was thrown; expected ${parts.join(' ... ')}`);
  return '';
}
