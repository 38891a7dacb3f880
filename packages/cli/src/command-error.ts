/**
 * The world does not play along: a port is taken, a file is not there. The operator gets one line that says what to do, no stack,
 * and exit code 1.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'failed';
}
