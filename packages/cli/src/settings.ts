import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ProxyOptions, RouteOptions, TlsIdentity } from '@forebay/proxy';
import type { Credentials } from '@forebay/rtsp';
import { ConfigError } from './config-error.js';
import { readConfigFile } from './config-file.js';
import { placed } from './config-place.js';
import {
  parseAdminAddress,
  parseSessionCount,
  parseTimeshift,
  parseUdpPath,
  parseWorkers,
  type ConfigFile,
  type PortRange,
  type UdpPath,
} from './config-schema.js';
import { parseCacheSize, parseRamSize } from './quantity.js';
import { routeOfOrigin, routesOf } from './routes.js';
import { type Environment, readIdentity, readUsers } from './secrets.js';
import { isLoopback, parseSocketAddress, type SocketAddress } from './socket-address.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'auto' | 'json' | 'text';

/** Everything `forebay serve` can be told, with nothing left open. */
export interface Settings {
  readonly listen: SocketAddress;
  /** Undefined: nobody is served over TLS. */
  readonly tls: (TlsIdentity & { readonly listen: SocketAddress }) | undefined;
  /** Undefined: no admin pages. */
  readonly admin: SocketAddress | undefined;
  /** Names by which the admin pages may be asked for, besides addresses and `localhost`. */
  readonly adminHosts: readonly string[];
  readonly cache: {
    /** Undefined: nothing is kept on disk. */
    readonly directory: string | undefined;
    readonly bytes: number;
    readonly ramBytes: number;
  };
  readonly udpPorts: PortRange;
  readonly udpPath: UdpPath;
  /** Processes that serve viewers; 1: this one. */
  readonly workers: number;
  readonly sessionTimeoutSeconds: number;
  /** Live media leaves as soon as it is there. */
  readonly lowLatency: boolean;
  /** Viewers at a time; what is not given is as usual. */
  readonly limits: NonNullable<ProxyOptions['viewerLimits']>;
  readonly drainSeconds: number;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  /** Undefined: what viewers play is written nowhere. */
  readonly accessLog: { readonly file: string; readonly hashTitles: boolean } | undefined;
  readonly routes: readonly RouteOptions[];
}

/** Options of `forebay serve` as they stand on the command line. */
export interface ServeFlags {
  readonly origin?: string | undefined;
  readonly config?: string | undefined;
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly cacheSize?: string | undefined;
  readonly ramSize?: string | undefined;
  readonly maxSessions?: string | undefined;
  readonly users?: string | undefined;
  readonly timeshift?: string | undefined;
  readonly udpPath?: string | undefined;
  readonly lowLatency?: true | undefined;
  readonly workers?: string | undefined;
  readonly accessLog?: string | undefined;
  readonly hashTitles?: true | undefined;
}

export const DEFAULTS = {
  listen: '0.0.0.0:8554',
  tlsListen: '0.0.0.0:8322',
  admin: '127.0.0.1:9554',
  cacheSize: '10GB',
  ramSize: '256MB',
  udpPorts: { first: 20_000, last: 29_999 },
  udpPath: 'auto',
  workers: 1,
  sessionTimeoutSeconds: 60,
  drainSeconds: 30,
} as const;

/**
 * Flags over file over defaults.
 *
 * @throws ConfigError for the first thing that is wrong
 */
export function settingsOf(flags: ServeFlags, environment: Environment): Settings {
  if ((flags.origin === undefined) === (flags.config === undefined)) {
    throw new ConfigError('--origin', 'give either --origin rtsp://host/base or --config forebay.yaml');
  }
  const file: Partial<ConfigFile> = flags.config === undefined ? {} : readConfigFile(flags.config);
  const admin =
    flag('--admin', flags.admin, parseAdminAddress) ?? file.admin ?? parseAdminAddress(DEFAULTS.admin);
  const bytes =
    flag('--cache-size', flags.cacheSize, parseCacheSize) ??
    file.cache?.size ??
    parseCacheSize(DEFAULTS.cacheSize);
  return {
    listen:
      flag('--listen', flags.listen, parseSocketAddress) ??
      file.listen ??
      parseSocketAddress(DEFAULTS.listen),
    tls: tlsOf(flags, file),
    admin: admin === 'off' ? undefined : admin,
    adminHosts: file.adminHosts ?? [],
    cache: {
      directory: bytes === 0 ? undefined : cacheDirectory(flags.cacheDir ?? file.cache?.dir, environment),
      bytes,
      ramBytes:
        flag('--ram-size', flags.ramSize, parseRamSize) ??
        file.cache?.ramSize ??
        parseRamSize(DEFAULTS.ramSize),
    },
    udpPorts: file.udpPorts ?? DEFAULTS.udpPorts,
    udpPath: flag('--udp-path', flags.udpPath, parseUdpPath) ?? file.udpPath ?? DEFAULTS.udpPath,
    workers: flag('--workers', flags.workers, parseWorkers) ?? file.workers ?? DEFAULTS.workers,
    sessionTimeoutSeconds: file.sessionTimeout ?? DEFAULTS.sessionTimeoutSeconds,
    lowLatency: flags.lowLatency ?? file.lowLatency ?? false,
    limits: limitsOf(file),
    drainSeconds: file.drainTimeout ?? DEFAULTS.drainSeconds,
    log: { level: file.log?.level ?? 'info', format: file.log?.format ?? 'auto' },
    accessLog: accessLogOf(flags, file),
    routes: withTimeshift(routesFor(flags, file, environment), flags.timeshift, bytes),
  };
}

