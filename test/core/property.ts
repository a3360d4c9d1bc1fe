// A fast-check property as a tap test. The seed and the smallest counterexample are in the test's name when it fails.

import fc from "fast-check";

interface Test {
  ok(value: unknown, message: string): unknown;
}

export function holds<Ts>(t: Test, claim: string, property: fc.IRawProperty<Ts>, parameters?: fc.Parameters<Ts>): void {
  const run = fc.check(property as fc.IProperty<Ts>, parameters);
  const why = run.failed ? `: ${String(run.errorInstance)}\n${fc.defaultReportMessage(run)}` : ` (${run.numRuns} runs)`;
  t.ok(!run.failed, `${claim}${why}`);
}
