// Goal: an import is all or nothing, repeatable, and safe beside another one; what is immutable stays as it is.
// Method: a real Postgres, a database for each test, and the tables compared as a whole before and after.

import t from "tap";
import { smallCatalogue } from "../../demo/catalogue/small.ts";
import { issueText } from "../../gateway/catalogue/check.ts";
import { type Imported, importCatalogue } from "../../gateway/catalogue/import.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { startTestPostgres } from "../harness/postgres.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents are changed in every way here.
type Loose = any;

const STARTS_AT = Date.parse("2026-12-01T19:00:00Z");
const document = (change: (document: Loose) => void = () => undefined): Loose => {
  const value = JSON.parse(JSON.stringify(smallCatalogue({ startsAt: STARTS_AT, rows: 2, seatsPerRow: 2, shows: 2 })));
  change(value);
  return value;
};

const TABLES = ["city", "cinema", "layout", "hall", "movie", "show"] as const;

/** Every row of the catalogue, with the transaction that wrote it. */
async function rowsOf(pool: Pool): Promise<unknown> {
  const tables = TABLES.map(async (table) => (await pool.query(`SELECT xmin, t.* FROM ${table} t ORDER BY 2`)).rows);
  return Promise.all(tables);
}

async function imported(pool: Pool, value: unknown): Promise<Imported> {
  const result = await importCatalogue(pool, value);
  if (result.kind === "refused") throw new Error(result.issues.map(issueText).join("\n"));
  return result;
}

async function refused(pool: Pool, value: unknown): Promise<string[]> {
  const result = await importCatalogue(pool, value);
  return result.kind === "refused" ? result.issues.map(issueText) : ["(imported)"];
}

