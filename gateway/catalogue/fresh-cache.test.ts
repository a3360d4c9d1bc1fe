import t from "tap";
import { FreshCache } from "./fresh-cache.ts";

/** A cache of words whose loads end when the test says so. */
function setUp(bounds: { entriesMax?: number; bytesMax?: number } = {}) {
  const clock = { ms: 0, now: () => clock.ms };
  const cache = new FreshCache<{ word: string }>({
    freshMs: 10,
    entriesMax: 100,
    bytesMax: 1_000_000,
    ...bounds,
    bytesOf: ({ word }) => word.length,
    clock,
  });
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

/** Loads each key in turn; its value is `x` as often as said. */
async function fill({ get, loads }: ReturnType<typeof setUp>, keys: readonly string[], length = 4): Promise<void> {
  for (const key of keys) {
    const asked = get(key);
    loads.at(-1)?.resolve("x".repeat(length));
    await asked;
  }
}

t.test("its bytes are bounded, keys and overhead too; the oldest goes first", async (t) => {
  const set = setUp({ bytesMax: 2 * (500 + 2 + 4) });
  const { cache } = set;
  await fill(set, ["a", "b", "c"]);
  t.equal(cache.bytes, 2 * 506);
  t.equal(cache.peek("a"), undefined);
  t.ok(cache.peek("b"));
  await fill(set, ["large"], 1_001);
  t.equal(cache.peek("large"), undefined, "larger than everything");
  await fill(set, ["k".repeat(250)]);
  t.same([cache.size, cache.bytes], [1, 1_004], "a long key leaves room for nothing else");
  cache.clear();
  t.same([cache.size, cache.bytes], [0, 0]);
});

t.test("its entries are bounded", async (t) => {
  const set = setUp({ entriesMax: 3 });
  await fill(set, ["a", "b", "c", "d", "e"]);
  t.equal(set.cache.size, 3);
  t.equal(set.cache.peek("b"), undefined);
  t.ok(set.cache.peek("c"));
});

t.test("what is no longer fresh goes when something else comes, though there is room", async (t) => {
  const set = setUp();
  await fill(set, ["a", "b"]);
  set.clock.ms = 5;
  await fill(set, ["c"]);
  t.equal(set.cache.size, 3);
  set.clock.ms = 11;
  await fill(set, ["d"]);
  t.same([set.cache.size, set.cache.bytes], [2, 2 * 506]);
  t.ok(set.cache.peek("c"));
});
