import t from "tap";
import { FreshCache } from "./fresh-cache.ts";

/** A cache of words whose loads end when the test says so. */
function setUp(sizeMax = 100) {
  const clock = { ms: 0, now: () => clock.ms };
  const cache = new FreshCache<{ word: string }>({ freshMs: 10, sizeMax, sizeOf: ({ word }) => word.length, clock });
  const loads: { resolve: (word: string | undefined) => void; reject: (error: Error) => void }[] = [];
  const get = (key: string) =>
    cache.get(
      key,
      () =>
        new Promise((resolve, reject) => {
          loads.push({ resolve: (word) => resolve(word === undefined ? undefined : { word }), reject });
        }),
    );
  return { clock, cache, loads, get };
}

t.test("one load for all who ask at once, and for as long as it is fresh", async (t) => {
  const { clock, loads, get } = setUp();
  const asked = [get("a"), get("a"), get("a")];
  loads[0]?.resolve("one");
  t.same(await Promise.all(asked), [{ word: "one" }, { word: "one" }, { word: "one" }]);
  clock.ms = 10;
  t.same(await get("a"), { word: "one" });
  t.equal(loads.length, 1);
  clock.ms = 11;
  const later = get("a");
  t.equal(loads.length, 2);
  loads[1]?.resolve("two");
  t.same(await later, { word: "two" });
});

t.test("its age counts from when it began to load", async (t) => {
  const { clock, loads, get } = setUp();
  const slow = get("a");
  clock.ms = 11;
  const late = get("a");
  t.equal(loads.length, 2, "the load under way may answer with what is too old already");
  loads[1]?.resolve("new");
  t.same(await late, { word: "new" });
  loads[0]?.resolve("old");
  t.same(await slow, { word: "old" });
  t.same(await get("a"), { word: "new" }, "the slower, older one does not replace it");
});

t.test("nothing from before a clear is answered after it", async (t) => {
  const { cache, loads, get } = setUp();
  const before = get("a");
  cache.clear();
  const after = get("a");
  t.equal(loads.length, 2);
  loads[0]?.resolve("old");
  t.same(await before, { word: "old" });
  t.equal(cache.peek("a"), undefined);
  loads[1]?.resolve("new");
  t.same(await after, { word: "new" });
  t.same(cache.peek("a"), { word: "new" });
});

t.test("neither failures nor nothing are kept", async (t) => {
  const { loads, get } = setUp();
  const failing = get("a");
  loads[0]?.reject(new Error("away"));
  await t.rejects(failing, { message: "away" });
  const empty = get("a");
  loads[1]?.resolve(undefined);
  t.equal(await empty, undefined);
  get("a").catch(() => undefined);
  t.equal(loads.length, 3);
});

t.test("its size is bounded; the oldest goes first", async (t) => {
  const { cache, loads, get } = setUp(10);
  for (const [i, word] of ["aaaa", "bbbb", "cccc"].entries()) {
    const asked = get(word);
    loads[i]?.resolve(word);
    await asked;
  }
  t.equal(cache.size, 8);
  t.equal(cache.peek("aaaa"), undefined);
  t.ok(cache.peek("bbbb"));
  const large = get("large");
  loads[3]?.resolve("x".repeat(11));
  await large;
  t.equal(cache.peek("large"), undefined, "larger than everything");
  t.equal(cache.size, 8);
});
