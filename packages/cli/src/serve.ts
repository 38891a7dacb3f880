import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Proxy as MediaProxy } from '@forebay/proxy';
import { AccessLog } from './access/access-log.js';
import { adminPages, startAdmin, type AdminServer, type AdminSource } from './admin.js';
import { foreignOwner } from './cache-owner.js';
import { listeningError, writingError } from './complaints.js';
import { crashLoudly } from './crash.js';
import { EXIT } from './exit.js';
import { openLog, type ProcessLog } from './log.js';
import {
  openToOthers,
  proxyOptionsOf,
  secretsOf,
  settingsOf,
  type ServeFlags,
  type Settings,
} from './settings.js';
import { endSignal, Hangup } from './signals.js';
import { formatSocketAddress, isLoopback, type SocketAddress } from './socket-address.js';
import { VERSION } from './version.js';

/** Of origins, in one line of the log. */
const MOST_NAMES = 20;
/** What renews certificates by itself has done so before. */
const EXPIRY_WARNING_MS = 7 * 86_400_000;

/**
 * Runs the proxy until SIGTERM or SIGINT, then drains: no new sessions, running ones may end within the drain time.
 *
 * @throws ConfigError before anything is opened; the system's error where an address or the cache cannot be opened
 */
export async function serve(flags: ServeFlags): Promise<void> {
  const read = (): Settings => settingsOf(flags, process.env);
  await serveAs(read(), read);
}

/**
 * The same, told everything.
 * @param reread what is found when SIGHUP comes
 * @throws the system's error where an address or the cache cannot be opened
 */
export async function serveAs(settings: Settings, reread = () => settings): Promise<void> {
  const log = processLog(settings);
  crashLoudly(log);
  const ending = endSignal();
  warnOfForeignDirectory(settings, log);
  const hangup = new Hangup();
  const accessLog = await openAccessLog(settings, log);
  const proxy = await startProxy(settings, { log, accessLog, ending });
  if (proxy === undefined) {
    await accessLog?.close();
    log.info({ signal: await ending }, 'ended before it served');
    process.exit(EXIT.ok);
  }
  hangup.does(() => {
    void accessLog?.reopen();
    reload(proxy, { before: settings, reread, log });
  });
  let admin: AdminServer | undefined;
  try {
    admin = await openAdmin(
      settings,
      { collect: () => proxy.collect(), ready: () => proxy.ready(), accessLog, api: proxy },
      log,
    );
    warnOfOpenOrigins(settings, log);
    warnOfCertificate(settings, log);
    const media = await listenForViewers(proxy, settings);
    const secure = await listenOverTls(proxy, settings);
    log.info(
      {
        rtsp: formatSocketAddress(media),
        ...(secure === undefined ? {} : { rtsps: formatSocketAddress(secure) }),
        admin: admin === undefined ? 'off' : formatSocketAddress(admin.address),
        cache: settings.cache.directory ?? 'off',
        routes: settings.routes.length,
        workers: settings.workers,
        version: VERSION,
      },
      'forebay serves',
    );
    const signal = await ending;
    log.info({ signal, drainSeconds: settings.drainSeconds }, 'draining');
    await proxy.drain(settings.drainSeconds * 1000);
  } finally {
    await proxy.close();
    await accessLog?.close();
    await admin?.close();
  }
  log.info({}, 'ended');
  process.exit(EXIT.ok);
}

/** @throws CommandError that says what to do where the address cannot be listened on */
async function listenForViewers(proxy: MediaProxy, { listen, admin }: Settings): Promise<SocketAddress> {
  try {
    return await proxy.listen(listen.host, listen.port);
  } catch (error) {
    const takenBy = admin?.port === listen.port ? '--admin' : undefined;
    throw listeningError('--listen', { address: listen, takenBy }, error);
  }
}

/** @throws as {@link listenForViewers} */
async function listenOverTls(proxy: MediaProxy, { tls }: Settings): Promise<SocketAddress | undefined> {
  if (tls === undefined) return undefined;
  try {
    return await proxy.listen(tls.listen.host, tls.listen.port, true);
  } catch (error) {
    throw listeningError('tls.listen', { address: tls.listen }, error);
  }
}

/** Players refuse a certificate that has run out: whoever runs this should know first. */
function warnOfCertificate({ tls }: Settings, log: ProcessLog): void {
  if (tls === undefined) return;
  const { subject, validTo } = new X509Certificate(tls.certificate);
  if (Date.parse(validTo) - Date.now() > EXPIRY_WARNING_MS) return;
  log.warn({ subject, until: validTo }, 'the certificate for viewers runs out');
}

