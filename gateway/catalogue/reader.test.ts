import t from "tap";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { MoviesQuery } from "./queries.ts";
import { CatalogueReader } from "./reader.ts";

t.test("the first page is kept, pages behind a cursor are not", async (t) => {
  let queryCount = 0;
  const query = async () => {
    queryCount += 1;
    return { rows: [] };
  };
  const reader = new CatalogueReader({ pool: { query } as unknown as Pool, clock: { now: () => 0 } });
  const asked = async (after: MoviesQuery["after"]) => {
    const before = queryCount;
    for (const _ of [1, 2, 3]) await reader.movies({ cityId: undefined, limit: 10, after });
    return queryCount - before;
  };
  const once = await asked(undefined);
  t.ok(once > 0);
  t.equal(await asked({ title: "x".repeat(1_000), movieId: "m" }), 3 * once);
  t.equal(await asked(undefined), 0);
});
