// Claim and load: how a node becomes a show's owner and finds what its former owner left.
// A1: the claim raises the epoch first; from then on no earlier owner can write, so whatever is read afterwards is
//     final up to the claimed sequence. It waits for a commit under way and then sees it.
//     Until another claims in turn: a claim that was overtaken while it loaded is none, since its seat map, its
//     bookings and its line are of different moments.
// A2: a claim by an older view than the row's fails, so that two nodes with different views cannot steal in turn.
// A3: a show without a lease gets one, with `ShowOpened` as the first row of its log.

import type { OperationId, ShowId } from "../../shared/kernel/ids.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "../core/event.ts";
import { KEY_PERIOD_MS } from "../core/key-index.ts";
import type { Booking } from "../core/state.ts";
import type { ClaimedShow, ClaimOutcome } from "./journal.ts";
import {
  BOOKING_COLUMNS,
  type BookingRow,
  bookingFrom,
  TERMS_QUERY,
  type TermDefaults,
  type TermsRow,
  termsFrom,
  WAITER_COLUMNS,
  type WaiterRow,
  waiterFrom,
} from "./rows.ts";

export interface ClaimOptions {
  /** The server the shows' state lives in, and the first cell, which has the catalogue. */
  readonly cell: Pool;
  readonly catalogue: Pool;
  /** Who owns the shows claimed here, and which view of the cluster it has. */
  readonly owner: string;
  readonly view: () => number;
  readonly defaults: TermDefaults;
}

interface LeaseRow {
  readonly show_id: ShowId;
  readonly epoch: number;
  readonly seq: number;
  readonly last_at: number;
  readonly outage_id: number;
  readonly layout_id: string;
  readonly seats: string;
  readonly terms: ShowTerms;
  readonly missed_last: number;
  readonly missed_ms: number;
}

interface CatalogueEntry {
  readonly terms: ShowTerms;
  readonly layoutId: string;
}

export async function claimShows(
  options: ClaimOptions,
  showIds: readonly ShowId[],
): Promise<Map<ShowId, ClaimOutcome>> {
  const catalogue = await readCatalogue(options, showIds);
  const known = showIds.filter((showId) => catalogue.has(showId));
  let leases = await claimLeases(options, known);
  const fresh = known.filter((showId) => !leases.has(showId));
  if (fresh.length > 0) {
    await openShows(options, fresh, catalogue);
    leases = new Map([...leases, ...(await claimLeases(options, fresh))]);
  }
  const claimed = [...leases.keys()];
  const [bookings, waiters] = await Promise.all([loadBookings(options, claimed), loadWaiters(options, claimed)]);
  // Keys may be newer than the claim: knowing too many does no harm.
  const [keys, standing] = await Promise.all([loadKeys(options, claimed), standingOf(options, leases)]);
  const outcomes = new Map<ShowId, ClaimOutcome>();
  for (const showId of showIds) {
    const entry = catalogue.get(showId);
    const lease = leases.get(showId);
    if (entry === undefined) outcomes.set(showId, "unknown_show");
    else if (lease === undefined || !standing.has(showId)) outcomes.set(showId, "newer_view");
    else {
      const rows = { bookings: bookings.get(showId) ?? [], waiters: waiters.get(showId) ?? [] };
      outcomes.set(showId, claimedShow(lease, entry, rows, keys.get(showId) ?? NO_KEYS));
    }
  }
  return outcomes;
}

function claimedShow(
  lease: LeaseRow,
  entry: CatalogueEntry,
  rows: Pick<ClaimedShow, "bookings" | "waiters">,
  keys: KnownKeys,
): ClaimOutcome {
  return {
    showId: lease.show_id,
    epoch: lease.epoch,
    seq: lease.seq,
    lastAt: lease.last_at,
    outageId: lease.outage_id,
    missedOutages: { lastId: lease.missed_last, byMs: lease.missed_ms },
    layoutId: lease.layout_id,
    seats: lease.seats,
    terms: lease.terms,
    catalogueTerms: entry.terms,
    ...rows,
    ...keys,
  };
}

