// Goal: the directory asks the database once for a show and once for a layout, however many ask, and never believes
// that a show is missing for good. Method: a real Postgres behind a pool that counts.

import t from "tap";
import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { importCatalogue } from "../../gateway/catalogue/import.ts";
import { ShowDirectory } from "../../gateway/catalogue/show-directory.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const showId = (index: number): ShowId => smallShowId(index) as ShowId;

/** The part of a pool that the directory uses, counting. */
function counting(pool: Pool) {
  const counted = { queries: 0, fails: false };
  const query = (...args: unknown[]): Promise<unknown> => {
    counted.queries += 1;
    if (counted.fails) return Promise.reject(new Error("away"));
    return (pool.query as (...all: unknown[]) => Promise<unknown>).apply(pool, args);
  };
  return { counted, pool: { query } as unknown as Pool };
}

t.test("the show directory", async (t) => {
  const postgres = await startTestPostgres(t);
  await importCatalogue(
    postgres.pool,
    smallCatalogue({ startsAt: 1_800_000_000_000, shows: 3, rows: 2, seatsPerRow: 3 }),
  );

  t.test("one look-up for all who ask at once, one plan for all shows of a layout", async (t) => {
    const { counted, pool } = counting(postgres.pool);
    const directory = new ShowDirectory(pool);
    t.equal(directory.peek(showId(0)), undefined);
    const asked = Array.from({ length: 30 }, (_, i) => directory.find(showId(i % 3)));
    const entries = await Promise.all(asked);
    t.equal(counted.queries, 4, "three shows and one layout");
    t.same(
      entries.map((entry) => entry?.showId),
      Array.from({ length: 30 }, (_, i) => showId(i % 3)),
    );
    t.equal(new Set(entries.map((entry) => entry?.hall)).size, 1);
    t.equal(directory.peek(showId(1)), entries[1]);
    t.equal(entries[0]?.hall.seatOf("B3"), 5);
    t.equal(await directory.find(showId(2)), entries[2]);
    t.equal(counted.queries, 4);
  });

  t.test("a show that is not there is asked for again, and found once it is", async (t) => {
    const { counted, pool } = counting(postgres.pool);
    const directory = new ShowDirectory(pool);
    const late = smallCatalogue({ startsAt: 1_800_000_000_000, prefix: "late" });
    const lateId = smallShowId(0, "late") as ShowId;
    t.equal(await directory.find(lateId), undefined);
    t.equal(await directory.find(lateId), undefined);
    t.equal(counted.queries, 2);
    await importCatalogue(postgres.pool, late);
    t.match(await directory.find(lateId), { showId: lateId });
  });

  t.test("a failed look-up is not kept", async (t) => {
    const { counted, pool } = counting(postgres.pool);
    const directory = new ShowDirectory(pool);
    counted.fails = true;
    await t.rejects(Promise.all([directory.find(showId(0)), directory.find(showId(0))]), { message: "away" });
    t.equal(counted.queries, 1);
    counted.fails = false;
    t.match(await directory.find(showId(0)), { showId: showId(0) });
  });
});
