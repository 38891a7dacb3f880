import { readFileSync } from 'node:fs';
import type { ProfileSettings, RouteOptions } from '@forebay/proxy';
import { parseRtspUrl, type Credentials, type RtspUrl } from '@forebay/rtsp';
import { ConfigError } from './config-error.js';
import type { RouteConfig } from './config-schema.js';
import { formatSocketAddress } from './socket-address.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const RTSP_PORT = 554;

/**
 * Routes of a configuration file.
 *
 * @throws ConfigError for an origin that is no RTSP URL, unreadable credentials, two routes for one path
 */
export function routesOf(configs: readonly RouteConfig[], environment: Environment): RouteOptions[] {
  const routes = configs.map((config, position) => routeOf(config, `routes[${position}]`, environment));
  refuseRepeats(routes, 'pathPrefix', 'path');
  refuseRepeats(routes, 'id', 'name');
  return routes;
}

/**
 * The one route of `--origin URL`: every path, credentials from `FOREBAY_ORIGIN_CREDENTIALS` where set.
 * @param key what complaints are about
 */
export function routeOfOrigin(origin: string, environment: Environment, key = '--origin'): RouteOptions {
  const variable = 'FOREBAY_ORIGIN_CREDENTIALS';
  const baseUrl = originUrl(origin, key, `put user:password into ${variable}`);
  const secret = environment[variable];
  return {
    id: nameOf(baseUrl),
    pathPrefix: '/',
    baseUrl,
    allowHosts: [],
    ...(secret === undefined ? {} : { credentials: parseCredentials(secret, variable) }),
  };
}

function routeOf(config: RouteConfig, key: string, environment: Environment): RouteOptions {
  const baseUrl = originUrl(config.origin, `${key}.origin`, 'use credentials.file or credentials.env');
  const credentials = config.credentials;
  return {
    id: config.name ?? nameOf(baseUrl),
    pathPrefix: config.path.replace(/\/+$/, '') || '/',
    baseUrl,
    allowHosts: (config.allowHosts ?? []).map((host, index) =>
      hostAndPort(host, `${key}.allowHosts[${index}]`),
    ),
    ...(credentials === undefined ? {} : { credentials: readCredentials(credentials, key, environment) }),
    ...(config.allowBasic === undefined ? {} : { allowBasic: config.allowBasic }),
    ...(config.maxSessions === undefined ? {} : { maxSessions: config.maxSessions }),
    ...(config.queueTimeout === undefined ? {} : { queueMs: config.queueTimeout * 1000 }),
    ...(config.timeshift === undefined ? {} : { timeshiftSeconds: config.timeshift }),
    ...(config.transport === undefined ? {} : { transport: config.transport }),
    ...profileOf(config.profile ?? {}),
  };
}

function profileOf({ pipelining, lead, ...others }: NonNullable<RouteConfig['profile']>): ProfileSettings {
  const given = { ...others, pipelines: pipelining, leadSeconds: lead };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function originUrl(text: string, key: string, insteadOfUserinfo: string): RtspUrl {
  let url: RtspUrl;
  try {
    url = parseRtspUrl(text);
  } catch (error) {
    throw new ConfigError(key, 'must be an RTSP URL such as rtsp://192.0.2.7:554/base', { cause: error });
  }
  if (url.username !== undefined || url.password !== undefined) {
    throw new ConfigError(key, `must not hold a user name or password; ${insteadOfUserinfo}`);
  }
  return url;
}

function readCredentials(
  source: NonNullable<RouteConfig['credentials']>,
  key: string,
  environment: Environment,
): Credentials {
  if (source.env !== undefined) {
    const secret = environment[source.env];
    if (secret === undefined) throw new ConfigError(`${key}.credentials.env`, `${source.env} is not set`);
    return parseCredentials(secret, `${key}.credentials.env`);
  }
  const file = source.file ?? '';
  try {
    return parseCredentials(readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '', `${key}.credentials.file`);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${key}.credentials.file`, `cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** `user:password`; the password may hold further colons. Complaints never repeat the text. */
function parseCredentials(text: string, key: string): Credentials {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new ConfigError(key, 'must hold user:password');
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function hostAndPort(text: string, key: string): string {
  const advice = `'${text}' is not host or host:port (${RTSP_PORT} where no port is given)`;
  if (!/^[^/?#@\s]+$/.test(text)) throw new ConfigError(key, advice);
  try {
    return nameOf(parseRtspUrl(`rtsp://${text}/`));
  } catch (error) {
    throw new ConfigError(key, advice, { cause: error });
  }
}

function nameOf(url: RtspUrl): string {
  return formatSocketAddress({ host: url.host, port: url.port });
}

function refuseRepeats(routes: readonly RouteOptions[], field: 'id' | 'pathPrefix', key: string): void {
  const seen = new Map<string, number>();
  for (const [position, route] of routes.entries()) {
    const earlier = seen.get(route[field]);
    if (earlier !== undefined) {
      throw new ConfigError(
        `routes[${position}].${key}`,
        `'${route[field]}' is taken by routes[${earlier}]; give each route its own ${key}`,
      );
    }
    seen.set(route[field], position);
  }
}
