import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { parseCacheSize, parseRamSize, parseSeconds } from './quantity.js';
import { parseSocketAddress, type SocketAddress } from './socket-address.js';

/** Media port pairs: even RTP port, the next one for RTCP, both within the range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** How datagrams leave. */
const UDP_PATHS = ['auto', 'native', 'dgram'] as const;
export type UdpPath = (typeof UDP_PATHS)[number];

/** Sessions at one origin that anybody may want. */
const MOST_SESSIONS = 10_000;
/** More processes than this help nobody. */
const MAX_WORKERS = 64;

/** Of one process. */
const MOST_VIEWERS = 100_000;

const someText = z.string().min(1, 'must not be empty');
const countUpTo = (most: number) =>
  z.number().int().min(1, 'must be at least 1').max(most, `must be at most ${most}`);

const socketAddress = parsedText(parseSocketAddress);
const TIMESHIFT = '0, or from 10s to 24h';
const seconds = parsedScalar(parseSeconds, 'must be a time such as 30s');

/** Where something secret is read: a file, or the name of an environment variable that holds it. */
const secret = z
  .strictObject({ file: someText.optional(), env: someText.optional() })
  .refine((given) => (given.file === undefined) !== (given.env === undefined), 'give either file or env');

const route = z.strictObject({
  /** Viewers ask for `rtsp://proxy<path>/...`; the longest matching path wins. */
  path: z.string().regex(/^\/[^?#\s]*$/, "must start with '/' and have no query, as in /cameras"),
  origin: z.string(),
  /** Label of this origin in metrics and logs; `host:port` of the origin unless given. */
  name: z
    .string()
    .regex(/^[\w.:[\]-]{1,64}$/, 'at most 64 letters, digits, dots, colons and hyphens')
    .optional(),
  /** `user:password`, in the first line of a file. */
  credentials: secret.optional(),
  access: z.enum(['public', 'proxy']).optional(),
  allowUsers: z.array(someText).min(1, 'give at least one user').max(1000, 'at most 1000 users').optional(),
  allowBasic: z.boolean().optional(),
  allowHosts: z.array(z.string()).max(64, 'at most 64 hosts').optional(),
  profile: z
    .strictObject({
      keepAlive: z.enum(['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER', 'reports']).optional(),
      pipelining: z.boolean().optional(),
      range: z.enum(['npt', 'clock']).optional(),
      seeks: z.boolean().optional(),
      onvifReplay: z.boolean().optional(),
      scales: z.boolean().optional(),
      fill: z.enum(['real-time', 'rate-control', 'speed', 'scale']).optional(),
      lead: seconds.refine((value) => value <= 60, 'at most 60s').optional(),
    })
    .optional(),
  timeshift: parsedScalar(parseTimeshift, TIMESHIFT).optional(),
  maxSessions: countUpTo(MOST_SESSIONS).optional(),
  queueTimeout: seconds.refine((value) => value <= 600, 'at most 10m').optional(),
  transport: z.enum(['auto', 'tcp', 'udp']).optional(),
});

const viewerCount = countUpTo(MOST_VIEWERS);

/** The configuration file, key by key. Unknown keys are refused. */
export const CONFIG_SCHEMA = z.strictObject({
  listen: socketAddress.optional(),
  admin: parsedText(parseAdminAddress).optional(),
  /** Where viewers connect over TLS, and what they are shown: files in PEM. */
  tls: z.strictObject({ listen: socketAddress.optional(), certificate: someText, key: someText }).optional(),
  /** A line `user:password` for each. */
  users: secret.optional(),
  adminHosts: z.array(someText).max(64, 'at most 64 names').optional(),
  cache: z
    .strictObject({
      dir: someText.optional(),
      size: parsedScalar(parseCacheSize, 'must be a size such as 10GB').optional(),
      ramSize: parsedScalar(parseRamSize, 'must be a size such as 256MB').optional(),
    })
    .optional(),
  udpPorts: parsedText(parsePortRange).optional(),
  udpPath: z.enum(UDP_PATHS).optional(),
  workers: parsedScalar(parseWorkers, 'must be a number or auto').optional(),
  sessionTimeout: seconds.refine((value) => value >= 10 && value <= 3600, 'between 10s and 1h').optional(),
  lowLatency: z.boolean().optional(),
  limits: z
    .strictObject({
      connections: viewerCount.optional(),
      connectionsPerAddress: viewerCount.optional(),
      sessions: viewerCount.optional(),
      sessionsPerAddress: viewerCount.optional(),
      udpSessionsPerAddress: viewerCount.optional(),
    })
    .optional(),
  drainTimeout: seconds.refine((value) => value <= 3600, 'at most 1h').optional(),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).optional(),
      format: z.enum(['auto', 'json', 'text']).optional(),
    })
    .optional(),
  accessLog: z
    .strictObject({
      file: someText,
      hashTitles: z.boolean().optional(),
    })
    .optional(),
  routes: z.array(route).min(1, 'give at least one route').max(1000, 'at most 1000 routes'),
});

