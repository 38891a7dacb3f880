// Everything that must hold before a change is good: prerequisites, build, checks, tests.
//
//   node scripts/test.mjs [--only checks|tests] [--jobs N] [part of a test file's path]...
//
// Paths select tests and leave the checks out. Closes with `N passed, N failed[, N skipped]`, where a check
// counts as one; the exit code is 1 when anything failed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { checkDocuments } from './check-documents.mjs';
import { checkImports } from './check-imports.mjs';
import { installPrerequisites } from './prerequisites.mjs';
import { ROOT, WORKSPACES, testFiles } from './workspace.mjs';

const CLOSING_LINE = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;
const LINTED = [...WORKSPACES.flatMap((folder) => [`${folder}/src`, `${folder}/test`]), 'scripts'].filter(
  (folder) => existsSync(join(ROOT, folder)),
);

const count = { passed: 0, failed: 0, skipped: 0 };

async function main() {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== '--'),
    allowPositionals: true,
    options: { only: { type: 'string' }, jobs: { type: 'string', default: '2' } },
  });
  const wants = (part) => (values.only ?? part) === part;
  const isReady =
    (await step('prerequisites', installPrerequisites)) &&
    (await step('build', () => run('tsc', ['-b', '--pretty', 'false'])));
  if (isReady && wants('checks') && positionals.length === 0) await runChecks();
  if (isReady && wants('tests')) await runTests(positionals, values.jobs);
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
  process.exitCode = count.failed > 0 ? 1 : 0;
}

async function runChecks() {
  await step('format (prettier)', () => run('prettier', ['--check', '--log-level', 'warn', '.']));
  await step('lint (oxlint, type-aware)', () => run('oxlint', ['--type-aware', ...LINTED]));
  await step('imports (who may know whom)', () => refuse(checkImports()));
  await step('exports (knip: nothing dead, nothing undeclared)', () =>
    run('knip', ['--no-progress', '--no-config-hints']),
  );
  await step('documents (links, error codes, metrics)', async () => refuse(await checkDocuments()));
}

/** Runs one step, says how long it took, counts it. @returns whether it went well */
async function step(name, work) {
  console.log(`\n== ${name}`);
  const startMs = performance.now();
  let note = 'ok';
  let isGood = true;
  try {
    note = (await work()) ?? note;
  } catch (error) {
    note = `FAIL ${error.message}`;
    isGood = false;
  }
  count[isGood ? 'passed' : 'failed']++;
  console.log(`   ${note} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
  return isGood;
}

/** Turns a list of breaches into a step's failure. */
function refuse(breaches) {
  for (const breach of breaches) console.log(`   ${breach}`);
  if (breaches.length > 0) throw new Error(`${breaches.length} found`);
}

/** Runs a tool of the workspace with its output shown. */
async function run(tool, args) {
  const { code } = await spawned(tool, args, 'inherit');
  if (code !== 0) throw new Error(`${tool} ended with ${code}`);
}

async function runTests(filters, jobs) {
  console.log('\n== tests (tap)');
  const files = testFiles().filter(
    (file) => filters.length === 0 || filters.some((part) => file.includes(part)),
  );
  if (files.length === 0) throw new Error(`no test file matches ${filters.join(', ')}`);
  const startMs = performance.now();
  let closing;
  const { code } = await spawned(
    'tap',
    [`--jobs=${jobs}`, ...files],
    ['ignore', 'pipe', 'inherit'],
    (line) => {
      const match = CLOSING_LINE.exec(line);
      if (match === null) console.log(line === '' ? '' : `   ${line}`);
      else closing = match;
    },
  );
  const [passed = 0, failed = 0, skipped = 0] = (closing ?? []).slice(1).map((figure) => Number(figure ?? 0));
  count.passed += passed;
  count.failed += failed > 0 || code === 0 ? failed : 1;
  count.skipped += skipped;
  console.log(`   ${files.length} files (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
}

/** Runs a tool from node_modules/.bin to its end; `onLine` gets its output line by line where it is piped. */
function spawned(tool, args, stdio, onLine) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(ROOT, 'node_modules', '.bin', tool), args, { cwd: ROOT, stdio });
    if (onLine !== undefined) createInterface({ input: child.stdout }).on('line', onLine);
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal }));
  });
}

await main();
