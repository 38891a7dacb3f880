// Tables of the documents that come from tables of the code. Run as a program after a build it writes them
// (`pnpm run docs`); the documents check compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ROOT } from './workspace.mjs';

/**
 * Every generated table: the document, the name between its markers (`<!-- table: name -->`), and the text.
 * Needs a build.
 */
export async function documentTables() {
  const { RTSP_FAULTS } = await built('packages/rtsp/dist/src/errors.js');
  const { LIMITS } = await built('packages/rtsp/dist/src/limits.js');
  const { RTP_ERRORS } = await built('packages/rtp/dist/src/errors.js');
  const { PACKET_FAULTS } = await built('packages/rtp/dist/src/packet.js');
  const { CACHE_ERRORS } = await built('packages/cache/dist/src/errors.js');
  const { ORIGIN_FAULTS } = await built('packages/proxy/dist/src/origin/errors.js');
  const { ORIGIN_LIMITS } = await built('packages/proxy/dist/src/origin/limits.js');
  const viewer = await builtPrivate('packages/proxy/dist/src/viewer/limits.js', ['TABLE', 'REJECTS']);
  const { RIG_ERRORS } = await built('packages/rig/dist/src/errors.js');
  const errors = 'docs/errors.md';
  const operations = 'docs/operations.md';
  return [
    {
      file: errors,
      name: 'rtsp',
      markdown: table(
        ['code', 'status', 'then', 'what the peer did'],
        Object.entries(RTSP_FAULTS),
        (code, fault) => [
          quoted(code),
          fault.silent ? 'none' : fault.status,
          fault.close ? 'closed' : '',
          fault.text,
        ],
      ),
    },
    {
      file: errors,
      name: 'rtp',
      markdown: table(['code', 'the bytes'], Object.entries(RTP_ERRORS), codeAndText),
    },
    {
      file: errors,
      name: 'packet',
      markdown: table(
        ['label'],
        Object.values(PACKET_FAULTS).map((label) => [label]),
        (label) => [quoted(label)],
      ),
    },
    {
      file: errors,
      name: 'origin',
      markdown: table(
        ['code', 'viewer sees', 'what happened'],
        Object.entries(ORIGIN_FAULTS),
        (code, fault) => [quoted(code), fault.status, fault.text],
      ),
    },
    {
      file: errors,
      name: 'cache',
      markdown: table(['code', 'what happened', 'what to do'], Object.entries(CACHE_ERRORS), (code, row) => [
        quoted(code),
        row.text,
        row.act,
      ]),
    },
    {
      file: errors,
      name: 'rig',
      markdown: table(['code', 'means'], Object.entries(RIG_ERRORS), codeAndText),
    },
    {
      file: operations,
      name: 'viewer-limits',
      markdown: table(['limit', 'value', 'reason', 'then'], Object.entries(viewer.TABLE), (name, limit) => [
        quoted(name),
        limit.value,
        quoted(limit.reason),
        limit.answer,
      ]),
    },
    {
      file: operations,
      name: 'rejects',
      markdown: table(
        ['reason', 'what was refused, and the answer'],
        Object.entries(viewer.REJECTS),
        codeAndText,
      ),
    },
    { file: operations, name: 'rtsp-limits', markdown: table(['limit', 'value'], flat(LIMITS), codeAndText) },
    {
      file: operations,
      name: 'origin-limits',
      markdown: table(['limit', 'value'], flat(ORIGIN_LIMITS), codeAndText),
    },
  ];
}

/** What stands between the markers of a table; undefined where there are none. */
export function tableIn(text, name) {
  return text.match(placeOf(name))?.[2];
}

/** A module of the build. */
export function built(module) {
  return import(pathToFileURL(join(ROOT, module)).href);
}

/** Constants that a built module without imports keeps to itself. */
function builtPrivate(module, names) {
  const text = readFileSync(join(ROOT, module), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '');
  const exported = names.map((name) => `${name} as "private ${name}"`).join(', ');
  return import(`data:text/javascript,${encodeURIComponent(`${text}\nexport { ${exported} };`)}`).then(
    (found) => Object.fromEntries(names.map((name) => [name, found[`private ${name}`]])),
  );
}

function placeOf(name) {
  return new RegExp(`(<!-- table: ${name} -->\\n)([\\s\\S]*?)(<!-- end -->)`);
}

function table(titles, entries, cells) {
  const rows = [titles, titles.map(() => '---'), ...entries.map((entry) => cells(...entry))];
  return rows
    .map((row) => `| ${row.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('');
}

function codeAndText(code, text) {
  return [quoted(code), text];
}

function quoted(code) {
  return `\`${code}\``;
}

/** Nested limits as `outer.inner`. */
function flat(limits) {
  return Object.entries(limits).flatMap(([name, value]) =>
    typeof value === 'object'
      ? Object.entries(value).map(([inner, bound]) => [`${name}.${inner}`, bound])
      : [[name, value]],
  );
}

async function writeTables() {
  for (const { file, name, markdown } of await documentTables()) {
    const path = join(ROOT, file);
    const text = readFileSync(path, 'utf8');
    if (tableIn(text, name) === undefined) throw new Error(`${file}: no place for the table ${name}`);
    writeFileSync(
      path,
      text.replace(placeOf(name), (_all, open, _old, close) => `${open}\n${markdown}\n${close}`),
    );
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) await writeTables();
