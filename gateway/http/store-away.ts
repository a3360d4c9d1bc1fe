// Tells the store being away from a bug: what node-postgres throws when there is no server, no connection or no time.
// Routes that read Postgres themselves just let it throw; serve.ts answers 503 instead of 500.

import type { Problem } from "./problem.ts";

const NODE_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** SQLSTATE classes and codes: 08 connection, 53 resources, 57P01–03 shutdown, 57014 cancelled by timeout, 25006 replica. */
const SQLSTATE = /^(?:08...|53...|57P0[123]|57014|25006)$/;

/** pg and pg-pool give these no code. */
const MESSAGES =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end)/;

export function isStoreAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isStoreAway);
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return NODE_CODES.has(code) || SQLSTATE.test(code) || MESSAGES.test(error.message);
}

const RETRY_AFTER_S = 2;

export const storeProblem = (): Problem => ({
  code: "store_unavailable",
  detail: "The store cannot be reached now; ask again later.",
  retryAfterS: RETRY_AFTER_S,
});
