// Writes catalogue rows: bulk upserts in chunks, one statement each, inside the caller's transaction.
// W1: nothing is deleted. W2: a row that would not change is not written, so an import repeated writes nothing.
// jsonb_to_recordset instead of one array a column: one text to send, and the server parses it about as fast.

import { createHash } from "node:crypto";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import { categoriesOf } from "../../shared/protocol/layout.ts";
import type { CatalogueCinema, CatalogueCity, CatalogueLayout, CatalogueMovie } from "./document.ts";
import type { ShowRow } from "./references.ts";

export interface Counts {
  readonly added: number;
  readonly updated: number;
}

/** Longest for one statement of an import, the wait for another import included. */
const STATEMENT_TIMEOUT_MS = 120_000;
const CLIENT_MARGIN_MS = 1_000;
const ROWS_PER_STATEMENT = 2_000;
const SEATS_PER_STATEMENT = 20_000;

/**
 * Runs `work` in one transaction: its value is committed when `keep` says so, else rolled back. Statements of `work`
 * may take long: the pool's own timeouts are for the hot path.
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  keep: (value: T) => boolean,
): Promise<T> {
  const client = await pool.connect();
  let lost: Error | undefined;
  try {
    await client.query(`BEGIN; SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
    const value = await work(client);
    await client.query(keep(value) ? "COMMIT" : "ROLLBACK");
    return value;
  } catch (error) {
    lost = await client.query("ROLLBACK").then(
      () => undefined,
      (rollbackError: Error) => rollbackError,
    );
    throw error;
  } finally {
    client.release(lost);
  }
}

/** Imports take turns; falls at the end of the transaction. */
export async function lockCatalogue(client: PoolClient): Promise<void> {
  await slow(client, "SELECT pg_advisory_xact_lock($1)", [catalogueLockKey()]);
}

const catalogueLockKey = (): bigint => createHash("sha256").update("usher catalogue").digest().readBigInt64BE(0);

function slow<Row extends object>(client: PoolClient, text: string, values: unknown[]) {
  // `query_timeout` is pg's, per query; its types know it only per connection.
  const query = { text, values, query_timeout: STATEMENT_TIMEOUT_MS + CLIENT_MARGIN_MS };
  return client.query<Row>(query);
}

export const upsertCities = (client: PoolClient, cities: readonly CatalogueCity[]): Promise<Counts> =>
  upsert(client, cities, {
    table: "city",
    key: "city_id",
    fixed: {},
    mutable: { name: "text", state: "text", country: "text" },
  });

export const upsertCinemas = (client: PoolClient, cinemas: readonly CatalogueCinema[]): Promise<Counts> =>
  upsert(
    client,
    cinemas.map(({ halls: _, ...cinema }) => cinema),
    {
      table: "cinema",
      key: "cinema_id",
      fixed: {},
      mutable: {
        city_id: "text",
        name: "text",
        address: "text",
        postal_code: "text",
        latitude: "double precision",
        longitude: "double precision",
        time_zone: "text",
      },
    },
  );

export const upsertHalls = (client: PoolClient, cinemas: readonly CatalogueCinema[]): Promise<Counts> =>
  upsert(
    client,
    cinemas.flatMap(({ cinema_id, halls }) => halls.map((hall) => ({ ...hall, cinema_id }))),
    { table: "hall", key: "hall_id", fixed: { cinema_id: "text" }, mutable: { name: "text", layout_id: "text" } },
  );

export const upsertMovies = (client: PoolClient, movies: readonly CatalogueMovie[]): Promise<Counts> =>
  upsert(client, movies, {
    table: "movie",
    key: "movie_id",
    fixed: {},
    mutable: {
      title: "text",
      description: "text",
      duration_min: "integer",
      genre: "text",
      language: "text",
      release_date: "date",
      country: "text",
    },
  });

const SHOW_TABLE: Table = {
  table: "show",
  key: "show_id",
  fixed: { movie_id: "text", hall_id: "text", cinema_id: "text", layout_id: "text" },
  mutable: {
    starts_at: "timestamptz",
    ends_at: "timestamptz",
    prices: "jsonb",
    currency: "text",
    sales_cutoff: "timestamptz",
    hold_ttl_s: "integer",
    grace_s: "integer",
    offer_ttl_s: "integer",
    waitlist_policy: "text",
    single_gap: "text",
    gated: "boolean",
  },
};

