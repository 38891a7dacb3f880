export type { Viewing } from './access.js';
export type { Clock, TimerHandle } from './clock.js';
export type { Log } from './log.js';
export type { ProfileSettings } from './origin/profile.js';
export { probeOrigin } from './probe/probe.js';
export { suggestedRoute, type ProbeReport, type SuggestedRoute } from './probe/report.js';
export type { OriginState, ProxyOptions, RouteOptions, WarmOptions } from './options.js';
export { Proxy } from './proxy.js';
export type { TlsIdentity } from './viewer/secure-door.js';
export type { HeldSpan, TitleState } from './read/title-state.js';
export { failedWarming, type WarmProgress } from './read/warmings.js';

// Who fills what for whom, without sockets: for simulations on a clock of their own.
export type { Disk, Shelves } from './fill/shelves.js';
export { silentLog } from './log.js';
export { Metrics } from './metrics.js';
export type { DescribingOrigin } from './origin/client.js';
export { OriginProfile } from './origin/profile.js';
export type { OpenOptions, OriginSession, OriginSink } from './origin/session.js';
export { Catalogue } from './read/catalogue.js';
export type { MediaSink, Reader } from './read/library.js';
export { Pacer } from './read/pacer.js';
export { Routes } from './read/routes.js';
