// LinkedHashMap against a Map, with ids that meet in one slot, wrap around the end and are all alike; and the order of
// a line against a list that is sorted, equal ones in the order of their arrival.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import { DeadlineLines } from "./deadline-lines.ts";
import { LinkedHashMap, NONE } from "./linked-hash-map.ts";

// The same tail, so the same hash; tails of their own; shorter than what is hashed; an empty one.
const IDS = [...Array.from({ length: 12 }, (_, i) => `${i + 10}.same`), "", "a", "b", "ann", "zoe"].concat(
  Array.from({ length: 20 }, (_, i) => `show-1.${(i * 7919).toString(36).padStart(6, "x")}`),
);

const id = fc.constantFrom(...IDS);
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("set" as const), id, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), id, value: fc.constant(0) }) },
);

t.test("it has what a Map has", async (t) => {
  const property = fc.property(fc.array(change, { maxLength: 120, size: "max" }), (changes) => {
    const map = new LinkedHashMap<string, number>();
    const model = new Map<string, number>();
    for (const { do: what, id, value } of changes) {
      if (what === "set") {
        const before = map.rowOf(id);
        const row = map.set(id, value);
        if (before !== NONE) assert.equal(row, before, "an entry keeps its row");
        model.set(id, value);
      } else {
        assert.equal(map.delete(id), model.delete(id));
      }
      for (const other of IDS) assert.deepEqual([map.has(other), map.get(other)], [model.has(other), model.get(other)]);
      assert.equal(map.size, model.size);
      assert.deepEqual([...map].sort(), [...model].sort());
      assert.deepEqual(map.values().sort(), [...model.values()].sort());
    }
  });
  holds(t, "as in the model", property, { numRuns: 200 });
});

t.test("values may be deleted while one goes through them", async (t) => {
  const map = new LinkedHashMap<string, string>();
  for (const id of IDS) map.set(id, id);
  let count = 0;
  for (const id of map.values()) {
    count += 1;
    map.delete(id);
  }
  t.same([count, map.size], [IDS.length, 0]);
  map.set("a", "again");
  map.clear();
  t.same([map.size, map.get("a")], [0, undefined]);
});

const KEYS = 10;
const key = fc.nat(KEYS - 1).map((n) => `key-${n}`);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("stand" as const), key, at: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), key, at: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), key, at: fc.integer({ min: -5, max: 5 }) }) },
);

t.test("a line is a sorted list", async (t) => {
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const map = new LinkedHashMap<string, number>();
    const lines = new DeadlineLines<"hold", string>(map.rows);
    let model: { readonly id: string; readonly at: number }[] = [];
    for (const { do: what, key, at } of steps) {
      const row = map.set(key, 0);
      if (what === "move") {
        lines.moveAll(at);
        model = model.map((entry) => ({ id: entry.id, at: entry.at + at }));
      } else {
        model = model.filter(({ id }) => id !== key);
        if (what === "leave") lines.leave(row);
        else {
          lines.stand("hold", 0, row, at);
          const after = model.findIndex((entry) => entry.at > at);
          model.splice(after < 0 ? model.length : after, 0, { id: key, at });
        }
      }
      assert.deepEqual(
        Array.from(lines.all(), ({ id, at }) => ({ id, at })),
        model,
      );
      assert.equal(lines.size, model.length);
      assert.equal(lines.nextAt(), model[0]?.at ?? Number.POSITIVE_INFINITY);
      assert.equal(lines.next()?.id, model[0]?.id);
    }
  });
  holds(t, "as in the model", property, { numRuns: 300 });
});
