/**
 * A flag, a variable or the configuration file is wrong. The operator gets one line, no stack, and exit code 2.
 *
 * `key` is where it stands, spelled as the operator wrote it: `--listen`, `routes[0].origin`, `FOREBAY_ORIGIN_CREDENTIALS`.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly key: string;
  readonly advice: string;

  /** @param advice what is wrong and what to write instead. */
  constructor(key: string, advice: string, options?: ErrorOptions) {
    super(`${key}: ${advice}`, options);
    this.key = key;
    this.advice = advice;
  }
}
