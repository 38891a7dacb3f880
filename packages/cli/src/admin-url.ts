import { ConfigError } from './config-error.js';
import {
  formatSocketAddress,
  parseSocketAddress,
  reachableHost,
  type SocketAddress,
} from './socket-address.js';

/**
 * Where the admin pages of a proxy are, as `--admin` says it: `host:port`, or a URL, with what a proxy in front of them puts before
 * their paths.
 *
 * @returns an `http` or `https` URL without a slash at its end
 * @throws ConfigError where it is neither
 */
export function adminUrl(text: string): string {
  if (/^https?:\/\//.test(text)) {
    if (URL.canParse(text)) return text.replace(/\/+$/, '');
    throw new ConfigError('--admin', `'${text}' is no URL; write 127.0.0.1:9554 or http://127.0.0.1:9554`);
  }
  try {
    return urlOfAdmin(parseSocketAddress(text));
  } catch (cause) {
    throw new ConfigError('--admin', (cause as Error).message, { cause });
  }
}

/** The same of an address that admin pages listen on. */
export function urlOfAdmin({ host, port }: SocketAddress): string {
  return `http://${formatSocketAddress({ host: reachableHost(host), port })}`;
}
