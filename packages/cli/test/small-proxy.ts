// A proxy whose cache is smaller than any that the command takes, for tests whose titles are small, too:
//
//   node small-proxy.js '{"flags": {...}, "cacheBytes": 900000, "ramBytes": 1}'
import { serveAs } from '../src/serve.js';
import { settingsOf, type ServeFlags } from '../src/settings.js';

export interface SmallProxy {
  readonly flags: ServeFlags;
  readonly cacheBytes: number;
  readonly ramBytes: number;
}

const { flags, cacheBytes, ramBytes } = JSON.parse(process.argv[2] ?? '') as SmallProxy;
const settings = settingsOf(flags, process.env);
await serveAs({ ...settings, cache: { ...settings.cache, bytes: cacheBytes, ramBytes } });
