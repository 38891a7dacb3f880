import type { Test } from 'tap';
import { classifierFor } from '../src/index.js';
import type { AccessUnitClassifier, ClassifierOptions, Role } from '../src/index.js';
import { hex } from './corpus.js';

/** The classifier of a video stream, which must exist. */
export function videoClassifier(
  encoding: string,
  fmtp?: string,
  options?: ClassifierOptions,
): AccessUnitClassifier {
  const classifier = classifierFor(encoding, 'video', fmtp, options);
  if (classifier === undefined) throw new Error(`no classifier for ${encoding}`);
  return classifier;
}

/** The role of a payload, which must not depend on what lies around it in the buffer. */
export function roleOf(classifier: AccessUnitClassifier, payload: Buffer): Role {
  const role = classifier.classify(payload, 0, payload.length);
  for (const fill of [0x00, 0x01, 0x03, 0x65, 0xff]) {
    const around = Buffer.alloc(300, fill);
    const bytes = Buffer.concat([around, payload, around]);
    const same = classifier.classify(bytes, 300, 300 + payload.length) === role;
    if (!same) throw new Error(`the role of ${payload.toString('hex')} depends on bytes around it`);
  }
  return role;
}

/** One row of a table of payloads, written as hexadecimal digits. */
export type Case = readonly [name: string, payload: string, role: Role];

/** Tests each row. */
export function check(t: Test, classifier: AccessUnitClassifier, cases: readonly Case[]): void {
  for (const [name, payload, role] of cases) t.equal(roleOf(classifier, hex(payload)), role, name);
}
