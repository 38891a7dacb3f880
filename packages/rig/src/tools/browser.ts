import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RigError } from '../errors.js';
import { runTool } from './run.js';

/** A web page as a real browser has it after its scripts ran for a while. */
export interface RenderedPage {
  /** The document as HTML. */
  readonly dom: string;
  /** What was written to the console, breaches of the page's content security policy included. */
  readonly console: readonly string[];
}

const CONSOLE = /:CONSOLE[^\]]*\] (.*)$/;

/**
 * Opens a page in headless Chromium and lets it run for `pageMs` of the page's own time, which passes as fast as the page
 * is idle.
 * @throws RigError `tool` where there is no such browser, or it fails; `timeout`
 */
export async function renderPage(
  url: string,
  o: { readonly pageMs: number; readonly timeoutMs: number },
): Promise<RenderedPage> {
  const profile = await mkdtemp(join(tmpdir(), 'forebay-browser-'));
  const args = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--enable-logging=stderr',
    `--user-data-dir=${profile}`,
    `--virtual-time-budget=${o.pageMs}`,
    '--dump-dom',
    url,
  ];
  try {
    const { exitCode, outputs } = await runTool('chromium', args, { timeoutMs: o.timeoutMs });
    if (exitCode !== 0) throw new RigError('tool', `chromium: ${outputs[1].slice(-500)}`);
    const console = outputs[1].split('\n').flatMap((line) => CONSOLE.exec(line)?.[1] ?? []);
    return { dom: Buffer.from(outputs[0], 'latin1').toString('utf8'), console };
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
