// What a refused input is told: for each kind of schema the one message, however it was wrong.

import { z } from "@hono/zod-openapi";
import t from "tap";
import { fieldErrors } from "./schema-words.ts";

const schema = z
  .strictObject({
    quantity: z.int().min(1).max(10),
    names: z.array(z.string().min(1).max(8)).min(1).max(3).optional(),
    flag: z.boolean().optional(),
    policy: z.enum(["strict", "first_fit"]).optional(),
    note: z.string().max(5).nullable().optional(),
    any: z.string().optional(),
    ratio: z.number().min(-1).max(1).optional(),
    whole: z.int().optional(),
    inner: z.strictObject({ email: z.string().regex(/@/, "must be an e-mail address") }).optional(),
    prices: z.record(z.string().regex(/^[a-z]+$/, "must be small letters"), z.int().min(0)).optional(),
    at: z.iso.datetime("must be a time").optional(),
    by: z.iso.datetime("must be a time"),
  })
  .openapi("Everything");

const right = { quantity: 1, by: "2026-01-01T00:00:00Z" };
const saidOf = (input: unknown): string[] =>
  fieldErrors(schema, input, "field").map(({ field, message }) => `${field} ${message}`);

t.test("a field says what it must be, whatever is wrong with it", async (t) => {
  const quantity = "quantity must be a whole number from 1 to 10";
  const names = "names must be an array of 1 to 3 strings";
  const cases: [more: object, said: string][] = [
    ...["2", 0, 11, 1.5, null, true, 1e300, Number.POSITIVE_INFINITY, [], {}].map((value): [object, string] => [
      { quantity: value },
      quantity,
    ]),
    ...["a", 1, null, [], ["a", "b", "c", "d"], {}].map((value): [object, string] => [{ names: value }, names]),
    [{ names: ["a", 7] }, "names.1 must be a string of 1 to 8 characters"],
    [{ names: ["a", ""] }, "names.1 must be a string of 1 to 8 characters"],
    [{ names: ["x".repeat(9)] }, "names.0 must be a string of 1 to 8 characters"],
    [{ flag: 1 }, "flag must be true or false"],
    [{ policy: "lifo" }, "policy must be one of strict, first_fit"],
    [{ policy: 1 }, "policy must be one of strict, first_fit"],
    [{ note: "x".repeat(6) }, "note must be a string of at most 5 characters or null"],
    [{ any: 1 }, "any must be a string"],
    [{ ratio: 2 }, "ratio must be a number from -1 to 1"],
    [{ whole: "1" }, "whole must be a whole number"],
    [{ inner: [] }, "inner must be an object"],
    [{ inner: { email: "ann" } }, "inner.email must be an e-mail address"],
    [{ inner: {} }, "inner.email is required"],
    [{ inner: { email: "a@b", phone: 1 } }, "inner.phone is not a field here"],
    [{ prices: { vip: -1 } }, "prices.vip must be a whole number of at least 0"],
    [{ prices: { VIP: 1 } }, "prices.VIP must be small letters"],
    [{ prices: 1 }, "prices must be an object"],
    [{ at: "noon" }, "at must be a time"],
    [{ other: 1 }, "other is not a field here"],
  ];
  for (const [more, said] of cases) t.same(saidOf({ ...right, ...more }), [said], said);
});

t.test("what is missing is required, also where the schema has words of its own", async (t) => {
  t.same(saidOf({}), ["quantity is required", "by is required"]);
  for (const input of [[], null, "text", 7, undefined]) {
    const [said, ...more] = saidOf(input);
    t.match([said, more], [input === undefined ? "body is required" : "body must be an object", []]);
  }
});

t.test("a parameter is called one, and names from outside are bounded in length and number", async (t) => {
  const [one] = fieldErrors(z.strictObject({}), { wiat: "30" }, "parameter");
  t.same(one, { field: "wiat", message: "is not a parameter here" });
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${i}${"x".repeat(100)}`, 1]));
  const said = fieldErrors(z.strictObject({}), many, "field");
  t.equal(said.length, 20);
  t.ok(said.every(({ field }) => field.length === 64));
  const proto = JSON.parse('{"__proto__":1,"quantity":1,"by":"2026-01-01T00:00:00Z"}');
  t.same(saidOf(proto), ["__proto__ is not a field here"]);
});
