import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { built, documentTables, tableIn } from './document-tables.mjs';
import { ROOT, filesBelow } from './workspace.mjs';

const ALERTS = 'docs/forebay.alerts.yaml';

/**
 * Checks that links lead somewhere and that the documents name what the code has.
 * Needs a build: tables are read from it.
 *
 * @returns one line a breach, `file: what`; empty when all is well
 */
export async function checkDocuments() {
  return [...checkLinks(), ...(await checkTables()), ...(await checkMetrics())];
}

function checkLinks() {
  const breaches = [];
  const texts = new Map(filesBelow('', '.md').map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
  for (const [file, text] of texts) {
    for (const link of linksOf(text)) {
      const breach = linkBreach(file, link, texts);
      if (breach !== undefined) breaches.push(`${file}: ${breach}`);
    }
  }
  return breaches;
}

function linkBreach(file, link, texts) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return undefined;
  const [path, anchor] = link.split('#');
  const target = path === '' ? file : posix.normalize(posix.join(posix.dirname(file), decodeURI(path)));
  if (target.startsWith('..')) return `${link} leaves the repository`;
  if (!existsSync(join(ROOT, target))) return `${link} leads nowhere`;
  if (anchor === undefined || anchor === '') return undefined;
  if (statSync(join(ROOT, target)).isDirectory()) return `${link} names an anchor of a folder`;
  const text = texts.get(target);
  if (text === undefined || anchorsOf(text).has(anchor)) return undefined;
  return `${link}: no such heading in ${target}`;
}

/** Targets of inline links, images and reference definitions, outside code. */
export function linksOf(markdown) {
  const prose = withoutCode(markdown);
  const inline = [
    ...prose.matchAll(/\]\(\s*<?([^\s<>()]+(?:\([^\s()]*\))?[^\s<>()]*)>?(?:\s+"[^"]*")?\s*\)/g),
  ];
  const definitions = [...prose.matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/gm)];
  return [...inline, ...definitions].map((match) => match[1]);
}

/** Anchors that headings get: lower case, punctuation dropped, spaces to hyphens, repeats numbered. */
export function anchorsOf(markdown) {
  const anchors = new Set();
  const seen = new Map();
  for (const [, heading] of withoutFences(markdown).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    const repeats = seen.get(slug) ?? 0;
    seen.set(slug, repeats + 1);
    anchors.add(repeats === 0 ? slug : `${slug}-${repeats}`);
  }
  return anchors;
}

function withoutFences(markdown) {
  return markdown.replace(/^( {0,3})(```+|~~~+)[^\n]*\n[\s\S]*?^\1\2\s*$/gm, '');
}

function withoutCode(markdown) {
  return withoutFences(markdown).replace(/`[^`\n]*`/g, '');
}

/** Tables that are generated must say what the code says; blanks and the width of columns do not matter. */
async function checkTables() {
  const breaches = [];
  for (const { file, name, markdown } of await documentTables()) {
    const path = join(ROOT, file);
    const found = existsSync(path) ? tableIn(readFileSync(path, 'utf8'), name) : undefined;
    if (found === undefined) breaches.push(`${file}: no place for the table ${name}`);
    else if (normalTable(found) !== normalTable(markdown)) {
      breaches.push(`${file}: the table ${name} is old; run \`pnpm run docs\``);
    }
  }
  return breaches;
}

function normalTable(markdown) {
  return markdown.trim().replace(/-{3,}/g, '---').replace(/ +/g, ' ');
}

async function checkMetrics() {
  const { Metrics } = await built('packages/proxy/dist/src/metrics.js');
  const { processMetrics } = await built('packages/cli/dist/src/process-metrics.js');
  const registries = [new Metrics().registry, processMetrics('')];
  const names = registries
    .flatMap((registry) => registry.getMetricsAsArray().map((metric) => metric.name))
    .filter((name) => name.startsWith('forebay_'));
  const documented = codeSpansOf('docs/operations.md');
  const missing = names.filter((name) => !documented.has(name));
  const stale = [...documented].filter((span) => /^forebay_[a-z_]+$/.test(span) && !names.includes(span));
  const alerted = readFileSync(join(ROOT, ALERTS), 'utf8').match(/\bforebay_[a-z_]+/g) ?? [];
  const unknown = new Set(alerted.filter((name) => !names.includes(name)));
  return [
    ...Array.from(unknown, (name) => `${ALERTS}: \`${name}\` is not a metric of the proxy`),
    ...missing.map((name) => `docs/operations.md: no row for metric \`${name}\``),
    ...stale.map((name) => `docs/operations.md: \`${name}\` is not a metric of the proxy`),
  ];
}

/** What stands in backquotes in a document. */
function codeSpansOf(file) {
  const path = join(ROOT, file);
  if (!existsSync(path)) return new Set();
  return new Set([...readFileSync(path, 'utf8').matchAll(/`([^`\n]+)`/g)].map((match) => match[1]));
}
