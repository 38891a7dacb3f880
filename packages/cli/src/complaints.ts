import { dirname } from 'node:path';
import { CommandError } from './command-error.js';
import { formatSocketAddress, type SocketAddress } from './socket-address.js';

/** Below it a process needs a right of its own. Source: ip(7), ip_unprivileged_port_start. */
const FIRST_FREE_PORT = 1024;

/**
 * Why an address cannot be listened on, and what to do.
 * @param key the flag that says which address
 * @param takenBy who has it, where it is taken
 */
export function listeningError(
  key: string,
  { address, takenBy = 'another process' }: { address: SocketAddress; takenBy?: string | undefined },
  cause: unknown,
): unknown {
  const where = formatSocketAddress(address);
  const code = systemCodeOf(cause);
  if (code === 'EADDRINUSE')
    return complaint(key, `${where} is taken by ${takenBy}; stop it or choose another port`, cause);
  if (code === 'EACCES' && address.port < FIRST_FREE_PORT)
    return complaint(
      key,
      `ports below ${FIRST_FREE_PORT} need CAP_NET_BIND_SERVICE; choose another port`,
      cause,
    );
  if (code === 'EADDRNOTAVAIL')
    return complaint(
      key,
      `this machine has no address ${address.host}; write one that it has, or 0.0.0.0 for all`,
      cause,
    );
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return complaint(key, `the name ${address.host} has no address; write an address of this machine`, cause);
  return cause;
}

/** Why a file cannot be opened for writing, and what to do. */
export function writingError(key: string, path: string, cause: unknown): unknown {
  const code = systemCodeOf(cause);
  if (code === 'ENOENT')
    return complaint(key, `the folder ${dirname(path)} does not exist; create it`, cause);
  if (code === 'EISDIR') return complaint(key, `${path} is a folder; name a file in it`, cause);
  if (code === 'EACCES' || code === 'EROFS')
    return complaint(key, `${path} may not be written; allow it, or name another file`, cause);
  return code === undefined
    ? cause
    : complaint(key, `${path} cannot be written: ${(cause as Error).message}`, cause);
}

function complaint(key: string, advice: string, cause: unknown): CommandError {
  return new CommandError(`${key}: ${advice}`, { cause });
}

/** `ENOENT`, `EADDRINUSE` ... of an error; undefined where it has none. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
