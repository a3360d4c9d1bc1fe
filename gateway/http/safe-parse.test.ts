// No JSON makes a schema throw.

import { z } from "@hono/zod-openapi";
import t from "tap";
import { safeParse } from "./safe-parse.ts";

const NASTY =
  '{"list":{"length":{"toString":false}},"text":{"length":[{"valueOf":1,"toString":2}]},"set":{"size":{"toString":0}}}';

t.test("measures that cannot be compared are refused like any other wrong type", async (t) => {
  const schema = z.object({
    list: z.array(z.string()).min(1).max(3),
    text: z.string().max(5),
    set: z.array(z.int()).length(2),
  });
  t.throws(() => schema.safeParse(JSON.parse(NASTY)), "as it comes it does throw: else this file has had its day");
  const { error } = safeParse(schema, JSON.parse(NASTY));
  t.same([...new Set(error?.issues.map((issue) => issue.path[0]))], ["list", "text", "set"]);
});

t.test("what is right stays as it is", async (t) => {
  const schema = z.object({ length: z.int(), list: z.array(z.string()) });
  const value = { length: 3, list: ["a"] };
  t.strictSame(safeParse(schema, value).data, value);
});
