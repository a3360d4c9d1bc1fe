// Proves that replay(log) = tables, and that no seat is sold twice, for every show of a cell.
// Reads only; a running service may go on meanwhile: each show is read in one repeatable snapshot.

import { assert } from "../../shared/kernel/assert.ts";
import { bookingIdOf, type OperationId, type ShowId } from "../../shared/kernel/ids.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import { SEAT_SOLD } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import type { ShowEvent } from "../core/event.ts";
import { evolve } from "../core/evolve.ts";
import { compileHall, type Hall } from "../core/hall.ts";
import { violations } from "../core/invariants.ts";
import { newShow, type Booking, type ShowState } from "../core/state.ts";
import { BOOKING_COLUMNS, bookingFrom, operationFrom, type BookingRow, type OperationRow } from "./rows.ts";

export interface AuditReport {
  readonly shows: number;
  readonly turns: number;
  readonly bookings: number;
  readonly soldSeats: number;
  /** One sentence each, at most PROBLEMS_MAX; empty when everything is as the log says. */
  readonly problems: readonly string[];
}

const PROBLEMS_MAX = 100;

interface LeaseRow {
  readonly show_id: ShowId;
  readonly seq: number;
  readonly layout_id: string;
  readonly seats: string;
  readonly free: number[];
  readonly terms: ShowTerms;
  readonly last_at: number;
}

/** `cell` has the shows' state, `catalogue` the layouts; rejects when either cannot be read. */
export async function auditCell(cell: Pool, catalogue: Pool): Promise<AuditReport> {
  const report = { shows: 0, turns: 0, bookings: 0, soldSeats: 0, problems: [] as string[] };
  const halls = new Map<string, Hall>();
  const { rows: shows } = await cell.query<{ show_id: ShowId }>("SELECT show_id FROM show_lease ORDER BY show_id");
  for (const { show_id: showId } of shows) {
    if (report.problems.length >= PROBLEMS_MAX) break;
    const found = await inSnapshot(cell, (client) => auditShow(client, catalogue, showId, halls));
    report.shows += 1;
    report.turns += found.turns;
    report.bookings += found.bookings;
    report.soldSeats += found.soldSeats;
    report.problems.push(...found.problems.map((problem) => `show ${showId}: ${problem}`));
  }
  return report;
}

