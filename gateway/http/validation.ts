// What every request is checked for before a route sees it, and the schemas routes share.
// V1: no string of a body or query holds a NUL or half a surrogate pair: Postgres can store neither.
// V2: a parsed body is at most DEPTH_MAX deep, so that nothing that walks it can run out of stack.
// V3: bodies are strict: a field the route does not know is refused by name. Query parameters it does not know are
//     ignored (links gather them), but where the schema is strict; a known one given twice is refused.
// What is said about input that a schema refused is schema-words.ts's.

import { z } from "@hono/zod-openapi";
import type { FieldError } from "./problem.ts";

const DEPTH_MAX = 32;

/** With the `u` flag a pair is one code point, so this matches only halves. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export function textFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  if (LONE_SURROGATE.test(text)) return "must be well-formed Unicode";
  return undefined;
}

const join = (path: string, key: string | number): string => (path === "" ? String(key) : `${path}.${key}`);

/** The first string, key or nesting in a parsed JSON value that breaks V1 or V2. */
export function valueFault(value: unknown, path = "", depth = 0): FieldError | undefined {
  if (typeof value === "string") {
    const message = textFault(value);
    return message === undefined ? undefined : { field: path, message };
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (depth >= DEPTH_MAX) return { field: path, message: `must not be nested deeper than ${DEPTH_MAX}` };
  for (const [key, child] of Object.entries(value)) {
    const message = textFault(key);
    // The key itself is not repeated: it is the part that cannot be printed.
    if (message !== undefined) return { field: path === "" ? "(a field's name)" : path, message };
    const fault = valueFault(child, join(path, key), depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** A whole number in a query string: digits alone, no sign, no exponent. */
export function queryInteger(range: { readonly min: number; readonly max: number }) {
  const message = `must be a whole number from ${range.min} to ${range.max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((n) => n >= range.min && n <= range.max, message)
    .openapi({ type: "integer", minimum: range.min, maximum: range.max });
}
