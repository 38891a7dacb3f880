import * as fc from 'fast-check';
import type { Test } from 'tap';

/** Tests that a property holds; if not, the failure tells seed and counterexample. */
export function holds<Ts>(t: Test, property: fc.IProperty<Ts>, parameters: fc.Parameters<Ts> = {}): void {
  const details = fc.check(property, parameters);
  t.notOk(details.failed, fc.defaultReportMessage(details) ?? `holds in ${details.numRuns} runs`);
}
