import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RigError } from '../errors.js';
import { runTool } from './run.js';

const TIMEOUT_MS = 30_000;
const DAYS = 30;

/** In PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Has OpenSSL make a certificate for 127.0.0.1 that vouches for itself.
 * @param name its common name
 * @param days how long it is good for
 * @throws RigError `tool`, `timeout`
 */
export async function makeCertificate(name: string, days = DAYS): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-certificate-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', String(days)];
  const args = ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate];
  try {
    const { exitCode, outputs } = await runTool('openssl', args, { timeoutMs: TIMEOUT_MS });
    if (exitCode !== 0) throw new RigError('tool', `openssl: ${outputs[1]}`);
    return { certificate: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
