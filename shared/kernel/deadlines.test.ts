// Deadlines against a naive model: a list of (kind, id, at).

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import { Deadlines } from "./deadlines.ts";

type DeadlineKind = "hold" | "extended" | "paying";

const kind = fc.constantFrom<DeadlineKind>("hold", "extended", "paying");
const id = fc.nat(11);
const step = fc.oneof(
  // More TTLs than there may be lines; deadlines not always counted from a time that goes forward.
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("set" as const), kind, id, lineMs: fc.nat(11), late: fc.nat(5) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), kind, id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("settle" as const), ms: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), byMs: fc.nat(5) }) },
);

interface Entry {
  readonly kind: DeadlineKind;
  readonly id: number;
  readonly at: number;
}

const earliest = (model: readonly Entry[]): number => Math.min(...model.map(({ at }) => at));
const without = (model: readonly Entry[], kind: DeadlineKind, id: number): Entry[] =>
  model.filter((entry) => entry.kind !== kind || entry.id !== id);
const sorted = (entries: Iterable<Entry>): Entry[] =>
  [...entries].sort((a, b) => a.at - b.at || a.id - b.id || (a.kind < b.kind ? -1 : 1));

t.test("the next deadline is the earliest of all, whatever line it stands in", async (t) => {
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const deadlines = new Deadlines<DeadlineKind, number>();
    let model: Entry[] = [];
    let now = 0;
    for (const step of steps) {
      if (step.do === "set") {
        const at = now + step.lineMs - step.late;
        deadlines.set(step.kind, step.lineMs, step.id, at);
        model = [...without(model, step.kind, step.id), { kind: step.kind, id: step.id, at }];
      } else if (step.do === "delete") {
        deadlines.delete(step.kind, step.id);
        model = without(model, step.kind, step.id);
      } else if (step.do === "move") {
        deadlines.moveAll(step.byMs);
        model = model.map((entry) => ({ ...entry, at: entry.at + step.byMs }));
      } else {
        now += step.ms;
        for (let due = deadlines.next(); due !== undefined && due.at <= now; due = deadlines.next()) {
          assert.equal(due.at, earliest(model));
          assert.ok(model.some((entry) => entry.kind === due?.kind && entry.id === due.id && entry.at === due.at));
          deadlines.delete(due.kind, due.id);
          model = without(model, due.kind, due.id);
        }
        assert.ok(earliest(model) > now);
      }
      assert.deepEqual(sorted(deadlines.all()), sorted(model));
      assert.equal(deadlines.size, model.length);
      assert.equal(deadlines.nextAt(), earliest(model));
      assert.equal(deadlines.next()?.at ?? Number.POSITIVE_INFINITY, earliest(model));
    }
  });
  holds(t, "as in the model", property, { numRuns: 400 });
});
