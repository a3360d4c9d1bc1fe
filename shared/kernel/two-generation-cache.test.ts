import t from "tap";
import { TwoGenerationCache } from "./two-generation-cache.ts";

t.test("bounded, and what is used stays", async (t) => {
  const cache = new TwoGenerationCache<number, { n: number }>(10);
  cache.set(0, { n: 0 });
  for (let n = 1; n <= 100; n += 1) {
    cache.set(n, { n });
    t.ok(cache.size <= 10, `${cache.size} after ${n}`);
    t.equal(cache.get(0)?.n, 0, `used all the time, still there after ${n}`);
  }
  t.equal(cache.get(1), undefined);
  t.equal(cache.get(100)?.n, 100);
  cache.set(100, { n: 1 });
  t.equal(cache.get(100)?.n, 1);
});
