import t from "tap";
import { SeededRandom } from "./seeded-random.ts";

const draw = (seed: number, count: number, bound: number): number[] => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => random.below(bound));
};

t.test("the same seed gives the same numbers, another seed others", async (t) => {
  t.same(draw(7, 50, 1_000), draw(7, 50, 1_000));
  for (const seed of [0, 8, -7, 2 ** 31]) t.notSame(draw(7, 50, 1_000), draw(seed, 50, 1_000), `seed ${seed}`);
});

t.test("numbers are spread evenly over 0 to bound − 1", async (t) => {
  const counts = new Array<number>(7).fill(0);
  for (const n of draw(1, 70_000, 7)) counts[n] = (counts[n] ?? Number.NaN) + 1;
  // Each count is binomial around 10,000 with a deviation of 93.
  for (const [n, count] of counts.entries()) t.ok(Math.abs(count - 10_000) < 500, `${count} of ${n}`);
  const all = new SeededRandom(3);
  t.ok(
    Array.from({ length: 1_000 }, () => all.bits()).every(
      (bits) => Number.isInteger(bits) && bits >= 0 && bits < 2 ** 32,
    ),
  );
  t.ok(draw(2, 200, 3).includes(2));
  t.equal(new SeededRandom(1).pick(["only"]), "only");
});
