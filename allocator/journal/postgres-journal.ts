// The journal on Postgres. `cell` is the server the shows' state lives in, `catalogue` the first cell, which has the
// shows' terms and layouts. In a service of one cell they are the same server.
// P1: every method is one statement, or statements of which each is harmless alone: nothing needs BEGIN … COMMIT.

import type { ShowId } from "../../shared/kernel/ids.ts";
import { operationOf } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import { faultOf, type Pool } from "../../shared/platform/postgres.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import type { LogEntry } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { Booking, OperationRecord } from "../core/state.ts";
import { type ClaimOptions, claimShows } from "./claim.ts";
import { commitStatement, commitValues, type LineWrites, lineWritesOf } from "./commit-statement.ts";
import {
  type BookedQuery,
  type ClaimOutcome,
  type ColdQuery,
  type ColdRows,
  type CommitEntry,
  type CommitOutcome,
  type Journal,
  type Lease,
  OUTAGE_MIN_MS,
} from "./journal.ts";
import {
  BOOKING_COLUMNS,
  type BookingRow,
  bookingFrom,
  type OperationRow,
  operationFrom,
  TERMS_QUERY,
  type TermsRow,
  termsFrom,
  WAITER_COLUMNS,
  type WaiterRow,
  waiterFrom,
} from "./rows.ts";

/** A show, and the 22 characters of an operation. */
type RowKey = readonly [showId: string, id: string];
const keyOf = (showId: string, id: string): string => `${showId}.${id}`;
const NO_KEY = "";
/** As many as are under way at once; each asks two things together. */
const CLAIMS_TO_WARM = 2;
const ASKED = "unnest($1::text[], $2::text[]) AS q(show_id, id)";

export interface PostgresJournalOptions extends ClaimOptions {
  /**
   * For the beat alone, with a short timeout: behind statements of several seconds it would wait for a connection that
   * is dead as long as they do.
   */
  readonly beats: Pool;
  readonly log: Log;
  /** Only for the test that proves the lock is needed. */
  readonly unlockedFence?: boolean;
}

export class PostgresJournal implements Journal {
  readonly #options: PostgresJournalOptions;
  readonly #commitTexts: Readonly<Record<LineWrites, string>>;

