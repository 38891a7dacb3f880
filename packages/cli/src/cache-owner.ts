import { readFileSync, statSync } from 'node:fs';
import { CommandError } from './command-error.js';

/**
 * Whose the directory is, as `sudo -u` takes it, where this is root and it belongs to somebody else.
 * @param uid who runs this
 */
export function foreignOwner(directory: string, uid = process.geteuid?.()): string | undefined {
  const owner = statSync(directory, { throwIfNoEntry: false })?.uid;
  return uid !== 0 || owner === undefined || owner === 0 ? undefined : userName(owner);
}

/**
 * Root would store in the cache directory of another user, who could not read it: files are their owner's alone.
 *
 * @throws CommandError, with what to do instead
 */
export function refuseForeignDirectory(directory: string | undefined, command: string): void {
  const owner = directory === undefined ? undefined : foreignOwner(directory);
  if (owner === undefined) return;
  throw new CommandError(
    `run it as the owner of ${directory}: sudo -u ${owner} forebay ${command} ...; a proxy that runs does it when it is asked with --admin`,
  );
}

/** Source: passwd(5). Users that are not listed there are named by number, as sudo(8) takes it. */
function userName(uid: number): string {
  const users = readUsers().map((line) => line.split(':'));
  return users.find(([, , id]) => id === String(uid))?.[0] ?? `'#${uid}'`;
}

function readUsers(): string[] {
  try {
    return readFileSync('/etc/passwd', 'utf8').split('\n');
  } catch {
    return [];
  }
}
