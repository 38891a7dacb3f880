export type { Viewing } from './access.js';
export type { Clock, TimerHandle } from './clock.js';
export type { Log } from './log.js';
export type { Metrics } from './metrics.js';
export type { ProfileSettings } from './origin/profile.js';
export { type OriginState, Proxy, type ProxyOptions, type RouteOptions } from './proxy.js';