async function inSnapshot<T>(pool: Pool, read: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const result = await read(client);
    await client.query("COMMIT");
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function auditShow(client: PoolClient, catalogue: Pool, showId: ShowId, halls: Map<string, Hall>) {
  const lease = (
    await client.query<LeaseRow>(
      "SELECT show_id, seq, layout_id, seats, free, terms, last_at FROM show_lease WHERE show_id = $1",
      [showId],
    )
  ).rows[0];
  assert(lease !== undefined, `show ${showId} lost its lease`);
  const hall = halls.get(lease.layout_id) ?? compileHall(await readLayout(catalogue, lease.layout_id));
  halls.set(lease.layout_id, hall);
  const { state, turns, problems } = await replay(client, lease, hall);
  if (state === undefined) return { turns, bookings: 0, soldSeats: 0, problems };
  problems.push(...violations(state), ...compareLease(state, lease));
  const bookings = await compareBookings(client, state, problems);
  const soldSeats = await compareSoldSeats(client, state, problems);
  await compareOperations(client, state, problems);
  return { turns, bookings, soldSeats, problems };
}

async function readLayout(catalogue: Pool, layoutId: string): Promise<Layout> {
  const { rows } = await catalogue.query<{ plan: Layout }>("SELECT plan FROM layout WHERE layout_id = $1", [layoutId]);
  assert(rows[0] !== undefined, `the catalogue has no layout ${layoutId}`);
  return rows[0].plan;
}

interface Replayed {
  readonly state: ShowState | undefined;
  readonly turns: number;
  readonly problems: string[];
}

/** The state the log leads to; `undefined` where it cannot be followed. */
async function replay(client: PoolClient, lease: LeaseRow, hall: Hall): Promise<Replayed> {
  const problems: string[] = [];
  const { rows } = await client.query<{ seq: number; epoch: number; at: number; events: string }>(
    "SELECT seq, epoch, at, events FROM show_log WHERE show_id = $1 ORDER BY seq",
    [lease.show_id],
  );
  const state = newShow(lease.show_id, hall, lease.terms);
  let epoch = 0;
  for (const row of rows) {
    if (row.seq !== state.seq + 1) problems.push(`log goes from ${state.seq} to ${row.seq}`);
    if (row.epoch < epoch) problems.push(`epoch goes back from ${epoch} to ${row.epoch} at ${row.seq}`);
    epoch = row.epoch;
    try {
      for (const event of JSON.parse(row.events) as ShowEvent[]) evolve(state, event, row.seq, row.at);
    } catch (error) {
      problems.push(`turn ${row.seq} cannot be replayed: ${String(error)}`);
      return { state: undefined, turns: rows.length, problems };
    }
  }
  return { state, turns: rows.length, problems };
}

function compareLease(state: ShowState, lease: LeaseRow): string[] {
  const problems: string[] = [];
  const seats = Array.from(state.seats).join("");
  const free = state.hall.categories.map((_, i) => (state.free[2 * i] ?? 0) + (state.free[2 * i + 1] ?? 0));
  if (state.seq !== lease.seq) problems.push(`the log ends at ${state.seq}, the lease at ${lease.seq}`);
  if (seats !== lease.seats) problems.push(`seat map is ${lease.seats}, by the log ${seats}`);
  if (free.join() !== lease.free.join()) problems.push(`free is ${lease.free.join()}, by the log ${free.join()}`);
  if (state.lastAt !== lease.last_at) problems.push(`last turn at ${lease.last_at}, by the log ${state.lastAt}`);
  if (!same(state.terms, lease.terms)) problems.push("terms are not those of the log");
  return problems;
}

async function compareBookings(client: PoolClient, state: ShowState, problems: string[]): Promise<number> {
  const { rows } = await client.query<BookingRow>(`SELECT ${BOOKING_COLUMNS} FROM booking WHERE show_id = $1`, [
    state.showId,
  ]);
  const stored = new Map(rows.map((row) => [bookingIdOf(state.showId, row.id as OperationId), bookingFrom(row)]));
  for (const [id, booking] of state.bookings) {
    const row = stored.get(id);
    if (row === undefined) problems.push(`booking ${id} is in the log and not in the table`);
    else if (!same(row, booking)) problems.push(`booking ${id} is ${describe(row)}, by the log ${describe(booking)}`);
  }
  for (const id of stored.keys()) if (!state.bookings.has(id)) problems.push(`booking ${id} is in the table and not in the log`);
  return rows.length;
}

const describe = (booking: Booking): string => JSON.stringify(booking);

async function compareSoldSeats(client: PoolClient, state: ShowState, problems: string[]): Promise<number> {
  const { rows } = await client.query<{ seat: number; booking_id: OperationId }>(
    "SELECT seat, booking_id FROM sold_seat WHERE show_id = $1",
    [state.showId],
  );
  for (const row of rows) {
    const booking = state.bookings.get(bookingIdOf(state.showId, row.booking_id));
    const isRight = state.seats[row.seat] === SEAT_SOLD && booking?.status === "booked" && booking.seats.includes(row.seat);
    if (!isRight) problems.push(`seat ${row.seat} is sold to ${row.booking_id} in the table, not by the log`);
  }
  const sold = state.seats.filter((status) => status === SEAT_SOLD).length;
  if (sold !== rows.length) problems.push(`${rows.length} seats are sold in the table, ${sold} by the log`);
  return rows.length;
}

async function compareOperations(client: PoolClient, state: ShowState, problems: string[]): Promise<void> {
  const { rows } = await client.query<OperationRow>("SELECT id, request_hash, at, result FROM operation WHERE show_id = $1", [
    state.showId,
  ]);
  for (const record of rows.map(operationFrom)) {
    if (!same(state.operations.get(record.id), record)) problems.push(`operation ${record.id} is not what the log says`);
  }
}

/** Equal as data: `undefined` fields and the order of fields do not count. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
}
