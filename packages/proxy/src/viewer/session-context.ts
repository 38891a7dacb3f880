import type { Viewings } from '../access.js';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Library } from '../read/library.js';
import type { ViewerLimits } from './limits.js';
import type { Pulse } from './pulse.js';
import type { Rejects } from './rejects.js';

/** What every session of a server shares. */
export interface SessionContext {
  readonly library: Library;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly limits: ViewerLimits;
  readonly timeoutSeconds: number;
  readonly rejects: Rejects;
  readonly pulse: Pick<Pulse, 'nowMs'>;
  /** Wants to know what was played. */
  readonly viewings?: Viewings;
}

/** Why a session ended, for its log line. */
export type EndReason =
  | 'teardown'
  | 'disconnected'
  | 'stalled'
  | 'unplayed'
  | 'session-timeout'
  | 'unreachable'
  | 'refused'
  | 'defect'
  | 'forbidden'
  | 'shutdown';
