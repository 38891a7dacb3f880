import t from 'tap';
import { breachesOf } from '../check-imports.mjs';

const PROXY = 'packages/proxy/src';

const CASES = [
  {
    name: 'a leaf may not import another leaf',
    file: 'packages/rtp/src/a.ts',
    text: `import { x } from '@forebay/rtsp';`,
    breach: /no arrow from rtp to rtsp/,
  },
  {
    name: 'types count',
    file: 'packages/cache/src/a.ts',
    text: `import type { X } from '@forebay/proxy';`,
    breach: /no arrow from cache to proxy/,
  },
  {
    name: 'types named in place count',
    file: 'packages/cache/src/a.ts',
    text: `export type X = import('@forebay/proxy').Y;`,
    breach: /no arrow from cache to proxy/,
  },
  {
    name: 'an export from elsewhere counts',
    file: 'packages/rtsp/src/a.ts',
    text: `export { x } from '@forebay/rtp';`,
    breach: /no arrow from rtsp to rtp/,
  },
  {
    name: 'a dynamic import counts',
    file: 'packages/rtsp/src/a.ts',
    text: `await import('@forebay/rtp');`,
    breach: /no arrow from rtsp to rtp/,
  },
  { name: 'the proxy imports the leaves', file: `${PROXY}/a.ts`, text: `import { x } from '@forebay/rtp';` },
  {
    name: 'only an entry is public',
    file: `${PROXY}/a.ts`,
    text: `import { x } from '@forebay/rtp/dist/src/packet.js';`,
    breach: /own entry/,
  },
  {
    name: 'no way around by a relative path',
    file: `${PROXY}/a.ts`,
    text: `import { x } from '../../rtp/src/packet.js';`,
    breach: /leaves its package/,
  },
  {
    name: 'sources do not import tests',
    file: `${PROXY}/a.ts`,
    text: `import { x } from '../test/x.js';`,
    breach: /leaves src/,
  },
  {
    name: 'sources of the proxy do not import the rig',
    file: `${PROXY}/a.ts`,
    text: `import { x } from '@forebay/rig';`,
    breach: /no arrow from proxy to rig/,
  },
  {
    name: 'tests of the proxy may',
    file: 'packages/proxy/test/a.test.ts',
    text: `import { x } from '@forebay/rig';`,
  },
  { name: 'viewer asks read', file: `${PROXY}/viewer/a.ts`, text: `import { x } from '../read/x.js';` },
  {
    name: 'viewer never touches origin',
    file: `${PROXY}/viewer/a.ts`,
    text: `import type { x } from '../origin/x.js';`,
    breach: /no arrow from viewer\/ to origin\//,
  },
  {
    name: 'nor what fills segments',
    file: `${PROXY}/viewer/a.ts`,
    text: `import { x } from '../fill/x.js';`,
    breach: /no arrow from viewer\/ to fill\//,
  },
  {
    name: 'no arrow runs up',
    file: `${PROXY}/fill/a.ts`,
    text: `import type { x } from '../read/x.js';`,
    breach: /no arrow from fill\/ to read\//,
  },
  { name: 'every folder may use the clock', file: `${PROXY}/origin/a.ts`, text: `import '../clock.js';` },
  {
    name: 'no folder imports the wiring',
    file: `${PROXY}/origin/a.ts`,
    text: `import '../proxy.js';`,
    breach: /wiring/,
  },
  { name: 'the wiring imports every folder', file: `${PROXY}/proxy.ts`, text: `import './origin/x.js';` },
  {
    name: 'a leaf at the top imports no folder',
    file: `${PROXY}/metrics.ts`,
    text: `import './origin/x.js';`,
    breach: /a leaf imports a folder/,
  },
  {
    name: 'process is for the door',
    file: `${PROXY}/a.ts`,
    text: 'process.exit(1);',
    breach: /must not touch `process`/,
  },
  {
    name: 'process by way of globalThis',
    file: `${PROXY}/a.ts`,
    text: 'globalThis.process.exit(1);',
    breach: /must not touch `process`/,
  },
  {
    name: 'process imported',
    file: `${PROXY}/a.ts`,
    text: `import p from 'node:process';`,
    breach: /must not touch `process`/,
  },
  {
    name: 'a member of that name is something else',
    file: `${PROXY}/a.ts`,
    text: 'x.process({ process: 1 });',
  },
  { name: 'the door may', file: 'packages/cli/src/a.ts', text: 'process.exit(1);' },
];

for (const { name, file, text, breach } of CASES) {
  const breaches = breachesOf(file, text);
  if (breach === undefined) t.same(breaches, [], name);
  else t.match(breaches, [breach], name);
}
