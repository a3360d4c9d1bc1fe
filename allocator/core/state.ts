// One show's state: everything a turn reads. `evolve` is its only writer.
// S1: `seats[i]` is free, held, sold or blocked; every held seat belongs to one live booking's `seats`.
// S2: `free` and `held` count by seat class (category × accessible) what `seats` says.
// S3: `bookings` has every booking that is live, whose payment is unfinished, or whose last change is not yet
//     committed; the others are cold: in the table only. Likewise `operations`.
// S4: `keys` knows the fingerprint of every hold's operation and of every other one of the last day, cold ones too; it
//     may know too many, never too few: an operation it does not know is new, and needs no look-up.
// S5: `bookings` is a linked hash map: its entries are what stands in the lines of `deadlines`, a live one in exactly
//     one, any other in none. A booking is taken out of its line before it is taken out of `bookings`.
// How it lies in memory decides how fast a turn is: among a thousand shows most of it waits for memory. So one table
// finds a booking and its place in line, and nothing is built anew when the last hold goes and the next one comes.

import { DeadlineLines } from "../../shared/kernel/deadline-lines.ts";
import { type BookingId, bookingIdOf, type OperationId, type SessionId, type ShowId } from "../../shared/kernel/ids.ts";
import { type Entry, LinkedHashMap } from "../../shared/kernel/linked-hash-map.ts";
import {
  type BookingStatus,
  type BookingView,
  SEAT_BLOCKED,
  SEAT_FREE,
  SEAT_HELD,
} from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Hall } from "./hall.ts";
import { KeyIndex } from "./key-index.ts";

/**
 * `begun`: the gateway is being asked · `authorised`: booked, to be captured · `captured`: the money is ours ·
 * `declined` · `voiding`: released, an authorisation may exist and must go · `voided` · `refunding`: to be given back.
 */
export type PaymentState = "begun" | "authorised" | "captured" | "declined" | "voiding" | "voided" | "refunding";

export interface Payment {
  readonly attempt: number;
  readonly state: PaymentState;
  readonly token: string;
  /** The payment gateway's id for it; absent before it is known, and where none was needed. */
  readonly reference?: string;
  readonly deadlineAt: number;
  readonly lineMs: number;
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
}

/** What a key made, for commands that make no booking. */
export interface OperationRecord {
  readonly id: OperationId;
  readonly requestHash: number;
  readonly at: number;
  /** The booking it was about, or the seats. */
  readonly subject: BookingId | readonly number[];
}

export type DeadlineKind = "hold" | "extended" | "paying";

/** A booking as it stands in `bookings` and, while it is live, in a line of `deadlines`. */
export type BookingEntry = Entry<BookingId, Booking>;

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
  /** Seats each session has in live bookings. */
  readonly sessionSeats: LinkedHashMap<SessionId, number>;
  /** Of the live ones in `bookings`. */
  readonly deadlines: DeadlineLines<DeadlineKind, BookingId, Booking>;
}

export const seatClass = (hall: Hall, seat: number): number =>
  2 * (hall.category[seat] as number) + (hall.accessible[seat] as number);

/** A show nothing has happened to. Its first event is `ShowOpened`. */
export function newShow(showId: ShowId, hall: Hall, terms: ShowTerms): ShowState {
  const free: number[] = new Array(2 * hall.categories.length).fill(0);
  for (let seat = 0; seat < hall.seatCount; seat += 1)
    free[seatClass(hall, seat)] = (free[seatClass(hall, seat)] ?? 0) + 1;
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
    bookings: new LinkedHashMap(),
    operations: new LinkedHashMap(),
    keys: new KeyIndex(),
    sessionSeats: new LinkedHashMap(),
    deadlines: new DeadlineLines(),
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

export const isLive = (booking: Booking): boolean => booking.status === "held" || booking.status === "paying";

const UNFINISHED: ReadonlySet<PaymentState> = new Set<PaymentState>(["begun", "authorised", "voiding", "refunding"]);

/** Whether somebody still has to do something about its money. */
export const isUnfinished = (payment: Payment | undefined): boolean =>
  payment !== undefined && UNFINISHED.has(payment.state);

/** When the server acts on a live booking: a hold's grace after what was shown, a payment's own deadline. */
export const deadlineOf = (booking: Booking): number =>
  booking.status === "paying" && booking.payment !== undefined
    ? booking.payment.deadlineAt
    : booking.expiresAt + booking.graceMs;

/** Puts a loaded or new booking where it belongs: known by its key, a live one with its deadline and session's seats. */
export function enlist(state: ShowState, booking: Booking): void {
  const entry = state.bookings.set(booking.id, booking);
  state.keys.addHold(booking.id);
  if (!isLive(booking)) return;
  const session = state.sessionSeats.entryOf(booking.session);
  if (session === undefined) state.sessionSeats.set(booking.session, booking.seats.length);
  else session.value += booking.seats.length;
  standInLine(state, entry);
}

/** Puts a live booking into the line its status calls for. */
export function standInLine({ deadlines }: ShowState, entry: BookingEntry): void {
  const booking = entry.value;
  if (booking.status === "paying" && booking.payment !== undefined) {
    deadlines.stand("paying", booking.payment.lineMs, entry, booking.payment.deadlineAt);
  } else {
    deadlines.stand(booking.extended ? "extended" : "hold", booking.lineMs, entry, deadlineOf(booking));
  }
}

/** The booking an operation made, were it a hold's. */
export const bookingOf = (state: ShowState, operation: OperationId): Booking | undefined =>
  state.bookings.get(bookingIdOf(state.showId, operation));

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
  };
}

export const isBlocked = (state: ShowState, seat: number): boolean => state.seats[seat] === SEAT_BLOCKED;
