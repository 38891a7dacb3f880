import { readFileSync, statSync } from 'node:fs';
import { LineCounter, isAlias, isNode, parseDocument, visit, type Alias, type Document } from 'yaml';
import type { z } from 'zod';
import { ConfigError } from './config-error.js';
import { CONFIG_SCHEMA, type ConfigFile } from './config-schema.js';

const MAX_FILE_BYTES = 1 << 20;

/**
 * Reads and checks a configuration file (YAML 1.2, so JSON too).
 *
 * @throws ConfigError naming the first wrong key as `file:line: key`
 */
export function readConfigFile(path: string): ConfigFile {
  return parseConfig(readText(path), path);
}

/** @param name the file's name, for complaints. */
export function parseConfig(text: string, name: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) {
    const line = lines.linePos(fault.pos[0]).line;
    throw new ConfigError(`${name}:${line}`, `not YAML: ${firstLine(fault.message)}`, { cause: fault });
  }
  const result = CONFIG_SCHEMA.safeParse(valuesOf(document, name, lines) ?? {});
  if (result.success) return result.data;
  // An unknown key explains a missing one more often than not, so it is the one to complain about.
  const issues = result.error.issues;
  const issue = issues.find((one) => one.code === 'unrecognized_keys') ?? issues[0];
  if (issue === undefined) throw new ConfigError(name, 'not a configuration');
  throw configErrorOf(issue, name, document, lines);
}

/** @throws ConfigError for an alias that names nothing, and for more of them than a configuration needs */
function valuesOf(document: Document, name: string, lines: LineCounter): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    const alias = unresolvedAlias(document);
    if (alias === undefined) {
      throw new ConfigError(name, 'too many aliases (*name); write out what they stand for', { cause });
    }
    const line = lines.linePos(alias.range?.[0] ?? 0).line;
    const advice = `'*${alias.source}' refers to no '&${alias.source}' above it; quote it if it is text`;
    throw new ConfigError(`${name}:${line}`, advice, { cause });
  }
}

/** The first alias without an anchor above it. */
function unresolvedAlias(document: Document): Alias | undefined {
  const anchors = new Set<string>();
  let found: Alias | undefined;
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        if (anchors.has(node.source)) return undefined;
        found = node;
        return visit.BREAK;
      }
      if (node.anchor !== undefined) anchors.add(node.anchor);
      return undefined;
    },
  });
  return found;
}

/** @throws ConfigError where it cannot be read, or is no configuration by its size */
export function readText(path: string): string {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new ConfigError(path, 'not a file');
    if (stats.size > MAX_FILE_BYTES) throw new ConfigError(path, 'more than 1 MiB: not a configuration');
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(path, `cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function configErrorOf(
  issue: z.core.$ZodIssue,
  name: string,
  document: Document,
  lines: LineCounter,
): ConfigError {
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
  const where = `${name}:${lineOf(document, lines, path)}`;
  const key = path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  );
  return new ConfigError(key === '' ? where : `${where}: ${key}`, adviceOf(issue));
}

function adviceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'unknown key; docs/forebay.example.yaml has the known ones';
  if (issue.code === 'invalid_type') {
    const isMissing = issue.message.endsWith('received undefined');
    return `${isMissing ? 'missing; must be' : 'must be'} ${article(issue.expected)}`;
  }
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  return issue.message;
}

function article(expected: string): string {
  if (expected === 'object') return 'a mapping (key: value)';
  if (expected === 'array') return 'a list (- item)';
  return expected === 'int' ? 'a whole number' : `a ${expected}`;
}

/** The line of the innermost part of `path` that the file has. */
export function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth) as unknown[], true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