  constructor(options: PostgresJournalOptions) {
    this.#options = options;
    const lock = options.unlockedFence !== true;
    this.#commitTexts = {
      none: commitStatement({ lock, line: "none" }),
      rows: commitStatement({ lock, line: "rows" }),
      moved: commitStatement({ lock, line: "moved" }),
    };
  }

  claim(showIds: readonly ShowId[]): Promise<Map<ShowId, ClaimOutcome>> {
    return claimShows(this.#options, showIds);
  }

  /**
   * Has connections open and plans made for what a takeover asks: the first 64 shows that a newcomer claimed stood still
   * for 0.5 s while it got them.
   */
  async warmUp(): Promise<void> {
    const nothing: never[] = [];
    const claims = Array.from({ length: CLAIMS_TO_WARM }, () => this.claim(nothing));
    await Promise.all([...claims, this.commit(nothing), this.commit(nothing), this.fence(nothing)]);
  }

  async activeShows(limit: number): Promise<ShowId[]> {
    const { cell, catalogue } = this.#options;
    const { rows } = await cell.query<{ show_id: ShowId }>("SELECT show_id FROM show_lease WHERE active LIMIT $1", [
      limit,
    ]);
    const cancelled = await catalogue.query<{ show_id: ShowId }>("SELECT show_id FROM show WHERE cancelled");
    const untold = await cell.query<{ show_id: ShowId }>(
      "SELECT show_id FROM show_lease WHERE show_id = ANY($1) AND NOT active AND NOT (terms->>'cancelled')::boolean",
      [cancelled.rows.map((row) => row.show_id)],
    );
    return [...rows, ...untold.rows].slice(0, limit).map((row) => row.show_id);
  }

  async layout(layoutId: string): Promise<Layout> {
    const { rows } = await this.#options.catalogue.query<{ plan: Layout }>({
      name: "layout",
      text: "SELECT plan FROM layout WHERE layout_id = $1",
      values: [layoutId],
    });
    const plan = rows[0]?.plan;
    if (plan === undefined) throw new Error(`the catalogue has no layout ${layoutId}`);
    return plan;
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitOutcome[]> {
    const line = lineWritesOf(entries);
    try {
      const { rows } = await this.#options.cell.query<{ show_id: string }>({
        name: `commit-${line}`,
        text: this.#commitTexts[line],
        values: commitValues(entries, line),
      });
      const committed = new Set(rows.map((row) => row.show_id));
      return entries.map((entry) => (committed.has(entry.showId) ? "committed" : "fenced"));
    } catch (error) {
      const fault = faultOf(error);
      if (fault.kind === "conflict" || fault.kind === "bad_data") return this.#bisect(entries, fault.message);
      this.#options.log.warn({ entries: entries.length, fault }, "group commit failed");
      return entries.map(() => "unknown");
    }
  }

  /** The statement was refused and nothing of it was written: find the entry that is to blame; the others commit. */
  async #bisect(entries: readonly CommitEntry[], message: string): Promise<CommitOutcome[]> {
    if (entries.length === 1) {
      const entry = entries[0] as CommitEntry;
      this.#options.log.error(
        { show_id: entry.showId, epoch: entry.epoch, seq: entry.seq, message },
        "store refuses a show's turns",
      );
      return ["conflict"];
    }
    const half = entries.length >> 1;
    return [...(await this.commit(entries.slice(0, half))), ...(await this.commit(entries.slice(half)))];
  }

  async fence(leases: readonly Lease[]): Promise<Set<ShowId>> {
    const { rows } = await this.#options.cell.query<{ show_id: ShowId }>({
      name: "fence",
      text: `SELECT s.show_id FROM unnest($1::text[], $2::bigint[]) AS t(show_id, epoch)
             JOIN show_lease s USING (show_id) WHERE s.epoch = t.epoch`,
      values: [leases.map((lease) => lease.showId), leases.map((lease) => lease.epoch)],
    });
    return new Set(rows.map((row) => row.show_id));
  }

  async cold(queries: readonly ColdQuery[]): Promise<ColdRows[]> {
    const placed: RowKey[] = [];
    const joined: RowKey[] = [];
    const asked: RowKey[] = [];
    for (const { showId, booking, waiter, operation } of queries) {
      if (booking !== undefined) placed.push([showId, operationOf(booking)]);
      if (waiter !== undefined) joined.push([showId, operationOf(waiter)]);
      if (operation !== undefined) asked.push([showId, operation]);
    }
    const [bookings, waiters, operations] = await Promise.all([
      this.#bookings([...placed, ...asked]),
      this.#waiters([...joined, ...asked]),
      this.#operations(asked),
    ]);
    const found = [bookings, waiters, operations];
    const paid = await this.#paidBy(asked.filter(([showId, id]) => !found.some((rows) => rows.has(keyOf(showId, id)))));
    return queries.map(({ showId, booking, waiter, operation }) => {
      const key = operation === undefined ? NO_KEY : keyOf(showId, operation);
      return {
        booking: booking && bookings.get(keyOf(showId, operationOf(booking))),
        waiter: waiter && waiters.get(keyOf(showId, operationOf(waiter))),
        operation: operations.get(key),
        operationBooking: bookings.get(key) ?? paid.get(key),
        operationWaiter: waiters.get(key),
      };
    });
  }

  async booked(queries: readonly BookedQuery[]): Promise<Booking[][]> {
    const { rows } = await this.#options.cell.query<BookingRow>({
      name: "booked",
      text: `SELECT b.* FROM unnest($1::text[], $2::integer[]) AS q(show_id, most) CROSS JOIN LATERAL (
               SELECT ${BOOKING_COLUMNS} FROM booking s WHERE s.show_id = q.show_id AND s.status = 'booked'
               ORDER BY s.id LIMIT q.most) AS b`,
      values: [queries.map((query) => query.showId), queries.map((query) => query.limit)],
    });
    return queries.map(({ showId }) => rows.filter((row) => row.show_id === showId).map(bookingFrom));
  }

  async #bookings(keys: readonly RowKey[]): Promise<Map<string, Booking>> {
    const rows = await this.#lookUp<BookingRow>(
      "cold-bookings",
      `SELECT DISTINCT ${BOOKING_COLUMNS} FROM ${ASKED} JOIN booking USING (show_id, id)`,
      keys,
    );
    return new Map(rows.map((row) => [keyOf(row.show_id, row.id), bookingFrom(row)]));
  }

  async #waiters(keys: readonly RowKey[]): Promise<Map<string, Waiter>> {
    const rows = await this.#lookUp<WaiterRow>(
      "cold-waiters",
      `SELECT DISTINCT ${WAITER_COLUMNS} FROM ${ASKED} JOIN waiter USING (show_id, id)`,
      keys,
    );
    return new Map(rows.map((row) => [keyOf(row.show_id, row.id), waiterFrom(row)]));
  }

  async #operations(keys: readonly RowKey[]): Promise<Map<string, OperationRecord>> {
    const rows = await this.#lookUp<OperationRow & { show_id: string }>(
      "cold-operations",
      `SELECT show_id, id, request_hash, at, result FROM ${ASKED} JOIN operation USING (show_id, id)`,
      keys,
    );
    return new Map(rows.map((row) => [keyOf(row.show_id, row.id), operationFrom(row)]));
  }

  /** No index: asked only for an operation that the key index may know and no key finds, over its show's rows. */
  async #paidBy(keys: readonly RowKey[]): Promise<Map<string, Booking>> {
    const rows = await this.#lookUp<BookingRow & { paid: string }>(
      "cold-payments",
      `SELECT b.*, q.id AS paid FROM ${ASKED} JOIN booking b ON b.show_id = q.show_id AND b.payment->>'operation' = q.id`,
      keys,
    );
    return new Map(rows.map((row) => [keyOf(row.show_id, row.paid), bookingFrom(row)]));
  }

  async #lookUp<Row extends object>(name: string, text: string, keys: readonly RowKey[]): Promise<Row[]> {
    if (keys.length === 0) return [];
    const values = [keys.map(([showId]) => showId), keys.map(([, id]) => id)];
    return (await this.#options.cell.query<Row>({ name, text, values })).rows;
  }

  async terms(showId: ShowId): Promise<ShowTerms> {
    const { rows } = await this.#options.catalogue.query<TermsRow>({
      name: "terms",
      text: TERMS_QUERY,
      values: [[showId]],
    });
    if (rows[0] === undefined) throw new Error(`the catalogue has no show ${showId}`);
    return termsFrom(rows[0], this.#options.defaults);
  }

  async log(showId: ShowId, after: number, limit: number): Promise<LogEntry[]> {
    const { rows } = await this.#options.cell.query<{ seq: number; epoch: number; at: number; events: string }>({
      name: "log",
      text: "SELECT seq, epoch, at, events FROM show_log WHERE show_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
      values: [showId, after, limit],
    });
    return rows.map((row) => ({ ...row, events: JSON.parse(row.events) as LogEntry["events"] }));
  }

  async beat(): Promise<{ nowMs: number; outageId: number }> {
    // The gap is measured and recorded by the statement that ends it, so that of many nodes one records it, once.
    const { rows } = await this.#options.beats.query<{ now_ms: number; outage_id: number }>({
      name: "beat",
      text: `
        WITH before AS (SELECT alive_at FROM cell FOR UPDATE),
        beat AS (UPDATE cell SET alive_at = GREATEST(before.alive_at, clock_timestamp()) FROM before
                 RETURNING before.alive_at AS began_at, cell.alive_at AS ended_at),
        gap AS (SELECT *, (extract(epoch FROM ended_at - began_at) * 1000)::bigint AS length_ms FROM beat),
        recorded AS (INSERT INTO outage (began_at, ended_at, length_ms)
                     SELECT began_at, ended_at, length_ms FROM gap WHERE length_ms > $1 RETURNING outage_id)
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms,
          COALESCE((SELECT outage_id FROM recorded), (SELECT max(outage_id) FROM outage), 0) AS outage_id FROM gap`,
      values: [OUTAGE_MIN_MS],
    });
    const row = rows[0];
    if (row === undefined) throw new Error("the store has no row in table cell");
    return { nowMs: Number(row.now_ms), outageId: row.outage_id };
  }
}
