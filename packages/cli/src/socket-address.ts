import { isIP, isIPv6 } from 'node:net';

/** Where to listen. `host` is an address or a name, without the brackets of an IPv6 address. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?$/i;

/**
 * `127.0.0.1:8554`, `[::1]:8554`, `localhost:8554`; `:8554` is every address of the machine; port 0 is any free port.
 *
 * @throws RangeError that says what to write
 */
export function parseSocketAddress(text: string): SocketAddress {
  const match = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text.trim());
  if (match === null) throw new RangeError(`'${text}' is not host:port; write 0.0.0.0:8554 or [::]:8554`);
  const [, hostText = '', portText] = match;
  const port = Number(portText);
  if (port > 65_535) throw new RangeError(`port ${port} does not exist; the highest is 65535`);
  if (hostText === '') return { host: '::', port };
  if (hostText.startsWith('[')) {
    const host = hostText.slice(1, -1);
    if (!isIPv6(host)) throw new RangeError(`'${host}' is not an IPv6 address`);
    return { host, port };
  }
  if (isIP(hostText) === 0 && (!HOST_NAME.test(hostText) || /^[\d.]+$/.test(hostText))) {
    throw new RangeError(`'${hostText}' is neither an address nor a host name`);
  }
  return { host: hostText, port };
}

/** `host:port`, IPv6 in brackets. */
export function formatSocketAddress(address: SocketAddress): string {
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** True where only programs on this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Every address of the machine becomes one that a program on it can connect to. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? 'localhost' : host;
}
