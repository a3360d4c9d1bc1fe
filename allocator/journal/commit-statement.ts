// The group commit: one autocommit statement writes the turns of many shows.
// C1: `f` locks the leases that still have the entry's epoch and sequence; everything else joins what `u` updated, so
//     a fenced show writes nothing and the others still commit. Without the lock two owners can both pass (measured:
//     728 doubled positions in 10 s); a test runs that mutation.
// C2: one statement cannot write a row twice, so an entry has each row's last image only, and a seat given back and
//     sold again in one batch is one UPDATE.
//     An operation's row is overwritten: a key that is days old may be used again.
// C3: `sold_seat` is inserted without ON CONFLICT: a seat sold twice must fail the statement. So must a booking that
//     would overwrite another with its id: its status becomes NULL, which the table refuses. And so must a waiter;
//     its place tells two of one id apart, since no two ever join at one sequence of the log.
// C4: an outage that began after the entry's turns fences the entry. A frozen server runs what lies in its sockets
//     when it thaws, before any beat: without this a hold could expire in a time that nobody could use.
// C5: a statement names the table of waiters only where its entries do: one that does not costs nothing more for it
//     (with 16 more empty arrays and an index more to open: 0.55 ms instead of 0.51 for a single entry).
// C6: after an outage a line moves by one UPDATE of its show, not by the images of its rows: 100,000 of them took 2 s in
//     the store and 0.7 s here, which is near enough to another outage.
// BEGIN … COMMIT would let a paused owner block a takeover; one statement cannot be paused in between.

import { operationOf } from "../../shared/kernel/ids.ts";
import { Column } from "./column.ts";
import { type CommitEntry, OUTAGE_MIN_MS } from "./journal.ts";

const COLUMNS = {
  i: [
    "show_id text",
    "epoch bigint",
    "prev bigint",
    "seq bigint",
    "active boolean",
    "last_at bigint",
    "outage_id bigint",
    "seats text",
    "free text",
    "terms text",
  ],
  l: ["show_id text", "seq bigint", "epoch bigint", "at bigint", "events text"],
  b: [
    "show_id text",
    "id text",
    "session text",
    "status text",
    "version bigint",
    "seats text",
    "total bigint",
    "currency text",
    "created_at bigint",
    "expires_at bigint",
    "grace_ms bigint",
    "line_ms bigint",
    "booked_at bigint",
    "reason text",
    "extended boolean",
    "request_hash bigint",
    "payment text",
    "contact_email text",
    "used text",
  ],
  si: ["show_id text", "seat integer", "booking_id text"],
  sd: ["show_id text", "seat integer"],
  su: ["show_id text", "seat integer", "booking_id text"],
  o: ["show_id text", "id text", "request_hash bigint", "at bigint", "result text"],
  q: [
    "show_id text",
    "id text",
    "place bigint",
    "session text",
    "quantity integer",
    "categories text",
    "accessible boolean",
    "contiguous boolean",
    "status text",
    "version bigint",
    "joined_at bigint",
    "expires_at bigint",
    "ended_at bigint",
    "request_hash bigint",
    "offer text",
    "hold_id text",
  ],
  m: ["show_id text", "by_ms bigint"],
} as const;

type Group = keyof typeof COLUMNS;
const GROUPS = Object.keys(COLUMNS) as Group[];

/** What is written of the line: nothing, rows, or rows and the moving of all others (C5, C6). */
export type LineWrites = "none" | "rows" | "moved";

export function lineWritesOf(entries: readonly CommitEntry[]): LineWrites {
  if (entries.some((entry) => entry.waitersMovedMs !== 0)) return "moved";
  return entries.some((entry) => entry.waiters.length > 0) ? "rows" : "none";
}

const groupsOf = (line: LineWrites): Group[] =>
  GROUPS.filter((group) => (group === "q" ? line !== "none" : group === "m" ? line === "moved" : true));

/** `unnest($3::text[], $4::bigint[]) AS i(show_id, epoch)` for each group, its parameters numbered through. */
function unnests(line: LineWrites): Record<Group, string> {
  let parameter = 0;
  const clause = (group: Group): string => {
    const casts = COLUMNS[group].map((column) => {
      parameter += 1;
      return `$${parameter}::${column.split(" ")[1]}[]`;
    });
    return `unnest(${casts.join(", ")}) AS ${group}(${COLUMNS[group].map((column) => column.split(" ")[0]).join(", ")})`;
  };
  return Object.fromEntries(groupsOf(line).map((group) => [group, clause(group)])) as Record<Group, string>;
}

