/** What each RigErrorCode means. */
export const RIG_ERRORS = {
  timeout: 'what was waited for did not come in time',
  closed: 'the connection ended, or the actor was closed, while something was waited for',
  status: 'the peer answered with another status than 200',
  protocol: 'the peer answered what cannot be played: no stream, no session, no transport',
  limit: 'a bound of the rig was exceeded',
  tool: 'a program that the rig drives is missing or failed',
  fixture: 'the bundled title is missing or cannot be read',
} as const;

export type RigErrorCode = keyof typeof RIG_ERRORS;

/** The rig could not do what a test, a benchmark or the demo asked. */
export class RigError extends Error {
  override readonly name = 'RigError';
  readonly code: RigErrorCode;
  /** With code `status`: what the peer answered. */
  readonly status: number | undefined;

  constructor(code: RigErrorCode, detail: string, options: { status?: number; cause?: unknown } = {}) {
    super(`${RIG_ERRORS[code]}: ${detail}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.status = options.status;
  }
}