/** @returns undefined where a signal has ended the start */
async function startProxy(
  settings: Settings,
  o: { log: ProcessLog; accessLog: AccessLog | undefined; ending: Promise<unknown> },
): Promise<MediaProxy | undefined> {
  const { log, accessLog, ending } = o;
  const stop = new AbortController();
  void ending.then(() => stop.abort());
  try {
    return await MediaProxy.start({
      ...proxyOptionsOf(settings),
      udpPath: settings.udpPath,
      workers: settings.workers,
      lowLatency: settings.lowLatency,
      ...(settings.tls === undefined ? {} : { tls: settings.tls }),
      viewerLimits: settings.limits,
      giveUp: stop.signal,
      log,
      ...(accessLog === undefined ? {} : { onViewing: (viewing) => accessLog.write(viewing) }),
    });
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    throw error;
  }
}

/** A container's root may well be given the folder of another user, so this is no more than a warning. */
function warnOfForeignDirectory({ cache: { directory } }: Settings, log: ProcessLog): void {
  const owner = directory === undefined ? undefined : foreignOwner(directory);
  if (owner === undefined) return;
  log.warn(
    { cache: directory, owner },
    'the owner of the cache directory cannot read what root stores there',
  );
}

async function openAdmin(
  settings: Settings,
  source: AdminSource,
  log: ProcessLog,
): Promise<AdminServer | undefined> {
  if (settings.admin === undefined) return undefined;
  if (!isLoopback(settings.admin.host)) {
    log.warn(
      { admin: formatSocketAddress(settings.admin) },
      'the admin pages are open to other machines and ask nobody who they are',
    );
  }
  const hashTitles = settings.accessLog?.hashTitles === true;
  const pages = adminPages(source, { version: VERSION, hosts: settings.adminHosts, hashTitles, log });
  try {
    return await startAdmin(pages, settings.admin);
  } catch (error) {
    throw listeningError('--admin', { address: settings.admin }, error);
  }
}

/** Where viewers need no login, whoever reaches a port sees what the credentials of a route open. */
function warnOfOpenOrigins(settings: Settings, log: ProcessLog): void {
  const { listen, origins } = openToOthers(settings);
  if (listen.length === 0 || origins.length === 0) return;
  log.warn(
    { listen: listen.map(formatSocketAddress).join(', '), origins: origins.slice(0, MOST_NAMES) },
    'viewers are not asked who they are: whoever reaches the port sees what the credentials of these origins open',
  );
}

/** The access log, at the file that has its name. */
async function openAccessLog(settings: Settings, log: ProcessLog): Promise<AccessLog | undefined> {
  if (settings.accessLog === undefined) return undefined;
  const { file, hashTitles } = settings.accessLog;
  const accessLog = await AccessLog.open({ path: file, hashTitles, log }).catch((error: unknown) => {
    throw writingError('--access-log', file, error);
  });
  process.once('exit', () => accessLog.closeAbruptly());
  return accessLog;
}

/** Reads the configuration again: routes, users and certificate count at once, the rest with the next start. */
function reload(proxy: MediaProxy, o: { before: Settings; reread: () => Settings; log: ProcessLog }): void {
  const { before, reread, log } = o;
  try {
    const settings = reread();
    const { routes, tls } = settings;
    log.hide(secretsOf(settings));
    const news = proxy.reload({ routes, ...(tls === undefined ? {} : { tls }) });
    const users = new Set(routes.flatMap(({ logins = [] }) => logins.map(({ username }) => username)));
    log.info({ ...news, users: users.size }, 'configuration read again');
    // The ports are those of the start.
    warnOfOpenOrigins({ ...before, routes }, log);
    warnOfCertificate(settings, log);
    const later = onlyAtStart(before, settings);
    if (later.length > 0)
      log.warn({ settings: later }, 'what else has changed counts with the next start only');
  } catch (error) {
    log.error({ error }, 'the configuration cannot be read again: all is as before');
  }
}

/** What differs of all that is looked at when the proxy starts. */
function onlyAtStart(before: Settings, after: Settings): string[] {
  const { routes: _routes, tls: _tls, ...others } = after;
  const names = (Object.keys(others) as (keyof typeof others)[]).filter(
    (name) => !isDeepStrictEqual(before[name], after[name]),
  );
  return isDeepStrictEqual(before.tls?.listen, after.tls?.listen) ? names : [...names, 'tls'];
}

function processLog(settings: Settings): ProcessLog {
  const { level, format } = settings.log;
  const isForPeople = format === 'text' || (format === 'auto' && process.stderr.isTTY);
  return openLog({
    level,
    format: isForPeople ? 'text' : 'json',
    secrets: secretsOf(settings),
    hashTitles: settings.accessLog?.hashTitles === true,
    write: (line) => process.stderr.write(line),
  });
}
