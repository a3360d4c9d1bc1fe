// A schema's verdict on JSON, whatever the JSON: zod compares the `length` (or `size`) of what should be an array or a
// string before it has found that it is neither, and throws where that is an object: `{"length":{"toString":false}}`.

import type { z } from "@hono/zod-openapi";

/** No schema here looks deeper, and a body may be nested deeper than a stack. */
const DEPTH_MAX = 16;
const MEASURES = ["length", "size"] as const;

/** `value` is freshly parsed JSON and may be written on: measures that cannot be compared become what can. */
function disarm(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return value;
  if (!Array.isArray(value)) {
    const object = value as Record<string, unknown>;
    for (const name of MEASURES) if (typeof object[name] === "object" && object[name] !== null) object[name] = "object";
  }
  for (const part of Object.values(value)) disarm(part, depth + 1);
  return value;
}

export const safeParse = <T>(
  schema: z.ZodType<T>,
  value: unknown,
  params?: Parameters<z.ZodType<T>["safeParse"]>[1],
): ReturnType<z.ZodType<T>["safeParse"]> => schema.safeParse(disarm(value), params);
