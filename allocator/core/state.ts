// One show's state: everything a turn reads. `evolve` is its only writer.
// S1: `seats[i]` is free, held, sold or blocked; every held seat belongs to one live booking's `seats`.
// S2: `free` and `held` count by seat class (category × accessible) what `seats` says.
// S3: `bookings` has every booking that is live, whose payment is unfinished, or whose last change is not yet
//     committed; the others are cold: in the table only. Likewise `operations` and the waiters of `line`.
// S4: `keys` knows the fingerprint of every operation that placed a hold or joined the line, and of every other one of
//     the last day, cold ones too; it may know too many, never too few: an operation it does not know is new, and needs
//     no look-up.
// S5: `bookings` is a linked hash map: its rows are what stands in the lines of `deadlines`, a live one in exactly
//     one, any other in none. A booking is taken out of its line before it is taken out of `bookings`.
// How it lies in memory decides how fast a turn is: among a thousand shows most of it waits for memory. So one array of
// rows has what finds a booking and its place in line (linked-hash-map.ts, M1), the lines are one more, and nothing is
// built anew when the last hold goes and the next one comes.

import { fail } from "../../shared/kernel/assert.ts";
import { DeadlineLines } from "../../shared/kernel/deadline-lines.ts";
import {
  type BookingId,
  bookingIdOf,
  type OperationId,
  type SessionId,
  type ShowId,
  type WaiterId,
  waiterIdOf,
} from "../../shared/kernel/ids.ts";
import { LinkedHashMap, NONE } from "../../shared/kernel/linked-hash-map.ts";
import {
  type BookingStatus,
  type BookingView,
  SEAT_BLOCKED,
  SEAT_FREE,
  SEAT_HELD,
  SEAT_SOLD,
  type TicketUse,
} from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { Line } from "../../waitlist/core/line.ts";
import { isWaiting, type Waiter } from "../../waitlist/core/waiter.ts";
import type { Hall } from "./hall.ts";
import { KeyIndex } from "./key-index.ts";
import { countIn } from "./seat-classes.ts";

/**
 * `begun`: the gateway is being asked · `authorised`: booked, to be captured · `captured`: the money is ours ·
 * `declined` · `voiding`: released, an authorisation may exist and must go · `voided` · `refunding`: to be given back ·
 * `refunded`: what was captured was given back.
 */
export type PaymentState =
  | "begun"
  | "authorised"
  | "captured"
  | "declined"
  | "voiding"
  | "voided"
  | "refunding"
  | "refunded";

export interface Payment {
  readonly attempt: number;
  readonly state: PaymentState;
  readonly token: string;
  /** The payment gateway's id for it; absent before it is known, and where none was needed. */
  readonly reference?: string;
  readonly deadlineAt: number;
  readonly lineMs: number;
  /** Absent in rows of the first version: see `begunAtOf`. */
  readonly begunAt?: number;
  readonly operation: OperationId;
  readonly requestHash: number;
  readonly reason?: string;
}

export interface Booking {
  readonly id: BookingId;
  readonly session: SessionId;
  status: BookingStatus;
  /** Log sequence of its last change. */
  version: number;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly createdAt: number;
  /** Of the hold, as shown; a payment has a deadline of its own. */
  expiresAt: number;
  graceMs: number;
  lineMs: number;
  extended: boolean;
  readonly requestHash: number;
  payment: Payment | undefined;
  bookedAt: number | undefined;
  reason: string | undefined;
  contactEmail: string | undefined;
  used: readonly TicketUse[] | undefined;
}

/** What a key made, for commands that make no booking. */
export interface OperationRecord {
  readonly id: OperationId;
  readonly requestHash: number;
  readonly at: number;
  /** The booking or waiter it was about, or the seats. */
  readonly subject: BookingId | WaiterId | readonly number[];
}

/** What of a booking ends by itself. */
export type DeadlineKind = "hold" | "extended" | "paying";