export type ConfigFile = z.output<typeof CONFIG_SCHEMA>;
export type RouteConfig = ConfigFile['routes'][number];
/** Exactly one of them is given. */
export type SecretSource = NonNullable<RouteConfig['credentials']>;

/** What a viewer can go back in a live presentation at most: a window is not a recording. */
const MOST_TIMESHIFT_SECONDS = 86_400;
/** Shorter than a few segments there is no place to come back to. */
const LEAST_TIMESHIFT_SECONDS = 10;

/**
 * How much of live presentations is kept.
 * @returns seconds; 0: none
 * @throws RangeError that says what to write
 */
export function parseTimeshift(text: string): number {
  const value = parseSeconds(text);
  if (value === 0 || (value >= LEAST_TIMESHIFT_SECONDS && value <= MOST_TIMESHIFT_SECONDS)) return value;
  throw new RangeError(`'${text}' is not ${TIMESHIFT}`);
}

/** `off`, or where the admin pages are served. */
export function parseAdminAddress(text: string): SocketAddress | 'off' {
  return text.trim() === 'off' ? 'off' : parseSocketAddress(text);
}

/**
 * `4`.
 *
 * @throws RangeError that says what to write
 */
export function parseSessionCount(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MOST_SESSIONS)
    throw new RangeError(`'${text}' is not a number from 1 to ${MOST_SESSIONS}`);
  return count;
}

/**
 * `20000-29999`.
 *
 * @throws RangeError that says what to write
 */
export function parsePortRange(text: string): PortRange {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  const isUsable = match !== null && first >= 1024 && last <= 65_535 && last - first >= 1;
  if (!isUsable) throw new RangeError(`'${text}' is not a range of ports from 1024 on, such as 20000-29999`);
  if (first % 2 === 1 && last - first < 2) {
    throw new RangeError(
      `'${text}' holds no pair of an even port and the next one, as every stream needs; begin with an even port`,
    );
  }
  return { first, last };
}

/**
 * `auto`, `native` or `dgram`.
 *
 * @throws RangeError that says what to write
 */
export function parseUdpPath(text: string): UdpPath {
  const path = UDP_PATHS.find((one) => one === text.trim());
  if (path === undefined) throw new RangeError(`'${text}' is none of ${UDP_PATHS.join(', ')}`);
  return path;
}

/**
 * Processes that serve viewers: a number, or `auto` for one a core.
 *
 * @throws RangeError that says what to write
 */
export function parseWorkers(text: string): number {
  if (text.trim() === 'auto') return Math.min(availableParallelism(), MAX_WORKERS);
  const workers = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
  if (workers < 1 || workers > MAX_WORKERS)
    throw new RangeError(`'${text}' is neither a number from 1 to ${MAX_WORKERS} nor auto`);
  return workers;
}

/** Text that `parse` understands; what it throws becomes the complaint. */
function parsedText<T>(parse: (text: string) => T) {
  return z.string().transform((text, context) => attempt(parse, text, context));
}

/** The same for values that may stand without quotes and a unit, as numbers. */
function parsedScalar<T>(parse: (text: string) => T, advice: string) {
  return z
    .union([z.string(), z.number()], advice)
    .transform((value, context) => attempt(parse, String(value), context));
}

function attempt<T>(parse: (text: string) => T, text: string, context: z.RefinementCtx): T {
  try {
    return parse(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
}
