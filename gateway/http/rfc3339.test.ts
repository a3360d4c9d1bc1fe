import fc from "fast-check";
import t from "tap";
import { rfc3339 } from "./rfc3339.ts";

t.test("it is what Date says, for every millisecond of four-digit years", async (t) => {
  const moment = fc.oneof(
    fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
    fc
      .integer({ min: -400, max: 3_000_000 })
      .map((n) => n * 86_400_000 + ((n % 3) - 1))
      .filter((ms) => ms < 253_402_300_800_000),
  );
  fc.assert(
    fc.property(moment, (ms) => rfc3339(ms) === new Date(ms).toISOString()),
    { numRuns: 5_000 },
  );
  t.equal(rfc3339(0), "1970-01-01T00:00:00.000Z");
  t.throws(() => rfc3339(Number.NaN));
});
