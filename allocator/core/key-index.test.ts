// KeyIndex: every key of the last 24 h is known. It may know too many, within bounds that keep it small.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import type { OperationId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { holds } from "../../test/core/property.ts";
import { fingerprintOf, KEY_PERIOD_MS, KeyIndex } from "./key-index.ts";

const HOUR_MS = 3_600_000;
const T0 = 1_800_000_000_000;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const random = new SeededRandom(1);
const newKey = (): OperationId => Array.from({ length: 22 }, () => random.pick([...ALPHABET])).join("") as OperationId;

t.test("never too few", async (t) => {
  // Few keys, so that one comes again later, and as a hold's.
  const pool = Array.from({ length: 60 }, newKey);
  const step = fc.record({
    afterMs: fc.oneof(fc.nat(30 * HOUR_MS), fc.nat(60_000), fc.constant(KEY_PERIOD_MS)),
    keys: fc.array(fc.nat(pool.length - 1), { maxLength: 40 }),
    areHolds: fc.nat(4).map((n) => n === 0),
  });
  const property = fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const index = new KeyIndex();
    const knownUntil = new Map<OperationId, number>();
    let now = T0;
    for (const { afterMs, keys, areHolds } of steps) {
      now += afterMs;
      for (const key of keys.map((i) => pool[i] as OperationId)) {
        if (areHolds) index.addHold(key);
        else index.add(key, now);
        const until = areHolds ? Number.POSITIVE_INFINITY : now + KEY_PERIOD_MS;
        knownUntil.set(key, Math.max(until, knownUntil.get(key) ?? 0));
      }
      for (const [key, until] of knownUntil)
        if (now <= until) assert.ok(index.mayHave(key), `${until - now} ms too early`);
    }
  });
  holds(t, "a key is known for a day since it last came, a hold's for ever", property, { numRuns: 400 });
});

t.test("not many too many", async (t) => {
  const index = new KeyIndex();
  t.notOk(index.mayHave(newKey()), "an empty one knows nothing");
  const old = Array.from({ length: 2_000 }, newKey);
  for (const key of old) index.add(key, T0);
  // 30 bits: 2,000 of 10⁹ fingerprints, so that in 2,000 questions about one in 250 runs is answered wrongly.
  const strangers = Array.from({ length: 2_000 }, newKey).filter((key) => index.mayHave(key));
  t.ok(strangers.length <= 2, `${strangers.length} of 2,000 strangers are thought known`);
  index.add(newKey(), T0 + KEY_PERIOD_MS);
  t.ok(
    old.every((key) => index.mayHave(key)),
    "still known a period later",
  );
  index.add(newKey(), T0 + 2 * KEY_PERIOD_MS);
  t.ok(old.filter((key) => index.mayHave(key)).length <= 2, "forgotten after two");
  const idle = new KeyIndex();
  for (const key of old) idle.add(key, T0);
  idle.add(newKey(), T0 + 2 * KEY_PERIOD_MS);
  t.ok(old.filter((key) => idle.mayHave(key)).length <= 2, "and at once after a pause of two");
});

t.test("a key is found again also where many share its fingerprint, or it was added before the last", async (t) => {
  const index = new KeyIndex();
  const twins = Array.from({ length: 50 }, (_, i) => `AAAAA${i}`.padEnd(22, "x") as OperationId);
  for (const key of twins) index.add(key, T0);
  t.ok(twins.every((key) => index.mayHave(key)));
  const later = newKey();
  index.add(later, T0 - HOUR_MS);
  t.ok(index.mayHave(later));
  t.ok(twins.every((key) => index.mayHave(key)));
});

t.test("a hold's key is never forgotten", async (t) => {
  const index = new KeyIndex();
  const holds = Array.from({ length: 1_000 }, newKey);
  for (const key of holds) index.addHold(key);
  for (let day = 0; day < 9; day += 1) index.add(newKey(), T0 + day * KEY_PERIOD_MS);
  t.ok(holds.every((key) => index.mayHave(key)));
});

t.test("a fingerprint is 30 bits, spread by the first five characters", async (t) => {
  const seen = new Set(Array.from({ length: 5_000 }, () => fingerprintOf(newKey())));
  t.ok([...seen].every((bits) => Number.isInteger(bits) && bits >= 0 && bits < 2 ** 30));
  t.ok(seen.size >= 4_998, `${seen.size} of 5,000`);
});
