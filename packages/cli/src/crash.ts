import { EXIT } from './exit.js';
import type { ProcessLog } from './log.js';

/** What nobody caught ends the process, with a line in the log and a code that a supervisor can tell apart. */
export function crashLoudly(log: Pick<ProcessLog, 'fatal'>): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(EXIT.crash);
  });
}