export interface ShowState {
  readonly showId: ShowId;
  readonly hall: Hall;
  terms: ShowTerms;
  seq: number;
  /** Time of the last recorded turn: `now` is never below it. */
  lastAt: number;
  /** The last outage its deadlines were moved by. */
  outageId: number;
  readonly seats: Uint8Array;
  readonly free: number[];
  readonly held: number[];
  readonly bookings: LinkedHashMap<BookingId, Booking>;
  readonly operations: LinkedHashMap<OperationId, OperationRecord>;
  readonly keys: KeyIndex;
  /** Seats each session has in live bookings, offered to it and waited for by it. */
  readonly sessionSeats: LinkedHashMap<SessionId, number>;
  /** Of the live ones in `bookings`. */
  readonly deadlines: DeadlineLines<DeadlineKind, BookingId>;
  /** Who waits; absent until somebody does. */
  line: Line | undefined;
}

export const seatClass = (hall: Hall, seat: number): number => hall.kind[seat] as number;

/** A show nothing has happened to. Its first event is `ShowOpened`. */
export function newShow(showId: ShowId, hall: Hall, terms: ShowTerms): ShowState {
  const free: number[] = new Array(2 * hall.categories.length).fill(0);
  for (let seat = 0; seat < hall.seatCount; seat += 1)
    free[seatClass(hall, seat)] = (free[seatClass(hall, seat)] ?? 0) + 1;
  const bookings = new LinkedHashMap<BookingId, Booking>();
  return {
    showId,
    hall,
    terms,
    seq: 0,
    lastAt: 0,
    outageId: 0,
    seats: new Uint8Array(hall.seatCount),
    free,
    held: free.map(() => 0),
    bookings,
    operations: new LinkedHashMap(),
    keys: new KeyIndex(),
    sessionSeats: new LinkedHashMap(),
    deadlines: new DeadlineLines(bookings.rows),
    line: undefined,
  };
}

/** Writes a seat's state and keeps the counts true (S2). For `evolve` and the loading of a show only. */
export function setSeat(state: ShowState, seat: number, status: number): void {
  const before = state.seats[seat];
  const kind = seatClass(state.hall, seat);
  if (before === SEAT_FREE) state.free[kind] = (state.free[kind] as number) - 1;
  else if (before === SEAT_HELD) state.held[kind] = (state.held[kind] as number) - 1;
  if (status === SEAT_FREE) state.free[kind] = (state.free[kind] as number) + 1;
  else if (status === SEAT_HELD) state.held[kind] = (state.held[kind] as number) + 1;
  state.seats[seat] = status;
}

/** Moves seats from one state to another; a seat that is not in the first is a bug. For `evolve` only. */
export function moveSeats(state: ShowState, seats: readonly number[], from: number, to: number): void {
  for (const seat of seats) {
    if (state.seats[seat] !== from) fail(`show ${state.showId}: seat ${seat} is ${state.seats[seat]}, not ${from}`);
    setSeat(state, seat, to);
  }
}

/** Frees seats, and lets the line know how quickly it goes. */
export function freeSeats(state: ShowState, seats: readonly number[], from: number): void {
  moveSeats(state, seats, from, SEAT_FREE);
  state.line?.noteFreed(seats.length, state.lastAt);
}

export const isLive = (booking: Booking): boolean => booking.status === "held" || booking.status === "paying";

const UNFINISHED: ReadonlySet<PaymentState> = new Set<PaymentState>(["begun", "authorised", "voiding", "refunding"]);

/** Whether somebody still has to do something about its money. */
export const isUnfinished = (payment: Payment | undefined): boolean =>
  payment !== undefined && UNFINISHED.has(payment.state);

/** When it began; in an old row as its deadline says, which an outage may have moved. */
export const begunAtOf = ({ begunAt, deadlineAt, lineMs }: Payment): number => begunAt ?? deadlineAt - lineMs;

/** When and where the ticket of one of its seats was used. */
export const useOf = ({ used }: Booking, seat: number): TicketUse | undefined => used?.find((use) => use.seat === seat);

