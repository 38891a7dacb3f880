import { CommanderError } from '@commander-js/extra-typings';
import { CACHE_ERRORS, CacheError } from '@forebay/cache';
import { ConfigError } from './config-error.js';

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  failure: 1,
  /** Bad flags, variables or configuration file. */
  badConfiguration: 2,
  /** A bug of ours: an exception that nobody caught (EX_SOFTWARE of sysexits.h). */
  crash: 70,
} as const;

/** What to tell the operator about an error that ends a command, and with which code to end. */
export function explain(error: unknown): { readonly code: number; readonly text: string } {
  // Commander has printed its own text by the time it throws.
  if (error instanceof CommanderError) {
    const isWish = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
    return { code: isWish ? EXIT.ok : EXIT.badConfiguration, text: '' };
  }
  if (error instanceof ConfigError)
    return { code: EXIT.badConfiguration, text: `forebay: ${error.message}\n` };
  if (error instanceof CacheError) {
    return { code: EXIT.failure, text: `forebay: ${error.message}; ${CACHE_ERRORS[error.code].act}\n` };
  }
  if (!(error instanceof Error)) return { code: EXIT.failure, text: `forebay: ${String(error)}\n` };
  // Errors with a code are about the world outside; without one they are bugs, and a stack helps.
  const text = 'code' in error ? error.message : (error.stack ?? error.message);
  return { code: EXIT.failure, text: `forebay: ${text}\n` };
}