/** `lock: false` is the mutation that a test must catch; nothing else may ask for it. */
export function commitStatement({ lock, line }: { lock: boolean; line: LineWrites }): string {
  const from = unnests(line);
  return `
WITH i AS MATERIALIZED (SELECT * FROM ${from.i}),
f AS MATERIALIZED (
  SELECT s.show_id FROM show_lease s JOIN i USING (show_id)
  WHERE s.epoch = i.epoch AND s.seq = i.prev
    AND i.outage_id >= (SELECT COALESCE(max(outage_id), 0) FROM outage)
    AND (SELECT clock_timestamp() - alive_at FROM cell) <= interval '${OUTAGE_MIN_MS} ms'
  ${lock ? "ORDER BY s.show_id FOR NO KEY UPDATE OF s" : ""}),
u AS (
  UPDATE show_lease s
  SET seq = i.seq, active = i.active, last_at = i.last_at, outage_id = i.outage_id, seats = i.seats,
      free = i.free::integer[], terms = COALESCE(i.terms::jsonb, s.terms)
  FROM i JOIN f USING (show_id) WHERE s.show_id = i.show_id
  RETURNING s.show_id),
w AS (
  INSERT INTO show_log (show_id, seq, epoch, at, events)
  SELECT l.show_id, l.seq, l.epoch, l.at, l.events FROM ${from.l} JOIN u USING (show_id)),
wb AS (
  INSERT INTO booking (show_id, id, session, status, version, seats, total, currency, created_at, expires_at,
    grace_ms, line_ms, booked_at, reason, extended, request_hash, payment, contact_email, used)
  SELECT b.show_id, b.id, b.session, b.status, b.version, b.seats::smallint[], b.total, b.currency, b.created_at,
    b.expires_at, b.grace_ms, b.line_ms, b.booked_at, b.reason, b.extended, b.request_hash, b.payment::jsonb, b.contact_email,
    b.used::jsonb
  FROM ${from.b} JOIN u USING (show_id)
  ON CONFLICT (show_id, id) DO UPDATE SET
    status = CASE WHEN booking.created_at = EXCLUDED.created_at THEN EXCLUDED.status END, version = EXCLUDED.version,
    expires_at = EXCLUDED.expires_at, line_ms = EXCLUDED.line_ms, booked_at = EXCLUDED.booked_at,
    reason = EXCLUDED.reason, extended = EXCLUDED.extended, payment = EXCLUDED.payment,
    contact_email = EXCLUDED.contact_email, used = EXCLUDED.used),
wsi AS (
  INSERT INTO sold_seat (show_id, seat, booking_id)
  SELECT si.show_id, si.seat, si.booking_id FROM ${from.si} JOIN u USING (show_id)),
wsd AS (
  DELETE FROM sold_seat s USING ${from.sd} JOIN u USING (show_id)
  WHERE s.show_id = sd.show_id AND s.seat = sd.seat),
wsu AS (
  UPDATE sold_seat s SET booking_id = su.booking_id FROM ${from.su} JOIN u USING (show_id)
  WHERE s.show_id = su.show_id AND s.seat = su.seat),
wo AS (
  INSERT INTO operation (show_id, id, request_hash, at, result)
  SELECT o.show_id, o.id, o.request_hash, o.at, o.result FROM ${from.o} JOIN u USING (show_id)
  ON CONFLICT (show_id, id) DO UPDATE SET request_hash = EXCLUDED.request_hash, at = EXCLUDED.at,
    result = EXCLUDED.result)
${line === "none" ? "" : writeWaiters(from)}
${line === "moved" ? moveWaiters(from) : ""}
SELECT show_id FROM u`;
}

const writeWaiters = (from: Record<Group, string>): string => `
, q AS MATERIALIZED (SELECT * FROM ${from.q}),
wq AS (
  INSERT INTO waiter (show_id, id, place, session, quantity, categories, accessible, contiguous, status, version,
    joined_at, expires_at, ended_at, request_hash, offer, hold_id)
  SELECT q.show_id, q.id, q.place, q.session, q.quantity, q.categories::smallint[], q.accessible, q.contiguous, q.status,
    q.version, q.joined_at, q.expires_at, q.ended_at, q.request_hash, q.offer::jsonb, q.hold_id
  FROM q JOIN u USING (show_id)
  ON CONFLICT (show_id, id) DO UPDATE SET
    status = CASE WHEN waiter.place = EXCLUDED.place THEN EXCLUDED.status END, version = EXCLUDED.version,
    quantity = EXCLUDED.quantity, expires_at = EXCLUDED.expires_at, ended_at = EXCLUDED.ended_at,
    offer = EXCLUDED.offer, hold_id = EXCLUDED.hold_id)`;

/** Those whose images come with the entry have been moved in them (C2). */
const moveWaiters = (from: Record<Group, string>): string => `
, wm AS (
  UPDATE waiter s SET expires_at = s.expires_at + m.by_ms FROM ${from.m} JOIN u USING (show_id)
  WHERE s.show_id = m.show_id AND s.ended_at IS NULL
    AND NOT EXISTS (SELECT FROM q WHERE q.show_id = s.show_id AND q.id = s.id))`;

