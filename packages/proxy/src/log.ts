/** Structured log lines. Fields never carry credentials; the door (packages/cli) renders them. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const drop = (): void => undefined;

export const silentLog: Log = { debug: drop, info: drop, warn: drop, error: drop };
