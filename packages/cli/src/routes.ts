import type { ProfileSettings, RouteOptions } from '@forebay/proxy';
import { normalEncoding, parseRtspUrl, type Credentials, type RtspUrl } from '@forebay/rtsp';
import { ConfigError } from './config-error.js';
import type { RouteConfig } from './config-schema.js';
import { type Environment, parseCredentials, readCredentials } from './secrets.js';
import { formatSocketAddress } from './socket-address.js';

const RTSP_PORT = 554;

/** What routes refer to. */
export interface RouteContext {
  readonly environment: Environment;
  readonly users: readonly Credentials[] | undefined;
}

/**
 * Routes of a configuration file.
 *
 * @param from `users`: who may watch where a route does not let in everybody
 * @throws ConfigError for an origin that is no RTSP URL, unreadable credentials, two routes for one path, users that there are not
 */
export function routesOf(configs: readonly RouteConfig[], from: RouteContext): RouteOptions[] {
  const routes = configs.map((config, position) => routeOf(config, `routes[${position}]`, from));
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

function routeOf(config: RouteConfig, key: string, { environment, users }: RouteContext): RouteOptions {
  const baseUrl = originUrl(config.origin, `${key}.origin`, 'use credentials.file or credentials.env');
  const { credentials } = config;
  const logins = loginsOf(config, key, users);
  return {
    id: config.name ?? nameOf(baseUrl),
    pathPrefix: config.path.replace(/\/+$/, '') || '/',
    baseUrl,
    allowHosts: (config.allowHosts ?? []).map((host, index) =>
      hostAndPort(host, `${key}.allowHosts[${index}]`),
    ),
    ...(credentials === undefined
      ? {}
      : { credentials: readCredentials(credentials, `${key}.credentials`, environment) }),
    ...(logins === undefined ? {} : { logins }),
    ...(config.allowBasic === undefined ? {} : { allowBasic: config.allowBasic }),
    ...(config.maxSessions === undefined ? {} : { maxSessions: config.maxSessions }),
    ...(config.queueTimeout === undefined ? {} : { queueMs: config.queueTimeout * 1000 }),
    ...(config.timeshift === undefined ? {} : { timeshiftSeconds: config.timeshift }),
    ...(config.transport === undefined ? {} : { transport: config.transport }),
    ...profileOf(config.profile ?? {}),
  };
}

/** Who may watch what is behind a route: where there are users, they alone, unless it says otherwise. */
function loginsOf(
  { access, allowUsers }: RouteConfig,
  key: string,
  users: readonly Credentials[] | undefined,
): readonly Credentials[] | undefined {
  if (access === 'public' || (access === undefined && users === undefined)) {
    if (allowUsers !== undefined)
      throw new ConfigError(
        `${key}.allowUsers`,
        'says who may watch: leave out access: public, and give users',
      );
    return undefined;
  }
  if (users === undefined)
    throw new ConfigError(`${key}.access`, 'needs users: { file: ... }, with a line user:password for each');
  return (
    allowUsers?.map((name, index) => {
      const user = users.find(({ username }) => username === name);
      if (user === undefined)
        throw new ConfigError(`${key}.allowUsers[${index}]`, `'${name}' is none of the users`);
      return user;
    }) ?? users
  );
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
    const value = normalEncoding(route[field]);
    const earlier = seen.get(value);
    if (earlier !== undefined) {
      throw new ConfigError(
        `routes[${position}].${key}`,
        `'${route[field]}' is taken by routes[${earlier}]; give each route its own ${key}`,
      );
    }
    seen.set(value, position);
  }
}