/** The statement's parameters, one array literal a column. */
export function commitValues(entries: readonly CommitEntry[], line: LineWrites): string[] {
  const groups = Object.fromEntries(GROUPS.map((group) => [group, COLUMNS[group].map(() => new Column())])) as Record<
    Group,
    Column[]
  >;
  for (const entry of entries) {
    pushLease(groups.i, entry);
    pushLog(groups.l, entry);
    pushBookings(groups.b, entry);
    pushSoldSeats(groups, entry);
    pushOperations(groups.o, entry);
    pushWaiters(groups.q, entry);
    pushMove(groups.m, entry);
  }
  return groupsOf(line).flatMap((group) => groups[group].map((column) => column.toLiteral()));
}

type Tuple<N extends number, T extends Column[] = []> = T["length"] extends N ? T : Tuple<N, [...T, Column]>;

function pushLease(columns: Column[], entry: CommitEntry): void {
  const [showId, epoch, prev, seq, active, lastAt, outageId, seats, free, terms] = columns as Tuple<10>;
  showId.text(entry.showId);
  epoch.number(entry.epoch);
  prev.number(entry.previousSeq);
  seq.number(entry.seq);
  active.boolean(entry.active);
  lastAt.number(entry.lastAt);
  outageId.number(entry.outageId);
  seats.text(entry.seats);
  free.numbers(entry.free);
  terms.text(entry.terms && JSON.stringify(entry.terms));
}

function pushLog(columns: Column[], entry: CommitEntry): void {
  const [showId, seq, epoch, at, events] = columns as Tuple<5>;
  for (const turn of entry.turns) {
    showId.text(entry.showId);
    seq.number(turn.seq);
    epoch.number(entry.epoch);
    at.number(turn.at);
    events.text(JSON.stringify(turn.events));
  }
}

function pushBookings(columns: Column[], entry: CommitEntry): void {
  const [
    showId,
    id,
    session,
    status,
    version,
    seats,
    total,
    currency,
    createdAt,
    expiresAt,
    graceMs,
    lineMs,
    bookedAt,
    reason,
    extended,
    requestHash,
    payment,
    contactEmail,
    used,
  ] = columns as Tuple<19>;
  for (const booking of entry.bookings) {
    showId.text(entry.showId);
    id.text(operationOf(booking.id));
    session.text(booking.session);
    status.text(booking.status);
    version.number(booking.version);
    seats.numbers(booking.seats);
    total.number(booking.total);
    currency.text(booking.currency);
    createdAt.number(booking.createdAt);
    expiresAt.number(booking.expiresAt);
    graceMs.number(booking.graceMs);
    lineMs.number(booking.lineMs);
    bookedAt.number(booking.bookedAt);
    reason.text(booking.reason);
    extended.boolean(booking.extended);
    requestHash.number(booking.requestHash);
    payment.text(booking.payment && JSON.stringify(booking.payment));
    contactEmail.text(booking.contactEmail);
    used.text(booking.used && JSON.stringify(booking.used));
  }
}

function pushSoldSeats(groups: Record<Group, Column[]>, entry: CommitEntry): void {
  for (const { seat, before, after } of entry.sold) {
    if (before === after) continue;
    const columns = before === undefined ? groups.si : after === undefined ? groups.sd : groups.su;
    const [showId, seats, bookingId] = columns as [Column, Column, Column?];
    showId.text(entry.showId);
    seats.number(seat);
    if (after !== undefined) bookingId?.text(operationOf(after));
  }
}

function pushOperations(columns: Column[], entry: CommitEntry): void {
  const [showId, id, requestHash, at, result] = columns as Tuple<5>;
  for (const operation of entry.operations) {
    showId.text(entry.showId);
    id.text(operation.id);
    requestHash.number(operation.requestHash);
    at.number(operation.at);
    result.text(typeof operation.subject === "string" ? operation.subject : JSON.stringify(operation.subject));
  }
}

function pushWaiters(columns: Column[], entry: CommitEntry): void {
  const [
    showId,
    id,
    place,
    session,
    quantity,
    categories,
    accessible,
    contiguous,
    status,
    version,
    joinedAt,
    expiresAt,
    endedAt,
    requestHash,
    offer,
    holdId,
  ] = columns as Tuple<16>;
  for (const waiter of entry.waiters) {
    showId.text(entry.showId);
    id.text(operationOf(waiter.id));
    place.number(waiter.place);
    session.text(waiter.session);
    quantity.number(waiter.quantity);
    categories.numbers(waiter.categories);
    accessible.boolean(waiter.accessible);
    contiguous.boolean(waiter.contiguous);
    status.text(waiter.status);
    version.number(waiter.version);
    joinedAt.number(waiter.joinedAt);
    expiresAt.number(waiter.expiresAt);
    endedAt.number(waiter.endedAt);
    requestHash.number(waiter.requestHash);
    offer.text(waiter.offer && JSON.stringify(waiter.offer));
    holdId.text(waiter.holdId && operationOf(waiter.holdId));
  }
}

function pushMove(columns: Column[], entry: CommitEntry): void {
  if (entry.waitersMovedMs === 0) return;
  const [showId, byMs] = columns as Tuple<2>;
  showId.text(entry.showId);
  byMs.number(entry.waitersMovedMs);
}
