// Proves that replay(log) = tables, and that no seat is sold or held twice, for every show of a cell.
// Reads only; a running service may go on meanwhile: each hundred shows are read in one snapshot.

import { assert } from "../../shared/kernel/assert.ts";
import { bookingIdOf, type OperationId, type ShowId, waiterIdOf } from "../../shared/kernel/ids.ts";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import { SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { isWaiting, type Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "../core/event.ts";
import { evolve } from "../core/evolve.ts";
import { compileHall, type Hall } from "../core/hall.ts";
import { violations } from "../core/invariants.ts";
import { type Booking, isLive, isToBeCleared, isUnfinished, newShow, type ShowState } from "../core/state.ts";
import {
  BOOKING_COLUMNS,
  type BookingRow,
  bookingFrom,
  type OperationRow,
  operationFrom,
  WAITER_COLUMNS,
  type WaiterRow,
  waiterFrom,
} from "./rows.ts";

export interface AuditReport {
  readonly shows: number;
  readonly turns: number;
  readonly bookings: number;
  readonly waiters: number;
  readonly soldSeats: number;
  /** One sentence each, at most PROBLEMS_MAX; empty when everything is as the log says. */
  readonly problems: readonly string[];
}

const PROBLEMS_MAX = 100;
const SHOWS_AT_ONCE = 100;

interface LeaseRow {
  readonly show_id: ShowId;
  readonly epoch: number;
  readonly seq: number;
  readonly active: boolean;
  readonly outage_id: number;
  readonly last_outage_id: number;
  readonly layout_id: string;
  readonly seats: string;
  readonly free: number[];
  readonly terms: ShowTerms;
  readonly last_at: number;
}

/** `cell` has the shows' state, `catalogue` the layouts; rejects when either cannot be read. */
export async function auditCell(cell: Pool, catalogue: Pool): Promise<AuditReport> {
  const counts = { shows: 0, turns: 0, bookings: 0, waiters: 0, soldSeats: 0 };
  const report = { ...counts, problems: await withoutLease(cell) };
  const halls = new Map<string, Hall>();
  const { rows: shows } = await cell.query<{ show_id: ShowId }>("SELECT show_id FROM show_lease ORDER BY show_id");
  for (let from = 0; from < shows.length && report.problems.length < PROBLEMS_MAX; from += SHOWS_AT_ONCE) {
    const showIds = shows.slice(from, from + SHOWS_AT_ONCE).map((row) => row.show_id);
    const read = await inSnapshot(cell, (client) => readShows(client, showIds));
    for (const lease of read.leases) {
      const hall = halls.get(lease.layout_id) ?? compileHall(await readLayout(catalogue, lease.layout_id));
      halls.set(lease.layout_id, hall);
      const found = auditShow(lease, hall, read);
      report.shows += 1;
      report.turns += found.turns;
      report.bookings += found.bookings;
      report.waiters += found.waiters;
      report.soldSeats += found.soldSeats;
      report.problems.push(...found.problems.map((problem) => `show ${lease.show_id}: ${problem}`));
    }
  }
  return report;
}

/** Every row belongs to a show that has a lease. */
async function withoutLease(cell: Pool): Promise<string[]> {
  const { rows } = await cell.query<{ show_id: string; at: string }>(
    `SELECT show_id, string_agg(DISTINCT at, ', ' ORDER BY at) AS at FROM (
       SELECT show_id, 'show_log' AS at FROM show_log UNION SELECT show_id, 'booking' FROM booking
       UNION SELECT show_id, 'waiter' FROM waiter
       UNION SELECT show_id, 'sold_seat' FROM sold_seat UNION SELECT show_id, 'operation' FROM operation) AS written
     WHERE NOT EXISTS (SELECT FROM show_lease l WHERE l.show_id = written.show_id)
     GROUP BY show_id ORDER BY show_id LIMIT $1`,
    [PROBLEMS_MAX],
  );
  return rows.map((row) => `show ${row.show_id}: no lease, yet rows in ${row.at}`);
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

interface LogRow {
  readonly show_id: ShowId;
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly events: string;
}

type SoldSeatRow = { readonly show_id: ShowId; readonly seat: number; readonly booking_id: OperationId };
type Shown<Row> = Row & { readonly show_id: string };

/** The tables of some shows, each table's rows by show. */
interface ShowRows {
  readonly leases: readonly LeaseRow[];
  readonly log: ReadonlyMap<string, LogRow[]>;
  readonly bookings: ReadonlyMap<string, BookingRow[]>;
  readonly waiters: ReadonlyMap<string, WaiterRow[]>;
  readonly soldSeats: ReadonlyMap<string, SoldSeatRow[]>;
  readonly operations: ReadonlyMap<string, Shown<OperationRow>[]>;
}

async function readShows(client: PoolClient, showIds: readonly ShowId[]): Promise<ShowRows> {
  const rows = async <Row extends { readonly show_id: string }>(text: string): Promise<Row[]> =>
    (await client.query<Row>(text, [showIds])).rows;
  return {
    leases: await rows<LeaseRow>(
      `SELECT show_id, epoch, seq, active, outage_id, (SELECT COALESCE(max(outage_id), 0) FROM outage) AS last_outage_id,
         layout_id, seats, free, terms, last_at FROM show_lease WHERE show_id = ANY($1) ORDER BY show_id`,
    ),
    log: byShow(
      await rows<LogRow>(
        "SELECT show_id, seq, epoch, at, events FROM show_log WHERE show_id = ANY($1) ORDER BY show_id, seq",
      ),
    ),
    bookings: byShow(await rows<BookingRow>(`SELECT ${BOOKING_COLUMNS} FROM booking WHERE show_id = ANY($1)`)),
    waiters: byShow(await rows<WaiterRow>(`SELECT ${WAITER_COLUMNS} FROM waiter WHERE show_id = ANY($1)`)),
    soldSeats: byShow(
      await rows<SoldSeatRow>("SELECT show_id, seat, booking_id FROM sold_seat WHERE show_id = ANY($1)"),
    ),
    operations: byShow(
      await rows<Shown<OperationRow>>(
        "SELECT show_id, id, request_hash, at, result FROM operation WHERE show_id = ANY($1)",
      ),
    ),
  };
}

function byShow<Row extends { readonly show_id: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.show_id);
    if (group === undefined) groups.set(row.show_id, [row]);
    else group.push(row);
  }
  return groups;
}

function auditShow(lease: LeaseRow, hall: Hall, rows: ShowRows) {
  const showId = lease.show_id;
  const log = rows.log.get(showId) ?? [];
  const bookings = rows.bookings.get(showId) ?? [];
  const waiters = rows.waiters.get(showId) ?? [];
  const soldSeats = rows.soldSeats.get(showId) ?? [];
  const problems: string[] = [];
  const replayed = replay(log, lease, hall, problems);
  if (replayed !== undefined) {
    const { state } = replayed;
    problems.push(...violations(state), ...compareLease(state, lease));
    compareBookings(bookings, state, problems);
    compareWaiters(waiters, state, problems);
    problems.push(...heldTwice(bookings.map(bookingFrom), waiters.map(waiterFrom), lease.seats));
    compareSoldSeats(soldSeats, state, problems);
    compareOperations(rows.operations.get(showId) ?? [], replayed, problems);
  }
  const counts = { bookings: bookings.length, waiters: waiters.length, soldSeats: soldSeats.length };
  return { turns: log.length, ...counts, problems };
}

async function readLayout(catalogue: Pool, layoutId: string): Promise<Layout> {
  const { rows } = await catalogue.query<{ plan: Layout }>("SELECT plan FROM layout WHERE layout_id = $1", [layoutId]);
  assert(rows[0] !== undefined, `the catalogue has no layout ${layoutId}`);
  return rows[0].plan;
}

interface Replayed {
  readonly state: ShowState;
  /** The operations that began payments. */
  readonly paid: ReadonlySet<OperationId>;
}

/** What the log leads to; `undefined` where it cannot be followed. */
function replay(log: readonly LogRow[], lease: LeaseRow, hall: Hall, problems: string[]): Replayed | undefined {
  const paid = new Set<OperationId>();
  const state = newShow(lease.show_id, hall, lease.terms);
  let epoch = 0;
  for (const row of log) {
    if (row.seq !== state.seq + 1) problems.push(`log goes from ${state.seq} to ${row.seq}`);
    if (row.epoch < epoch) problems.push(`epoch goes back from ${epoch} to ${row.epoch} at ${row.seq}`);
    epoch = row.epoch;
    try {
      for (const event of JSON.parse(row.events) as ShowEvent[]) {
        evolve(state, event, row.seq, row.at);
        const begun =
          event.kind === "BookingConfirmed" ? event.begun : event.kind === "PaymentBegun" ? event : undefined;
        if (begun !== undefined) paid.add(begun.operation);
        // Its booking is held again: the next payment takes the place in its row.
        if (event.kind === "PaymentDeclined" && event.operation !== undefined) paid.delete(event.operation);
      }
    } catch (error) {
      problems.push(`turn ${row.seq} cannot be replayed: ${String(error)}`);
      return undefined;
    }
  }
  if (lease.epoch < epoch) problems.push(`the log ends in epoch ${epoch}, the lease is at ${lease.epoch}`);
  return { state, paid };
}

function compareLease(state: ShowState, lease: LeaseRow): string[] {
  const problems: string[] = [];
  const seats = Array.from(state.seats).join("");
  const free = state.hall.categories.map((_, i) => (state.free[2 * i] ?? 0) + (state.free[2 * i + 1] ?? 0));
  if (state.seq !== lease.seq) problems.push(`the log ends at ${state.seq}, the lease at ${lease.seq}`);
  if (seats !== lease.seats) problems.push(`seat map is ${lease.seats}, by the log ${seats}`);
  if (free.join() !== lease.free.join()) problems.push(`free is ${lease.free.join()}, by the log ${free.join()}`);
  if (lease.outage_id < state.outageId || lease.outage_id > lease.last_outage_id) {
    problems.push(
      `deadlines are moved by outage ${lease.outage_id}, of ${lease.last_outage_id}, by the log ${state.outageId}`,
    );
  }
  if (state.lastAt !== lease.last_at) problems.push(`last turn at ${lease.last_at}, by the log ${state.lastAt}`);
  const isActive =
    (state.line?.activeCount ?? 0) > 0 ||
    isToBeCleared(state) ||
    [...state.bookings.values()].some((booking) => isLive(booking) || isUnfinished(booking.payment));
  if (isActive && !lease.active) problems.push("something in it ends by itself, and no takeover would load it");
  if (!same(state.terms, lease.terms)) problems.push("terms are not those of the log");
  return problems;
}

function compareBookings(rows: readonly BookingRow[], state: ShowState, problems: string[]): void {
  const stored = new Map(rows.map((row) => [bookingIdOf(state.showId, row.id as OperationId), bookingFrom(row)]));
  for (const [id, booking] of state.bookings) {
    const row = stored.get(id);
    if (row === undefined) problems.push(`booking ${id} is in the log and not in the table`);
    else if (!same(row, booking)) problems.push(`booking ${id} is ${describe(row)}, by the log ${describe(booking)}`);
  }
  for (const id of stored.keys()) {
    if (!state.bookings.has(id)) problems.push(`booking ${id} is in the table and not in the log`);
  }
}

const describe = (row: Booking | Waiter): string => JSON.stringify(row);

function compareWaiters(rows: readonly WaiterRow[], state: ShowState, problems: string[]): void {
  const stored = new Map(rows.map((row) => [waiterIdOf(state.showId, row.id as OperationId), waiterFrom(row)]));
  for (const waiter of state.line?.all() ?? []) {
    const row = stored.get(waiter.id);
    if (row === undefined) problems.push(`waiter ${waiter.id} is in the log and not in the table`);
    else if (!same(row, waiter))
      problems.push(`waiter ${waiter.id} is ${describe(row)}, by the log ${describe(waiter)}`);
  }
  for (const id of stored.keys()) {
    if (state.line?.get(id) === undefined) problems.push(`waiter ${id} is in the table and not in the log`);
  }
}

/** From the tables alone: every seat that is held or offered is so in the seat map, and for one only. */
function heldTwice(bookings: readonly Booking[], waiters: readonly Waiter[], seatMap: string): string[] {
  const problems: string[] = [];
  const holder = new Map<number, string>();
  const held = [...bookings.filter(isLive), ...waiters.filter(isWaiting)].map((row) => ({
    id: row.id,
    seats: ("offer" in row ? row.offer?.seats : row.seats) ?? [],
  }));
  for (const { id, seats } of held) {
    for (const seat of seats) {
      const other = holder.get(seat);
      if (other !== undefined) problems.push(`seat ${seat} is held for ${other} and for ${id}`);
      if (seatMap[seat] !== String(SEAT_HELD))
        problems.push(`seat ${seat} of ${id} is ${seatMap[seat]} in the seat map`);
      holder.set(seat, id);
    }
  }
  return problems;
}

function compareSoldSeats(rows: readonly SoldSeatRow[], state: ShowState, problems: string[]): void {
  for (const row of rows) {
    const booking = state.bookings.get(bookingIdOf(state.showId, row.booking_id));
    const isRight =
      state.seats[row.seat] === SEAT_SOLD && booking?.status === "booked" && booking.seats.includes(row.seat);
    if (!isRight) problems.push(`seat ${row.seat} is sold to ${row.booking_id} in the table, not by the log`);
  }
  const sold = state.seats.filter((status) => status === SEAT_SOLD).length;
  if (sold !== rows.length) problems.push(`${rows.length} seats are sold in the table, ${sold} by the log`);
}

/** What began a payment is in its booking's row; every other operation of the log has one of its own. */
function compareOperations(rows: readonly OperationRow[], { state, paid }: Replayed, problems: string[]): void {
  const stored = new Set<string>(rows.map((row) => row.id));
  for (const record of rows.map(operationFrom)) {
    if (!same(state.operations.get(record.id), record))
      problems.push(`operation ${record.id} is not what the log says`);
  }
  for (const record of state.operations.values()) {
    if (!paid.has(record.id) && !stored.has(record.id))
      problems.push(`operation ${record.id} is in the log and not in the table`);
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