function routesFor(
  flags: ServeFlags,
  file: Partial<ConfigFile>,
  environment: Environment,
): readonly RouteOptions[] {
  const maxSessions = flag('--max-sessions', flags.maxSessions, parseSessionCount);
  const users = usersOf(flags, file, environment);
  if (flags.origin === undefined) {
    if (maxSessions !== undefined)
      throw new ConfigError('--max-sessions', 'is about --origin: in a file, give maxSessions to each route');
    return placed(flags.config ?? '', () => routesOf(file.routes ?? [], { environment, users }));
  }
  const route = {
    ...routeOfOrigin(flags.origin, environment),
    ...(users === undefined ? {} : { logins: users }),
  };
  return [maxSessions === undefined ? route : { ...route, maxSessions }];
}

/** Who may watch, where not everybody may. */
function usersOf(
  flags: ServeFlags,
  file: Partial<ConfigFile>,
  environment: Environment,
): readonly Credentials[] | undefined {
  if (flags.users !== undefined) return readUsers({ file: flags.users }, '--users', environment);
  const { users } = file;
  return users === undefined
    ? undefined
    : placed(flags.config ?? '', () => readUsers(users, 'users', environment));
}

/** @throws ConfigError where certificate and key cannot be read, or do not belong together */
function tlsOf({ config = '' }: ServeFlags, { tls }: Partial<ConfigFile>): Settings['tls'] {
  if (tls === undefined) return undefined;
  return placed(config, () => ({
    listen: tls.listen ?? parseSocketAddress(DEFAULTS.tlsListen),
    ...readIdentity(tls, 'tls'),
  }));
}

function limitsOf({ limits = {} }: Partial<ConfigFile>): Settings['limits'] {
  return Object.fromEntries(
    Object.entries(limits).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
}

/** The flag is for all routes that do not say otherwise. A window is on disk, and needs one. */
function withTimeshift(
  routes: readonly RouteOptions[],
  given: string | undefined,
  cacheBytes: number,
): readonly RouteOptions[] {
  const timeshiftSeconds = flag('--timeshift', given, parseTimeshift);
  const all = routes.map((route) =>
    timeshiftSeconds === undefined ? route : { timeshiftSeconds, ...route },
  );
  if (cacheBytes === 0 && all.some((route) => (route.timeshiftSeconds ?? 0) > 0))
    throw new ConfigError('timeshift', 'is kept in the disk cache: give it a --cache-size');
  return all;
}

/** What every proxy is told, whatever it is for. */
export function proxyOptionsOf({ routes, cache, udpPorts, sessionTimeoutSeconds }: Settings) {
  return {
    routes,
    cacheDirectory: cache.directory,
    cacheBytes: cache.bytes,
    ramBytes: cache.ramBytes,
    udpPorts,
    sessionTimeoutSeconds,
  };
}

/** What no log line may show. */
export function secretsOf({ routes }: Settings): string[] {
  return routes.flatMap(({ credentials, logins = [] }) =>
    [...(credentials === undefined ? [] : [credentials]), ...logins].map(({ password }) => password),
  );
}

/** Where other machines can connect, and routes by which whoever does sees what a password opens. */
export function openToOthers({ listen, tls, routes }: Pick<Settings, 'listen' | 'tls' | 'routes'>): {
  readonly listen: readonly SocketAddress[];
  readonly origins: readonly string[];
} {
  return {
    listen: [listen, ...(tls === undefined ? [] : [tls.listen])].filter(({ host }) => !isLoopback(host)),
    origins: routes
      .filter(({ credentials, logins }) => credentials !== undefined && logins === undefined)
      .map(({ id }) => id),
  };
}

function accessLogOf(flags: ServeFlags, file: Partial<ConfigFile>): Settings['accessLog'] {
  const path = flags.accessLog ?? file.accessLog?.file;
  const hashTitles = flags.hashTitles ?? file.accessLog?.hashTitles ?? false;
  if (path !== undefined) return { file: resolve(path), hashTitles };
  if (flags.hashTitles === true)
    throw new ConfigError('--hash-titles', 'is about the access log: give --access-log FILE too');
  return undefined;
}

/**
 * The given directory, else systemd's `CACHE_DIRECTORY`, else `forebay` in the user's cache folder. Absolute.
 */
export function cacheDirectory(given: string | undefined, environment: Environment): string {
  if (given !== undefined) return resolve(given);
  const assigned = environment['CACHE_DIRECTORY'];
  if (assigned !== undefined && assigned !== '') return resolve(assigned.split(':', 1)[0] ?? assigned);
  const home = environment['XDG_CACHE_HOME'];
  return join(home === undefined || home === '' ? join(homedir(), '.cache') : resolve(home), 'forebay');
}

function flag<T>(name: string, text: string | undefined, parse: (text: string) => T): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError(name, (error as Error).message, { cause: error });
  }
}