async function readCatalogue(
  { catalogue, defaults }: ClaimOptions,
  showIds: readonly ShowId[],
): Promise<Map<ShowId, CatalogueEntry>> {
  const { rows } = await catalogue.query<TermsRow>({ name: "terms", text: TERMS_QUERY, values: [showIds] });
  return new Map(
    rows.map((row) => [row.show_id as ShowId, { terms: termsFrom(row, defaults), layoutId: row.layout_id }]),
  );
}

async function claimLeases(
  { cell, owner, view }: ClaimOptions,
  showIds: readonly ShowId[],
): Promise<Map<ShowId, LeaseRow>> {
  const { rows } = await cell.query<LeaseRow>({
    name: "claim",
    text: `
      WITH l AS MATERIALIZED (
        SELECT show_id FROM show_lease WHERE show_id = ANY($1) AND view <= $3 ORDER BY show_id FOR UPDATE)
      UPDATE show_lease s SET epoch = s.epoch + 1, owner = $2, view = $3 FROM l WHERE s.show_id = l.show_id
      RETURNING s.show_id, s.epoch, s.seq, s.last_at, s.outage_id, s.layout_id, s.seats, s.terms,
        COALESCE((SELECT max(outage_id) FROM outage), 0) AS missed_last,
        COALESCE((SELECT sum(length_ms) FROM outage o WHERE o.outage_id > s.outage_id), 0)::bigint AS missed_ms`,
    values: [showIds, owner, view()],
  });
  return new Map(rows.map((row) => [row.show_id, row]));
}

async function standingOf({ cell }: ClaimOptions, leases: ReadonlyMap<ShowId, LeaseRow>): Promise<Set<ShowId>> {
  const { rows } = await cell.query<{ show_id: ShowId }>({
    name: "claim-stands",
    text: `SELECT s.show_id FROM unnest($1::text[], $2::bigint[]) AS t(show_id, epoch)
           JOIN show_lease s USING (show_id) WHERE s.epoch = t.epoch`,
    values: [[...leases.keys()], Array.from(leases.values(), (lease) => lease.epoch)],
  });
  return new Set(rows.map((row) => row.show_id));
}

/** Two nodes may open a show at once: the lease's primary key lets one of them write both rows. */
async function openShows(
  { cell, catalogue: _catalogue, owner, view }: ClaimOptions,
  showIds: readonly ShowId[],
  catalogue: ReadonlyMap<ShowId, CatalogueEntry>,
): Promise<void> {
  const entries = showIds.map((showId) => catalogue.get(showId) as CatalogueEntry);
  const events = entries.map(({ terms, layoutId }): ShowEvent[] => [{ kind: "ShowOpened", layoutId, terms }]);
  await cell.query({
    name: "open",
    text: `
      WITH t AS (
        SELECT t.*, (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[])
          AS t(show_id, layout_id, events, terms, free)),
      opened AS (
        INSERT INTO show_lease (show_id, epoch, seq, owner, view, active, last_at, outage_id, layout_id, seats, free, terms)
        SELECT show_id, 0, 1, $6, $7, false, at, COALESCE((SELECT max(outage_id) FROM outage), 0), layout_id,
          repeat('0', (SELECT sum(n)::integer FROM unnest(t.free::integer[]) AS n)), t.free::integer[], terms
        FROM t ORDER BY show_id
        ON CONFLICT (show_id) DO NOTHING
        RETURNING show_id)
      INSERT INTO show_log (show_id, seq, epoch, at, events)
      SELECT show_id, 1, 0, at, events FROM t JOIN opened USING (show_id)`,
    values: [
      showIds,
      entries.map((entry) => entry.layoutId),
      events.map((list) => JSON.stringify(list)),
      entries.map((entry) => JSON.stringify(entry.terms)),
      await categorySeats(_catalogue, entries),
      owner,
      view(),
    ],
  });
}

