// LinkedHashMap against the most naive model of it: an array sorted by rank, equal ranks in the order of their arrival.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import { LinkedHashMap } from "./linked-hash-map.ts";

type Step =
  | { readonly kind: "set"; readonly key: number; readonly rank: number }
  | { readonly kind: "delete"; readonly key: number }
  | { readonly kind: "shift"; readonly by: number };

const KEYS = 10;
const key = fc.nat(KEYS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key, rank: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("shift" as const), by: fc.integer({ min: -5, max: 5 }) }) },
);

type Model = readonly (readonly [key: number, rank: number])[];

const rankIn = (model: Model, key: number): number | undefined => model.find(([other]) => other === key)?.[1];

function applyToModel(model: Model, step: Step): Model {
  if (step.kind === "shift") return model.map(([key, rank]) => [key, rank + step.by]);
  const others = model.filter(([key]) => key !== step.key);
  if (step.kind === "delete") return others;
  const after = others.findIndex(([, rank]) => rank > step.rank);
  return others.toSpliced(after < 0 ? others.length : after, 0, [step.key, step.rank]);
}

function applyToMap(map: LinkedHashMap<number>, step: Step, model: Model): void {
  if (step.kind === "set") assert.equal(map.set(step.key, step.rank), rankIn(model, step.key));
  else if (step.kind === "shift") map.shift(step.by);
  else assert.equal(map.delete(step.key), rankIn(model, step.key));
}

t.test("a linked hash map is a sorted list that is found by key", async (t) => {
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const map = new LinkedHashMap<number>();
    let model: Model = [];
    for (const step of steps) {
      applyToMap(map, step, model);
      model = applyToModel(model, step);
      assert.deepEqual([...map], model);
      assert.equal(map.size, model.length);
      assert.deepEqual([map.head()?.key, map.head()?.rank], [model[0]?.[0], model[0]?.[1]]);
      for (let key = 0; key < KEYS; key += 1) assert.equal(map.rankOf(key), rankIn(model, key));
    }
  });
  holds(t, "as in the model", property, { numRuns: 300 });
});
