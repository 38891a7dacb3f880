import { Command } from '@commander-js/extra-typings';
import { explain } from './exit.js';
import { DEFAULTS } from './settings.js';
import { VERSION } from './version.js';

const program = new Command('forebay')
  .description(
    'A caching proxy for RTSP: popular titles start from disk at once, the rest is fetched just in time.',
  )
  .version(VERSION)
  .showHelpAfterError('(forebay --help lists commands and options)')
  .exitOverride();

// Each command is loaded when it is asked for: `ls` need not wait for the proxy.
program
  .command('serve')
  .description('stand between viewers and origins')
  .option('--origin <url>', 'the one origin, rtsp://host[:port][/base]')
  .option('--config <file>', 'a configuration file with several origins, forebay.yaml')
  .option('--listen <host:port>', `where viewers connect (default: ${DEFAULTS.listen})`)
  .option('--admin <host:port>', `metrics and health pages, or "off" (default: ${DEFAULTS.admin})`)
  .option('--cache-dir <dir>', 'where segments are kept (default: forebay in the cache folder of the user)')
  .option(
    '--cache-size <size>',
    `limit of the disk cache, from 64MB, or 0 for none (default: ${DEFAULTS.cacheSize})`,
  )
  .option(
    '--ram-size <size>',
    `limit of the RAM cache, from 16MB, or 0 for none (default: ${DEFAULTS.ramSize})`,
  )
  .option(
    '--max-sessions <count>',
    'sessions at a time at the --origin (default: as many as it turns out to have)',
  )
  .option('--users <file>', 'a line user:password for each viewer who may watch (default: everybody may)')
  .option('--timeshift <time>', 'keep so much of live presentations, such as 10m (default: none)')
  .option('--udp-path <path>', `how datagrams leave: auto, native or dgram (default: ${DEFAULTS.udpPath})`)
  .option('--low-latency', 'live media leaves within 2 ms, at the price of processor time')
  .option('--workers <n>', `processes that serve viewers, auto for one a core (default: ${DEFAULTS.workers})`)
  .option('--access-log <file>', 'a line for each viewing, as forebay simulate and replay read it')
  .option('--hash-titles', 'a hash of the title in the access log in its place')
  .action(async (flags) => await (await import('./serve.js')).serve(flags));

program
  .command('demo')
  .description('an origin, a proxy and a viewer in one: see what a cold and a warm start take')
  .option('--once', 'end after the measurement: 0 if frames are identical and warm beats direct by 5x')
  .option('--json', 'for programs')
  .action(async (flags) => await (await import('./demo/demo.js')).demo(flags));

program
  .command('probe')
  .description('find out what an origin can do, with one title of it: in about 25 s')
  .argument('<url>', 'a title, or a live stream, at the origin: rtsp://host[:port]/path')
  .option('--allow-basic', 'send the password in clear text, where the origin asks for Basic')
  .option('--json', 'for programs')
  .action(async (url, flags) => await (await import('./probe/probe.js')).probe(url, flags));

program
  .command('warm')
  .description(
    'fetch titles, or their beginnings, ahead of viewers: through a proxy that runs, or on its cache',
  )
  .argument('<url...>', 'as a viewer would ask the proxy for it, or as the origin has it')
  .option('--prefix <time>', 'from the beginning so much (default: 30s)')
  .option('--all', 'all of each title')
  .option('--keep <time>', 'no victim for so long, whatever else is popular (default: 1h)')
  .option('--admin <host:port>', "the proxy's admin pages (default: those of the configuration)")
  .option('--origin <url>', 'where no proxy runs: the one origin, as for serve')
  .option('--config <file>', 'or the configuration file')
  .option('--cache-dir <dir>', 'where no proxy runs: the cache directory')
  .option('--cache-size <size>', 'and its limit')
  .option('--json', 'for programs')
  .action(async (urls, flags) => await (await import('./warm/warm.js')).warm(urls, flags));

program
  .command('ls')
  .description('list what the cache holds, also while a proxy uses it')
  .argument('[pattern]', 'titles whose URL at the origin matches; * is any text, /... is about the path only')
  .option('--cache-dir <dir>', 'the cache directory')
  .option('--config <file>', 'or the configuration file that names it')
  .option('--segments', 'every segment with its file')
  .option('--json', 'for programs')
  .action(async (pattern, flags) => await (await import('./ls.js')).ls(pattern, flags));

program
  .command('inspect')
  .description('say what is in a segment file, and whether it is sound')
  .argument('<file>', 'a .seg file of the cache; forebay ls --segments lists them')
  .option('--json', 'for programs')
  .action(async (file, flags) => await (await import('./inspect.js')).inspect(file, flags));

program
  .command('purge')
  .description('delete titles from the cache of a proxy that does not run')
  .argument('<pattern>', 'as for ls')
  .option('--cache-dir <dir>', 'the cache directory')
  .option('--config <file>', 'or the configuration file that names it')
  .option('--dry-run', 'only say what would be deleted')
  .option('--json', 'for programs')
  .action(async (pattern, flags) => await (await import('./purge.js')).purge(pattern, flags));

program
  .command('simulate')
  .description('what caches of several sizes would have done for a log of viewings')
  .argument(
    '<log>',
    'the access log of forebay serve, or any CSV of time_s,title_id,duration_s,start_s,watched_s',
  )
  .requiredOption('--sizes <list>', 'sizes of the cache, such as 1GB,5GB,20GB')
  .option('--policies <list>', 'compare with other policies, such as lru,wtinylfu,belady')
  .option('--json', 'for programs')
  .action(async (log, flags) => await (await import('./access/simulate.js')).simulate(log, flags));

program
  .command('replay')
  .description('play a log of viewings at a running proxy, and compare with what the simulator says')
  .argument('<log>', 'the access log of forebay serve, titles not hashed')
  .requiredOption(
    '--origin <url>',
    'the proxy, rtsp://host:port, and what comes before the titles of the log',
  )
  .option('--speed <n>', 'so many times faster, each viewing so many times shorter (default: 1)')
  .option('--viewers <n>', 'at most so many at a time (default: 64)')
  .option('--transport <tcp|udp>', 'how media comes (default: tcp)')
  .option('--admin <host:port>', "the proxy's admin pages, or off (default: port 9554 of the same host)")
  .option('--json', 'for programs')
  .action(async (log, flags) => await (await import('./replay/replay.js')).replay(log, flags));

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