/** `changed`: the shows that were there and are now sold on other terms. */
export async function upsertShows(
  client: PoolClient,
  shows: readonly ShowRow[],
): Promise<Counts & { readonly changed: readonly string[] }> {
  const changed: string[] = [];
  const counts = await upsert(client, shows, SHOW_TABLE, (id) => changed.push(id));
  return { ...counts, changed };
}

interface Table {
  readonly table: string;
  readonly key: string;
  /** Column → type; set once. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Column → type; updated where they differ. */
  readonly mutable: Readonly<Record<string, string>>;
}

async function upsert(
  client: PoolClient,
  rows: readonly object[],
  table: Table,
  onUpdated: (id: string) => void = () => undefined,
): Promise<Counts> {
  const text = upsertSql(table);
  let added = 0;
  let updated = 0;
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    const chunk = JSON.stringify(rows.slice(from, from + ROWS_PER_STATEMENT));
    const written = await slow<{ id: string; added: boolean }>(client, text, [chunk]);
    for (const row of written.rows) {
      if (row.added) added += 1;
      else {
        updated += 1;
        onUpdated(row.id);
      }
    }
  }
  return { added, updated };
}

function upsertSql({ table, key, fixed, mutable }: Table): string {
  const types: Record<string, string> = { [key]: "text", ...fixed, ...mutable };
  const columns = Object.keys(types).join(", ");
  const changing = Object.keys(mutable);
  return `
    INSERT INTO ${table} AS t (${columns})
    SELECT ${columns} FROM jsonb_to_recordset($1::jsonb)
      AS r(${Object.entries(types)
        .map(([column, type]) => `${column} ${type}`)
        .join(", ")})
    ON CONFLICT (${key}) DO UPDATE SET ${changing.map((column) => `${column} = excluded.${column}`).join(", ")}
    WHERE (${changing.map((column) => `t.${column}`).join(", ")})
      IS DISTINCT FROM (${changing.map((column) => `excluded.${column}`).join(", ")})
    RETURNING ${key} AS id, xmax = 0 AS added`;
}

/** The ids of layouts that are stored with another plan. */
export async function changedLayouts(client: PoolClient, layouts: readonly CatalogueLayout[]): Promise<string[]> {
  const changed: string[] = [];
  for (const chunk of chunksBySeats(layouts)) {
    const { rows } = await slow<{ layout_id: string }>(
      client,
      `SELECT l.layout_id FROM jsonb_array_elements($1::jsonb) AS r(plan)
       JOIN layout l ON l.layout_id = r.plan->>'layout_id' WHERE l.plan <> r.plan`,
      [JSON.stringify(chunk)],
    );
    changed.push(...rows.map((row) => row.layout_id));
  }
  return changed;
}

/** Layouts that are there already stay as they are: call `changedLayouts` first. */
export async function insertLayouts(client: PoolClient, layouts: readonly CatalogueLayout[]): Promise<Counts> {
  let added = 0;
  for (const chunk of chunksBySeats(layouts)) {
    const rows = chunk.map((plan) => {
      const categories = categoriesOf(plan);
      const seats = categories.map((name) => plan.seats.filter((seat) => seat.category === name).length);
      return { layout_id: plan.layout_id, plan, categories, category_seats: seats };
    });
    const inserted = await slow(
      client,
      `INSERT INTO layout (layout_id, plan, categories, category_seats)
       SELECT layout_id, plan, categories, category_seats FROM jsonb_to_recordset($1::jsonb)
         AS r(layout_id text, plan jsonb, categories text[], category_seats integer[])
       ON CONFLICT (layout_id) DO NOTHING`,
      [JSON.stringify(rows)],
    );
    added += inserted.rowCount ?? 0;
  }
  return { added, updated: 0 };
}

function* chunksBySeats(layouts: readonly CatalogueLayout[]): Generator<CatalogueLayout[]> {
  let chunk: CatalogueLayout[] = [];
  let seatCount = 0;
  for (const layout of layouts) {
    chunk.push(layout);
    seatCount += layout.seats.length;
    if (seatCount < SEATS_PER_STATEMENT) continue;
    yield chunk;
    chunk = [];
    seatCount = 0;
  }
  if (chunk.length > 0) yield chunk;
}
