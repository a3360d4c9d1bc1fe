// Goal: the format keeps its promises to processes of other versions. Method: two versions of one record read one
// another; the layout of everything that travels is compared with the one that was recorded.

import { readFileSync } from "node:fs";
import t from "tap";
import { COMMAND } from "./command-shape.ts";
import { NODE_REPLY, UPDATE } from "./reply-shape.ts";
import { absent, COUNT, FLAG, oneOf, optional, record, TRUE, text, Unreadable, union } from "./shape.ts";

interface Old {
  readonly a: number;
  readonly b: string | undefined;
}
interface New extends Old {
  readonly c: boolean | undefined;
  readonly d?: true;
}
const OLD = record<Old>({ a: COUNT, b: optional(text(10)) });
const NEW = record<New>({ a: COUNT, b: optional(text(10)), c: optional(FLAG), d: absent(TRUE) });

t.test("a new optional field at the end: both versions read both", async (t) => {
  const full: New = { a: 1, b: "b", c: false, d: true };
  t.strictSame(OLD.read(NEW.write(full)), { a: 1, b: "b" });
  t.strictSame(NEW.read(OLD.write({ a: 1, b: "b" })), { a: 1, b: "b", c: undefined });
  t.strictSame(NEW.read(OLD.write({ a: 1, b: undefined })), { a: 1, b: undefined, c: undefined });
  t.strictSame(OLD.read(NEW.write({ ...full, b: undefined })), { a: 1, b: undefined });
});

t.test("undefined is null inside and nothing at the end", async (t) => {
  t.strictSame(NEW.write({ a: 1, b: undefined, c: true }), [1, null, true]);
  t.strictSame(NEW.write({ a: 1, b: undefined, c: undefined }), [1]);
  t.strictSame(NEW.read([1, null, null, null]), { a: 1, b: undefined, c: undefined });
  t.notOk("d" in NEW.read([1, null, null, null]), "an absent property is absent");
  t.throws(() => NEW.read([null]), new Unreadable("a: not count"));
});

t.test("what cannot keep the promises is not declared", async (t) => {
  t.throws(
    () => record<{ a: number | undefined; b: number }>({ a: optional(COUNT), b: COUNT }),
    /optional fields come last/,
  );
  t.throws(() => oneOf<"a" | "b">({ a: 1, b: 1 }), /a number twice/);
  type U = { readonly kind: "a" } | { readonly kind: "b"; readonly n: number };
  t.throws(() => union<U, "kind">("kind", { a: [1, {}], b: [1, { n: COUNT }] }), /a number twice/);
  // @ts-expect-error: a kind without an entry does not compile.
  union<U, "kind">("kind", { a: [1, {}] });
  // @ts-expect-error: nor does one without one of its fields.
  union<U, "kind">("kind", { a: [1, {}], b: [2, {}] });
});

t.test("order and numbers are as recorded: they are for ever", async (t) => {
  const layout = `COMMAND ${COMMAND.layout}\n\nREPLY ${NODE_REPLY.layout}\n\nUPDATE ${UPDATE.layout}\n`;
  const recorded = readFileSync(new URL("./layout.txt", import.meta.url), "utf8");
  // Only ever add: a kind, a name, an optional field at the end. Then write this text into the file.
  t.equal(layout, recorded);
});
