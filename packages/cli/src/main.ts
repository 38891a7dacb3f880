import { Command } from '@commander-js/extra-typings';
import { explain } from './exit.js';
import { serve } from './serve.js';
import { DEFAULTS } from './settings.js';
import { VERSION } from './version.js';

const program = new Command('forebay')
  .description(
    'A caching proxy for RTSP: popular titles start from disk at once, the rest is fetched just in time.',
  )
  .version(VERSION)
  .showHelpAfterError('(forebay --help lists commands and options)')
  .exitOverride();

program
  .command('serve')
  .description('stand between viewers and origins')
  .option('--origin <url>', 'the one origin, rtsp://host[:port][/base]')
  .option('--config <file>', 'a configuration file with several origins, forebay.yaml')
  .option('--listen <host:port>', `where viewers connect (default: ${DEFAULTS.listen})`)
  .option('--admin <host:port>', `metrics and health pages, or "off" (default: ${DEFAULTS.admin})`)
  .option('--cache-dir <dir>', 'where segments are kept (default: forebay in the cache folder of the user)')
  .option('--cache-size <size>', `limit of the disk cache, 0 for none (default: ${DEFAULTS.cacheSize})`)
  .option('--ram-size <size>', `limit of the RAM cache (default: ${DEFAULTS.ramSize})`)
  .action(serve);

// A reader that went away, such as `forebay ls | head`, is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  const { code, text } = explain(error);
  if (text !== '') process.stderr.write(text);
  process.exit(code);
}
