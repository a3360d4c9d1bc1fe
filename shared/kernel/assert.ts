// Assertions for bugs only. A bug throws, the actor dies and is loaded anew; nobody catches one to carry on.

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For hot paths: `if (wrong) fail(…)` makes its message only when there is something to say. */
export function fail(message: string): never {
  throw new AssertionError(message);
}

/** Ends every switch over a union: a new member is a compile error here. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected ${JSON.stringify(value)}`);
}
