import { isIPv6 } from 'node:net';

const MINUTE_MS = 60_000;

/** What is held for, and against, one viewer address. */
export interface AddressAccount {
  connections: number;
  sessions: number;
  udpSessions: number;
  /** Unknown session ids. */
  readonly guesses: PerMinute;
  readonly failedLogins: PerMinute;
  /** TLS handshakes that were begun. */
  readonly handshakes: PerMinute;
}

/** A count that begins anew when its minute is over. */
class PerMinute {
  #count = 0;
  #sinceMs = 0;

  /** @returns how many in this minute */
  add(nowMs: number): number {
    if (nowMs - this.#sinceMs >= MINUTE_MS) {
      this.#count = 0;
      this.#sinceMs = nowMs;
    }
    return ++this.#count;
  }

  count(nowMs: number): number {
    return nowMs - this.#sinceMs >= MINUTE_MS ? 0 : this.#count;
  }
}

/** The address as we compare it: IPv4 that came by an IPv6 socket is written as IPv4. */
export function normalAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** Whom limits are counted for: an IPv4 address, or the /64 that one IPv6 subscriber has. */
export function accountName(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const gap = address.includes('::') ? 8 - left.length - right.length : 0;
  const groups = [...left, ...Array.from({ length: Math.max(0, gap) }, () => '0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/** Accounts of the addresses that have anything open, or tried anything lately. */
export class Addresses {
  readonly #accounts = new Map<string, AddressAccount>();

  of(address: string): AddressAccount {
    const name = accountName(address);
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = {
        connections: 0,
        sessions: 0,
        udpSessions: 0,
        guesses: new PerMinute(),
        failedLogins: new PerMinute(),
        handshakes: new PerMinute(),
      };
      this.#accounts.set(name, account);
    }
    return account;
  }

  /** Forgets addresses with nothing open, and nothing tried in the last minute. */
  sweep(nowMs: number): void {
    for (const [name, { connections, sessions, ...tries }] of this.#accounts) {
      const { guesses, failedLogins, handshakes } = tries;
      const isOpen = connections > 0 || sessions > 0;
      const hasTried = [guesses, failedLogins, handshakes].some((one) => one.count(nowMs) > 0);
      if (!isOpen && !hasTried) this.#accounts.delete(name);
    }
  }

  get size(): number {
    return this.#accounts.size;
  }
}
