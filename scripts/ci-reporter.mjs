import { Transform } from 'node:stream';
import { Parser } from 'tap-parser';

/**
 * A tap reporter for logs that people read: one line a test file as it ends, every failure in full, and a
 * closing line of exactly `N passed, N failed[, N skipped]` that counts assertions.
 *
 * A file that fails as a whole (dies while loading, times out, plans wrong) without a failed assertion of its
 * own counts as one failure.
 */
export default class CiReporter extends Transform {
  #parser = new Parser();
  #count = { passed: 0, failed: 0, skipped: 0 };
  #skips = [];

  constructor() {
    super({ decodeStrings: false });
    this.#watch(this.#parser, []);
  }

  _transform(chunk, _encoding, done) {
    this.#parser.write(chunk);
    done();
  }

  _flush(done) {
    this.#parser.once('complete', (results) => {
      const count = this.#count;
      if (!results.ok && count.failed === 0) count.failed = 1;
      if (this.#skips.length > 0) this.push(`\nSkipped:\n${this.#skips.join('')}`);
      const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
      this.push(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`);
      done();
    });
    this.#parser.end();
  }

  /** Counts what `parser` reports; `path` names the subtests around it. */
  #watch(parser, path) {
    let child = { passed: 0, failed: 0 };
    parser.on('child', (sub) => {
      const before = { ...this.#count };
      this.#watch(sub, [...path, sub.name]);
      sub.on('complete', () => {
        child = { passed: this.#count.passed - before.passed, failed: this.#count.failed - before.failed };
      });
    });
    parser.on('bailout', (why) => {
      this.#count.failed++;
      this.push(`BAIL OUT ${why}\n`);
    });
    parser.on('assert', (result) => {
      this.#assertion(result, path, child);
      child = { passed: 0, failed: 0 };
    });
    if (path.length > 0) return;
    // What a test prints between its assertions, and what tap itself says of a file that died.
    parser.on('extra', (text) => this.push(text));
  }

  #assertion(result, path, child) {
    if (path.length === 0) this.push(fileLine(result, child));
    const closes = result.closingTestPoint && (result.ok || child.failed > 0);
    if (closes && !result.skip) return;
    if (result.skip || result.todo) {
      this.#count.skipped++;
      this.#skips.push(`  ${title(path, result)}: ${reason(result)}\n`);
    } else if (result.ok) {
      this.#count.passed++;
    } else {
      this.#count.failed++;
      this.push(`\nFAIL ${title(path, result)}\n${diagnosis(result.diag)}\n`);
    }
  }
}

function fileLine(result, child) {
  const seconds = typeof result.time === 'number' ? ` ${(result.time / 1000).toFixed(1)} s` : '';
  const verdict = result.ok ? 'ok  ' : 'FAIL';
  return `${verdict} ${result.name} (${child.passed} passed${child.failed ? `, ${child.failed} failed` : ''})${seconds}\n`;
}

function title(path, result) {
  return [...path, result.name].filter(Boolean).join(' > ');
}

function reason(result) {
  const text = result.skip || result.todo;
  return typeof text === 'string' ? text : 'no reason given';
}

/** The diagnostics as indented text; multi-line strings keep their lines. */
function diagnosis(diagnostics, indent = '  ') {
  if (diagnostics === null || diagnostics === undefined) return '';
  let text = '';
  for (const [name, value] of Object.entries(diagnostics)) {
    if (typeof value === 'string' && value.includes('\n')) {
      const lines = value.trimEnd().split('\n');
      text += `${indent}${name}:\n${lines.map((line) => `${indent}  ${line}\n`).join('')}`;
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      text += `${indent}${name}:\n${diagnosis(value, `${indent}  `)}`;
    } else {
      text += `${indent}${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}\n`;
    }
  }
  return text;
}
