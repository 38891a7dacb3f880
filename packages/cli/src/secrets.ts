import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { TlsIdentity } from '@forebay/proxy';
import type { Credentials } from '@forebay/rtsp';
import { ConfigError } from './config-error.js';
import type { SecretSource } from './config-schema.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const MOST_USERS = 1000;

/**
 * `user:password`, in the first line of what is read.
 * @param key what complaints are about
 * @throws ConfigError where it cannot be read, or holds something else
 */
export function readCredentials(source: SecretSource, key: string, environment: Environment): Credentials {
  const { text, place } = readSecret(source, key, environment);
  return parseCredentials(text.split(/\r?\n/, 1)[0] ?? '', place);
}

/**
 * `user:password` in each line; empty lines, and those that begin with `#`, mean nothing.
 * @param key what complaints are about
 * @throws ConfigError where it cannot be read, names nobody, somebody twice or somebody without a password
 */
export function readUsers(source: SecretSource, key: string, environment: Environment): Credentials[] {
  const { text, place } = readSecret(source, key, environment);
  const users = new Map<string, Credentials>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const user = credentialsIn(line);
    if (user === undefined || user.password === '')
      throw new ConfigError(place, `line ${index + 1} must hold user:password`);
    if (users.has(user.username)) throw new ConfigError(place, `line ${index + 1} names a user again`);
    users.set(user.username, user);
  }
  if (users.size === 0) throw new ConfigError(place, 'holds no user: write a line user:password for each');
  if (users.size > MOST_USERS) throw new ConfigError(place, `holds more than ${MOST_USERS} users`);
  return [...users.values()];
}

/** `user:password`; the password may hold further colons. Complaints never repeat the text. */
export function parseCredentials(text: string, key: string): Credentials {
  const credentials = credentialsIn(text);
  if (credentials === undefined) throw new ConfigError(key, 'must hold user:password');
  return credentials;
}

function credentialsIn(text: string): Credentials | undefined {
  const colon = text.indexOf(':');
  return colon <= 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * What viewers are shown over TLS, from files in PEM.
 * @param key what complaints are about
 * @throws ConfigError where they cannot be read, or do not belong together
 */
export function readIdentity(
  files: { readonly certificate: string; readonly key: string },
  key: string,
): TlsIdentity {
  const certificate = readText(files.certificate, `${key}.certificate`);
  const identity = { certificate, key: readText(files.key, `${key}.key`) };
  // One after the other, so that the complaint is about the right one.
  usable(`${key}.certificate`, { cert: certificate });
  usable(`${key}.key`, { cert: certificate, key: identity.key });
  return identity;
}

function usable(key: string, options: SecureContextOptions): void {
  try {
    createSecureContext(options);
  } catch (error) {
    throw new ConfigError(key, `cannot be used: ${(error as Error).message}; write the path of a PEM file`, {
      cause: error,
    });
  }
}

/** Of a file, which is read while viewers are served: nobody waits for the other end of a pipe. */
function readText(file: string, key: string): string {
  try {
    if (!statSync(file).isFile()) throw new Error('it is not a file');
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new ConfigError(key, `cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function readSecret(
  { file = '', env }: SecretSource,
  key: string,
  environment: Environment,
): { readonly text: string; readonly place: string } {
  if (env !== undefined) {
    const text = environment[env];
    if (text === undefined) throw new ConfigError(`${key}.env`, `${env} is not set`);
    return { text, place: `${key}.env` };
  }
  // A flag is the file.
  const place = key.startsWith('-') ? key : `${key}.file`;
  return { text: readText(file, place), place };
}