t.test("imports", async (t) => {
  const postgres = await startTestPostgres(t);
  const fresh = async (...documents: unknown[]): Promise<Pool> => {
    const { pool } = await postgres.freshDatabase();
    for (const each of documents) await imported(pool, each);
    return pool;
  };

  t.test("adds everything, with defaults and categories in the layout's order", async (t) => {
    const pool = await fresh();
    const categories = [
      { name: "front", price: 900 },
      { name: "back", price: 1_500 },
    ];
    const result = await imported(
      pool,
      smallCatalogue({ startsAt: STARTS_AT, rows: 3, seatsPerRow: 2, categories, shows: 2 }),
    );
    t.match(result, {
      cities: { added: 1 },
      cinemas: { added: 1 },
      layouts: { added: 1 },
      halls: { added: 1 },
      movies: { added: 1 },
      shows: { added: 2, updated: 0 },
      changedShows: [],
    });
    const { rows } = await pool.query("SELECT * FROM show WHERE show_id = 'small-0001'");
    t.match(rows[0], {
      movie_id: "small-film",
      hall_id: "small-hall",
      cinema_id: "small-cinema",
      layout_id: "small-layout",
      starts_at: new Date(STARTS_AT),
      ends_at: new Date(STARTS_AT + 90 * 60_000),
      sales_cutoff: new Date(STARTS_AT),
      prices: { front: 900, back: 1_500 },
      hold_ttl_s: null,
      waitlist_policy: "strict",
      cancelled: false,
    });
    const layouts = await pool.query("SELECT categories, category_seats FROM layout");
    t.same(layouts.rows, [{ categories: ["front", "back"], category_seats: [4, 2] }]);
  });

  t.test("again: nothing is written", async (t) => {
    const pool = await fresh(document());
    const before = await rowsOf(pool);
    const result = await imported(pool, document());
    for (const section of ["cities", "cinemas", "layouts", "halls", "movies", "shows"] as const) {
      t.same(result[section], { added: 0, updated: 0 }, section);
    }
    t.same(result.changedShows, []);
    t.same(await rowsOf(pool), before);
  });

  t.test("updates what is different, and says which shows are sold on other terms", async (t) => {
    const pool = await fresh(document());
    const result = await imported(
      pool,
      document((d) => {
        d.cities[0].name = "Shelbyville";
        d.movies[0].duration_min = 100;
        d.cinemas[0].halls[0].name = "Hall of Fame";
        d.shows[1].prices.standard = 1_300;
        d.shows[1].ends_at = "2026-12-01T20:30:00Z";
        d.shows[0].ends_at = "2026-12-01T20:30:00Z";
        d.shows.push({ ...d.shows[0], show_id: "another" });
      }),
    );
    t.match(result, {
      cities: { added: 0, updated: 1 },
      cinemas: { updated: 0 },
      halls: { updated: 1 },
      movies: { updated: 1 },
      shows: { added: 1, updated: 1 },
    });
    t.same(result.changedShows, ["small-0002"]);
  });

  t.test("never deletes, and a part may refer to what is stored", async (t) => {
    const pool = await fresh(document());
    const { shows, cinemas } = document();
    const result = await imported(pool, { shows: [{ ...shows[0], show_id: "later" }] });
    t.same(result.shows, { added: 1, updated: 0 });
    const newHall = { hall_id: "hall-2", name: "Hall 2", layout_id: "small-layout" };
    t.same((await imported(pool, { cinemas: [{ ...cinemas[0], halls: [newHall] }] })).halls, { added: 1, updated: 0 });
    const { rows } = await pool.query("SELECT count(*) AS n FROM show");
    t.same(rows, [{ n: 3 }]);
  });

  const refusals: readonly (readonly [name: string, change: (d: Loose) => void, expected: readonly string[]])[] = [
    [
      "unknown city",
      (d) => {
        d.cinemas[0].city_id = "nowhere";
      },
      ["/cinemas/0/city_id: there is no such city"],
    ],
    [
      "unknown layout",
      (d) => {
        d.cinemas[0].halls[0].layout_id = "none";
      },
      ["/cinemas/0/halls/0/layout_id: there is no such layout"],
    ],
    [
      "unknown hall and movie",
      (d) => {
        d.shows[1].hall_id = "none";
        d.shows[1].movie_id = "none";
      },
      ["/shows/1/hall_id: there is no such hall", "/shows/1/movie_id: there is no such movie"],
    ],
    [
      "a category without a price",
      (d) => {
        d.shows[1].prices = {};
      },
      ["/shows/1/prices/standard: is missing: the layout small-layout has this category"],
    ],
    [
      "a price without a category",
      (d) => {
        d.shows[1].prices.vip = 1;
      },
      ["/shows/1/prices/vip: the layout small-layout has no such category"],
    ],
    [
      "cutoff after the end that follows from the movie",
      (d) => {
        d.shows[1].sales_cutoff = "2026-12-01T20:30:00.001Z";
      },
      ["/shows/1/sales_cutoff: must not be after the end of the show"],
    ],
  ];
  for (const [name, change, expected] of refusals) {
    t.test(`refused as a whole: ${name}`, async (t) => {
      const pool = await fresh();
      t.same(await refused(pool, document(change)), expected);
      t.same(
        await rowsOf(pool),
        TABLES.map(() => []),
        "nothing was written",
      );
    });
  }

  const immutable: typeof refusals = [
    [
      "a layout's plan",
      (d) => {
        d.layouts[0].seats[0].x = 0.5;
      },
      ["/layouts/0: the layout small-layout exists with another plan; layouts never change, use a new id"],
    ],
    [
      "a show's hall",
      (d) => {
        d.cinemas[0].halls.push({ ...d.cinemas[0].halls[0], hall_id: "hall-2" });
        d.shows[0].hall_id = "hall-2";
      },
      ["/shows/0/hall_id: is small-hall since the show was made; make another show instead"],
    ],
    [
      "a show's movie",
      (d) => {
        d.movies.push({ ...d.movies[0], movie_id: "film-2" });
        d.shows[0].movie_id = "film-2";
      },
      ["/shows/0/movie_id: is small-film since the show was made; make another show instead"],
    ],
    [
      "a hall's cinema",
      (d) => {
        d.cinemas[0].cinema_id = "elsewhere";
      },
      ["/cinemas/0/halls/0/hall_id: is a hall of the cinema small-cinema; a hall does not move"],
    ],
  ];
  for (const [name, change, expected] of immutable) {
    t.test(`never changes: ${name}`, async (t) => {
      const pool = await fresh(document());
      const before = await rowsOf(pool);
      t.same(
        await refused(
          pool,
          document((d) => {
            d.cities[0].name = "Shelbyville";
            change(d);
          }),
        ),
        expected,
      );
      t.same(await rowsOf(pool), before);
    });
  }

  t.test("the same plan written otherwise is the same plan", async (t) => {
    const pool = await fresh(document());
    const otherwise = document((d) => {
      for (const seat of d.layouts[0].seats) seat.x = seat.x === 0 ? -0 : seat.x;
      d.layouts[0] = Object.fromEntries(Object.entries(d.layouts[0]).reverse());
    });
    t.same(await refused(pool, otherwise), ["(imported)"]);
  });

  t.test("a hall may get another plan: its shows keep theirs, new ones have the new", async (t) => {
    const pool = await fresh(document());
    const replan = document((d) => {
      const seats = d.layouts[0].seats.map((seat: Loose) => ({ ...seat, category: "sofa" }));
      d.layouts = [{ ...d.layouts[0], layout_id: "plan-2", seats }];
      d.cinemas[0].halls[0].layout_id = "plan-2";
      d.shows.push({ ...d.shows[0], show_id: "new", prices: { sofa: 5 } });
    });
    t.same((await imported(pool, replan)).shows, { added: 1, updated: 0 });
    const { rows } = await pool.query("SELECT show_id, layout_id FROM show ORDER BY show_id");
    t.same(rows, [
      { show_id: "new", layout_id: "plan-2" },
      { show_id: "small-0001", layout_id: "small-layout" },
      { show_id: "small-0002", layout_id: "small-layout" },
    ]);
    const wrong = document((d) => {
      d.layouts = [];
      d.cinemas = [];
      d.shows = [{ ...d.shows[0], prices: { sofa: 5 } }];
    });
    t.match(await refused(pool, wrong), [
      "/shows/0/prices/standard: is missing",
      "/shows/0/prices/sofa: the layout small-layout has no such",
    ]);
  });

  t.test("a failure in the middle of writing leaves nothing", async (t) => {
    const pool = await fresh();
    await pool.query("ALTER TABLE show ADD CONSTRAINT never CHECK (show_id <> 'small-0002')");
    await t.rejects(importCatalogue(pool, document()), { code: "23514" });
    t.same(
      await rowsOf(pool),
      TABLES.map(() => []),
    );
    await pool.query("ALTER TABLE show DROP CONSTRAINT never");
    t.same((await imported(pool, document())).shows, { added: 2, updated: 0 }, "and its connection is sound");
  });

  t.test("two at once take turns: the second waits, then sees what the first has written", async (t) => {
    const pool = await fresh();
    const results = await Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        imported(
          pool,
          document((d) => {
            d.shows[0].prices.standard = 1_000 + i;
          }),
        ),
      ),
    );
    t.same(results.map((result) => result.cities.added).sort(), [0, 0, 0, 1]);
    t.same(results.map((result) => result.shows.added).sort(), [0, 0, 0, 2]);
    t.same(
      results.flatMap((result) => result.changedShows),
      ["small-0001", "small-0001", "small-0001"],
    );
  });

  t.test("two at once that contradict one another: one of them is refused", async (t) => {
    const pool = await fresh();
    const results = await Promise.all([
      importCatalogue(pool, document()),
      importCatalogue(
        pool,
        document((d) => {
          d.layouts[0].focus.y = 9;
        }),
      ),
    ]);
    t.same(results.map((result) => result.kind).sort(), ["imported", "refused"]);
  });

  t.test("an import under way is waited for", async (t) => {
    const pool = await fresh();
    const client = await pool.connect();
    await client.query(
      "BEGIN; SELECT pg_advisory_xact_lock(('x' || encode(substr(sha256('usher catalogue'), 1, 8), 'hex'))::bit(64)::bigint)",
    );
    const waiting = importCatalogue(pool, document());
    const blocked =
      "SELECT count(*) AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()";
    while ((await client.query<{ n: number }>(blocked)).rows[0]?.n !== 1);
    await client.query("COMMIT");
    client.release();
    t.equal((await waiting).kind, "imported");
  });

  t.test("10,000 shows in chunks", async (t) => {
    const pool = await fresh();
    const large = smallCatalogue({ startsAt: STARTS_AT, shows: 10_000 });
    t.same((await imported(pool, large)).shows, { added: 10_000, updated: 0 });
    t.same((await imported(pool, large)).shows, { added: 0, updated: 0 });
  });
});
