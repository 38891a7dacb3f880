import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseSync } from 'oxc-parser';
import { ROOT, WORKSPACES, filesBelow } from './workspace.mjs';

/** Which packages the sources of a package may import. The leaves ignore each other. */
const PACKAGE_ARROWS = {
  rtsp: [],
  rtp: [],
  cache: [],
  rig: ['rtsp', 'rtp'],
  proxy: ['rtsp', 'rtp', 'cache'],
  simulator: ['cache'],
  dashboard: [],
  cli: ['rtsp', 'cache', 'proxy', 'rig', 'simulator', 'dashboard'],
  bench: ['rtsp', 'rtp', 'cache', 'proxy', 'rig', 'simulator'],
};

/** What tests of a package may import on top. */
const TEST_ARROWS = { proxy: ['rig'], cli: ['rtp'] };

/** Inside packages/proxy/src: requests flow down this list and nothing runs up. Viewers meet origins in segments only. */
const PROXY_FOLDER_ARROWS = {
  workers: ['viewer', 'read', 'fill', 'origin'],
  viewer: ['read'],
  read: ['fill', 'origin'],
  fill: ['origin'],
  probe: ['origin'],
  origin: [],
};

/** Files at the top of packages/proxy/src that put the folders together; any other file there is a leaf. */
const PROXY_WIRING = new Set(['proxy.ts', 'options.ts', 'index.ts']);

/** Packages whose sources may touch the process they run in. */
const PROCESS_OWNERS = new Set(['cli', 'bench']);

/** And files that have to: a lock names the process that holds it, a worker is one, a replay reads the processor time that it spent. */
const PROCESS_EXCEPTIONS = new Set([
  'packages/cache/src/lock.ts',
  'packages/proxy/src/workers/main.ts',
  'packages/simulator/src/cost.ts',
  'packages/simulator/src/replay.ts',
]);

/**
 * Checks every source and test of the workspace against the arrows above. Imports of types count.
 *
 * @returns one line a breach, `file: what`; empty when all is well
 */
export function checkImports() {
  const breaches = [];
  for (const workspace of WORKSPACES) {
    for (const file of [
      ...filesBelow(`${workspace}/src`, '.ts'),
      ...filesBelow(`${workspace}/test`, '.ts'),
    ]) {
      const text = readFileSync(join(ROOT, file), 'utf8');
      for (const breach of breachesOf(file, text)) breaches.push(`${file}: ${breach}`);
    }
  }
  return breaches;
}

/** Breaches of one file. `file` is its path from the root, which says where in the house it lives. */
export function breachesOf(file, text) {
  const home = homeOf(file);
  const { specifiers, touchesProcess } = readModule(file, text);
  const breaches = [];
  const mayTouch = PROCESS_OWNERS.has(home.package) || PROCESS_EXCEPTIONS.has(file);
  if (touchesProcess && home.part === 'src' && !mayTouch) {
    breaches.push(`packages/${home.package} must not touch \`process\``);
  }
  for (const specifier of specifiers) {
    const breach = specifier.startsWith('.')
      ? relativeBreach(file, home, specifier)
      : packageBreach(home, specifier);
    if (breach !== undefined) breaches.push(breach);
  }
  return breaches;
}

/** The package, the part (src or test) and, inside packages/proxy/src, the folder that a file belongs to. */
function homeOf(file) {
  const parts = file.split('/');
  const [name, part, folder] = parts[0] === 'packages' ? parts.slice(1) : [parts[0], ...parts.slice(1)];
  const layered = name === 'proxy' && part === 'src' && folder in PROXY_FOLDER_ARROWS;
  return { package: name, part, folder: layered ? folder : undefined };
}

function packageBreach(home, specifier) {
  const match = /^@forebay\/([^/]+)(\/.*)?$/.exec(specifier);
  if (match === null) return undefined;
  const [, target, below] = match;
  if (below !== undefined) return `imports ${specifier}: only a package's own entry is public`;
  if (target === home.package) return `imports its own package by name: ${specifier}`;
  const arrows = PACKAGE_ARROWS[home.package];
  if (arrows === undefined) return `no arrows are known for packages/${home.package}: say what it may import`;
  const allowed = home.part === 'test' ? [...arrows, ...(TEST_ARROWS[home.package] ?? [])] : arrows;
  if (allowed.includes(target)) return undefined;
  return `imports ${specifier}: no arrow from ${home.package} to ${target}`;
}

function relativeBreach(file, home, specifier) {
  const target = posix.normalize(posix.join(posix.dirname(file), specifier)).replace(/\.js$/, '.ts');
  const away = homeOf(target);
  if (away.package !== home.package) return `imports ${specifier}: leaves its package`;
  if (home.part === 'src' && away.part !== 'src') return `imports ${specifier}: leaves src`;
  if (home.package !== 'proxy' || home.part !== 'src') return undefined;
  if (away.folder === undefined) {
    const isWiring = PROXY_WIRING.has(posix.basename(target)) && !PROXY_WIRING.has(posix.basename(file));
    return isWiring ? `imports ${specifier}: nothing below imports the wiring` : undefined;
  }
  if (home.folder === undefined) {
    return PROXY_WIRING.has(posix.basename(file))
      ? undefined
      : `imports ${specifier}: a leaf imports a folder`;
  }
  if (away.folder === home.folder || PROXY_FOLDER_ARROWS[home.folder].includes(away.folder)) return undefined;
  return `imports ${specifier}: no arrow from ${home.folder}/ to ${away.folder}/`;
}

/** The specifiers a module names (types and dynamic imports too), and whether it touches `process`. */
function readModule(file, text) {
  const { module, program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const specifiers = module.staticImports.map((found) => found.moduleRequest.value);
  for (const statement of module.staticExports) {
    for (const entry of statement.entries)
      if (entry.moduleRequest) specifiers.push(entry.moduleRequest.value);
  }
  let touchesProcess = specifiers.includes('node:process') || specifiers.includes('process');
  visitNodes(program, (node, parent, field) => {
    const isImport = node.type === 'ImportExpression' || node.type === 'TSImportType';
    if (isImport && node.source.type === 'Literal') specifiers.push(node.source.value);
    if (node.type === 'Identifier' && node.name === 'process' && !isLabel(parent, field))
      touchesProcess = true;
  });
  return { specifiers: [...new Set(specifiers)], touchesProcess };
}

/** True where an identifier only names a member: `x.name`, `{ name: 1 }`, a field or a method. */
function isLabel(parent, field) {
  if (parent.computed === true || parent.shorthand === true) return false;
  if (parent.type === 'MemberExpression') return field === 'property' && parent.object.name !== 'globalThis';
  return field === 'key';
}

function visitNodes(node, visit, parent = node, field = '') {
  if (typeof node.type === 'string') visit(node, parent, field);
  for (const [name, value] of Object.entries(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) visitNodes(item, visit, node, name);
    } else if (isNode(value)) {
      visitNodes(value, visit, node, name);
    }
  }
}

function isNode(value) {
  return typeof value === 'object' && value !== null && typeof value.type === 'string';
}