/** Seats by category, as array literals in the order of `entries`. */
async function categorySeats(
  catalogue: ClaimOptions["catalogue"],
  entries: readonly CatalogueEntry[],
): Promise<string[]> {
  const { rows } = await catalogue.query<{ layout_id: string; category_seats: number[] }>({
    name: "category-seats",
    text: "SELECT layout_id, category_seats FROM layout WHERE layout_id = ANY($1)",
    values: [[...new Set(entries.map((entry) => entry.layoutId))]],
  });
  const seats = new Map(rows.map((row) => [row.layout_id, `{${row.category_seats.join(",")}}`]));
  return entries.map((entry) => seats.get(entry.layoutId) ?? "{}");
}

const UNFINISHED_PAYMENTS = "('begun', 'authorised', 'voiding', 'refunding')";

async function loadBookings({ cell }: ClaimOptions, showIds: readonly ShowId[]): Promise<Map<ShowId, Booking[]>> {
  const { rows } = await cell.query<BookingRow>({
    name: "load-bookings",
    text: `SELECT ${BOOKING_COLUMNS} FROM booking
           WHERE show_id = ANY($1) AND (status IN ('held', 'paying') OR payment->>'state' IN ${UNFINISHED_PAYMENTS})
           ORDER BY expires_at + grace_ms, version`,
    values: [showIds],
  });
  const bookings = new Map<ShowId, Booking[]>();
  for (const row of rows) append(bookings, row.show_id as ShowId, bookingFrom(row));
  return bookings;
}

async function loadWaiters({ cell }: ClaimOptions, showIds: readonly ShowId[]): Promise<Map<ShowId, Waiter[]>> {
  const { rows } = await cell.query<WaiterRow>({
    name: "load-waiters",
    text: `SELECT ${WAITER_COLUMNS} FROM waiter WHERE show_id = ANY($1) AND ended_at IS NULL ORDER BY place`,
    values: [showIds],
  });
  const waiters = new Map<ShowId, Waiter[]>();
  for (const row of rows) append(waiters, row.show_id as ShowId, waiterFrom(row));
  return waiters;
}

interface KnownKeys {
  readonly rowIds: OperationId[];
  readonly operationIds: OperationId[];
}

const NO_KEYS: KnownKeys = { rowIds: [], operationIds: [] };

/** One row a show: a row a key was a tenth of what a show with 30 holds took to load. */
async function loadKeys({ cell }: ClaimOptions, showIds: readonly ShowId[]): Promise<Map<ShowId, KnownKeys>> {
  const { rows } = await cell.query<{ show_id: ShowId; row_ids: string | null; operation_ids: string | null }>({
    name: "load-keys",
    text: `
      WITH since AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2 AS at),
      known AS (
        SELECT show_id, id, true AS is_row FROM booking WHERE show_id = ANY($1)
        UNION ALL SELECT show_id, id, true FROM waiter WHERE show_id = ANY($1)
        UNION ALL SELECT show_id, payment->>'operation', false FROM booking, since
          WHERE show_id = ANY($1) AND GREATEST(booked_at, (payment->>'deadlineAt')::bigint) > since.at
        UNION ALL SELECT show_id, id, false FROM operation, since WHERE show_id = ANY($1) AND operation.at > since.at)
      SELECT show_id, string_agg(id, ',') FILTER (WHERE is_row) AS row_ids,
        string_agg(id, ',') FILTER (WHERE NOT is_row) AS operation_ids
      FROM known GROUP BY show_id`,
    values: [showIds, KEY_PERIOD_MS],
  });
  return new Map(
    rows.map((row) => [row.show_id, { rowIds: idsIn(row.row_ids), operationIds: idsIn(row.operation_ids) }]),
  );
}

const idsIn = (text: string | null): OperationId[] => (text === null ? [] : (text.split(",") as OperationId[]));

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
