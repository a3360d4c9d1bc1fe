// Random lives of a show: whatever is asked of it, by whom, in whatever order, with clocks that go back, keys used
// again, rows gone cold and owners that change, the rules of the house hold after every turn.
// Method: see scenario.ts (what is drawn), auditor.ts, line-auditor.ts and verdict.ts (what is checked).

import fc from "fast-check";
import t from "tap";
import { holds } from "./property.ts";
import { NUMBERS_PER_STEP, Scenario } from "./scenario.ts";

const numbers = (length: number) => fc.array(fc.nat(997), { minLength: length, maxLength: length });

t.test("the rules hold in every life", async (t) => {
  const property = fc.property(
    numbers(NUMBERS_PER_STEP),
    fc.array(numbers(NUMBERS_PER_STEP), { maxLength: 120, size: "max" }),
    (setup, steps) => {
      const scenario = new Scenario(setup);
      for (const [i, step] of steps.entries()) {
        const wrong = scenario.step(step);
        if (wrong.length > 0) throw new Error(`after step ${i}: ${wrong.join("; ")}`);
      }
      const wrong = scenario.finish();
      if (wrong.length > 0) throw new Error(wrong.join("; "));
    },
  );
  holds(t, "a life", property, { numRuns: 300 });
});
