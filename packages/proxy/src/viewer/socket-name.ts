import { isIPv4, isIPv6 } from 'node:net';
import { fixedMemory } from './fixed-memory.js';

// Source: Linux include/linux/socket.h; struct sockaddr_in and sockaddr_in6.
const AF_INET = 2;
const AF_INET6 = 10;
const IPV4_NAME_BYTES = 16;
const IPV6_NAME_BYTES = 28;
const PORT_AT = 2;

/**
 * An address as the kernel reads it, for a little-endian machine.
 *
 *      0        2      4          8              16 (IPv4)        24      28 (IPv6)
 *      | family | port | address  | zeros        |
 *      | family | port | flow = 0 | address ...                   | scope |
 *
 * It stays where it is in memory.
 * @returns undefined for names and for addresses with a zone (`%eth0`)
 */
export function socketName(address: string, port: number): Buffer | undefined {
  if (isIPv4(address)) {
    const name = fixedMemory(IPV4_NAME_BYTES);
    name.writeUInt16LE(AF_INET, 0);
    name.set(octetsOf(address), 4);
    return withPort(name, port);
  }
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const name = fixedMemory(IPV6_NAME_BYTES);
  name.writeUInt16LE(AF_INET6, 0);
  groupsOf(address).forEach((group, i) => name.writeUInt16BE(group, 8 + 2 * i));
  return withPort(name, port);
}

/** Changes the port of a name. */
export function withPort(name: Buffer, port: number): Buffer {
  name.writeUInt16BE(port, PORT_AT);
  return name;
}

function octetsOf(address: string): number[] {
  return address.split('.').map(Number);
}

/** The eight groups of an IPv6 address. Source: RFC 4291 section 2.2. */
function groupsOf(address: string): number[] {
  const [left = [], right] = address.split('::').map((half) =>
    half
      .split(':')
      .filter((text) => text !== '')
      .flatMap((text) => {
        if (!text.includes('.')) return [Number.parseInt(text, 16)];
        const [a = 0, b = 0, c = 0, d = 0] = octetsOf(text);
        return [a * 256 + b, c * 256 + d];
      }),
  );
  if (right === undefined) return left;
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}
