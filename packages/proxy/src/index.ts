export { type Clock, systemClock, type TimerHandle } from './clock.js';
export type { Log } from './log.js';
export type { Metrics } from './metrics.js';
export { ORIGIN_FAULTS, OriginError } from './origin/errors.js';
export { Proxy, type ProxyOptions, type RouteOptions } from './proxy.js';