/** When the server acts on a live booking: a hold's grace after what was shown, a payment's own deadline. */
export const deadlineOf = (booking: Booking): number =>
  booking.status === "paying" && booking.payment !== undefined
    ? booking.payment.deadlineAt
    : booking.expiresAt + booking.graceMs;

/** Puts a loaded or new booking where it belongs: known by its key, a live one with its deadline and session's seats. */
export function enlist(state: ShowState, booking: Booking): void {
  state.bookings.set(booking.id, booking);
  state.keys.addHold(booking.id);
  if (!isLive(booking)) return;
  addSessionSeats(state, booking.session, booking.seats.length);
  standInLine(state, booking);
}

/** Puts a loaded or new waiter where it belongs: known by its key, an active one in the line and its session's seats. */
export function enlistWaiter(state: ShowState, waiter: Waiter, seenAt: number): void {
  state.line ??= new Line();
  state.line.add(waiter, seenAt);
  state.keys.addHold(waiter.id);
  if (isWaiting(waiter)) addSessionSeats(state, waiter.session, waiter.quantity);
}

/** Counts seats a session has more, or fewer. */
export function addSessionSeats(state: ShowState, session: SessionId, count: number): void {
  const seats = (state.sessionSeats.get(session) ?? 0) + count;
  if (seats < 0) fail(`show ${state.showId}: a session has ${seats} seats`);
  if (seats === 0) state.sessionSeats.delete(session);
  else state.sessionSeats.set(session, seats);
}

/** Puts a live booking into the line its status calls for. */
export function standInLine(state: ShowState, booking: Booking): void {
  const row = state.bookings.rowOf(booking.id);
  if (row === NONE) fail(`show ${state.showId}: booking ${booking.id} cannot stand in line`);
  if (booking.status === "paying" && booking.payment !== undefined) {
    state.deadlines.stand("paying", booking.payment.lineMs, row, booking.payment.deadlineAt);
  } else {
    state.deadlines.stand(booking.extended ? "extended" : "hold", booking.lineMs, row, deadlineOf(booking));
  }
}

export function leaveLine(state: ShowState, booking: Booking): void {
  const row = state.bookings.rowOf(booking.id);
  if (row !== NONE) state.deadlines.leave(row);
}

/** The booking an operation made, were it a hold's. */
export const bookingOf = (state: ShowState, operation: OperationId): Booking | undefined =>
  state.bookings.get(bookingIdOf(state.showId, operation));

/** The waiter an operation made, were it a join. */
export const waiterOf = (state: ShowState, operation: OperationId): Waiter | undefined =>
  state.line?.get(waiterIdOf(state.showId, operation));

export function viewOf(state: ShowState, booking: Booking): BookingView {
  return {
    id: booking.id,
    showId: state.showId,
    session: booking.session,
    status: booking.status,
    version: booking.version,
    seats: booking.seats,
    total: booking.total,
    currency: booking.currency,
    createdAt: booking.createdAt,
    expiresAt:
      booking.status === "paying" && booking.payment !== undefined ? booking.payment.deadlineAt : booking.expiresAt,
    bookedAt: booking.bookedAt,
    reason: booking.reason,
    used: booking.used,
  };
}

/** From this moment nothing is sold and the line closes; a cancelled show's is past. */
export const closesAt = ({ terms }: ShowState): number =>
  terms.cancelled ? Number.NEGATIVE_INFINITY : terms.salesCutoffAt;

/** A cancelled show with bookings that are not cancelled yet: somebody has to go on without being asked. */
export const isToBeCleared = ({ terms, seats, deadlines }: ShowState): boolean =>
  terms.cancelled && (deadlines.size > 0 || seats.includes(SEAT_SOLD));

/** The free seats that waiters claim. */
export const queuedSeats = ({ line, free }: ShowState): number =>
  line === undefined ? 0 : countIn(free, line.claimed);

export const isBlocked = (state: ShowState, seat: number): boolean => state.seats[seat] === SEAT_BLOCKED;
