// The group commit: one autocommit statement writes the turns of many shows.
// C1: `f` locks the leases that still have the entry's epoch and sequence; everything else joins what `u` updated, so
//     a fenced show writes nothing and the others still commit. Without the lock two owners can both pass (measured:
//     728 doubled positions in 10 s); a test runs that mutation.
// C2: one statement cannot write a row twice, so an entry has each row's last image only, and a seat given back and
//     sold again in one batch is one UPDATE.
//     An operation's row is overwritten: a key that is days old may be used again.
// C3: `sold_seat` is inserted without ON CONFLICT: a seat sold twice must fail the statement. So must a booking that
//     would overwrite another with its id: its status becomes NULL, which the table refuses.
// C4: an outage that began after the entry's turns fences the entry. A frozen server runs what lies in its sockets
//     when it thaws, before any beat: without this a hold could expire in a time that nobody could use.
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
  ],
  si: ["show_id text", "seat integer", "booking_id text"],
  sd: ["show_id text", "seat integer"],
  su: ["show_id text", "seat integer", "booking_id text"],
  o: ["show_id text", "id text", "request_hash bigint", "at bigint", "result text"],
} as const;

type Group = keyof typeof COLUMNS;
const GROUPS = Object.keys(COLUMNS) as Group[];

/** `unnest($3::text[], $4::bigint[]) AS i(show_id, epoch)` for each group, its parameters numbered through. */
function unnests(): Record<Group, string> {
  let parameter = 0;
  const clause = (group: Group): string => {
    const casts = COLUMNS[group].map((column) => {
      parameter += 1;
      return `$${parameter}::${column.split(" ")[1]}[]`;
    });
    return `unnest(${casts.join(", ")}) AS ${group}(${COLUMNS[group].map((column) => column.split(" ")[0]).join(", ")})`;
  };
  return Object.fromEntries(GROUPS.map((group) => [group, clause(group)])) as Record<Group, string>;
}

/** `lock: false` is the mutation that a test must catch; nothing else may ask for it. */
export function commitStatement({ lock }: { lock: boolean }): string {
  const from = unnests();
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
    grace_ms, line_ms, booked_at, reason, extended, request_hash, payment, contact_email)
  SELECT b.show_id, b.id, b.session, b.status, b.version, b.seats::smallint[], b.total, b.currency, b.created_at,
    b.expires_at, b.grace_ms, b.line_ms, b.booked_at, b.reason, b.extended, b.request_hash, b.payment::jsonb, b.contact_email
  FROM ${from.b} JOIN u USING (show_id)
  ON CONFLICT (show_id, id) DO UPDATE SET
    status = CASE WHEN booking.created_at = EXCLUDED.created_at THEN EXCLUDED.status END, version = EXCLUDED.version,
    expires_at = EXCLUDED.expires_at, line_ms = EXCLUDED.line_ms, booked_at = EXCLUDED.booked_at,
    reason = EXCLUDED.reason, extended = EXCLUDED.extended, payment = EXCLUDED.payment,
    contact_email = EXCLUDED.contact_email),
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
SELECT show_id FROM u`;
}

/** The statement's parameters, one array literal a column. */
export function commitValues(entries: readonly CommitEntry[]): string[] {
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
  }
  return GROUPS.flatMap((group) => groups[group].map((column) => column.toLiteral()));
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
  ] = columns as Tuple<18>;
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
