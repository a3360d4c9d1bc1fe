// Applies one event to a show's state: the only writer there is. Used by the turn, by a replay of the log and by the
// simulator alike, so it reads nothing but the event and the state.
// V1: an event that does not fit the state is a bug: the assertion throws, the actor dies and is loaded anew.

import { assertNever, fail } from "../../shared/kernel/assert.ts";
import type { BookingId, OperationId } from "../../shared/kernel/ids.ts";
import { type BookingStatus, SEAT_BLOCKED, SEAT_FREE, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import type { BookingConfirmed, HoldPlaced, PaymentBegun, ShowEvent, TicketUsed } from "./event.ts";
import { evolveWaitlist } from "./evolve-waitlist.ts";
import { remember } from "./remember.ts";
import {
  addSessionSeats,
  type Booking,
  enlist,
  freeSeats,
  isLive,
  leaveLine,
  moveSeats,
  type Payment,
  type ShowState,
  standInLine,
  useOf,
} from "./state.ts";

const ENDS = { PaymentCaptured: "captured", PaymentVoided: "voided", PaymentRefunded: "refunded" } as const;

/** `seq` and `at` are the log row's: every event of a turn shares them. */
export function evolve(state: ShowState, event: ShowEvent, seq: number, at: number): void {
  if (seq < state.seq || at < state.lastAt) fail(`show ${state.showId}: event ${event.kind} goes back`);
  state.seq = seq;
  state.lastAt = at;
  switch (event.kind) {
    case "ShowOpened":
      if (event.layoutId !== state.hall.layoutId) fail(`show ${state.showId} was opened in layout ${event.layoutId}`);
      state.terms = event.terms;
      return;
    case "TermsChanged":
      state.terms = event.terms;
      return;
    case "HoldPlaced":
      return placeHold(state, event, at);
    case "HoldExtended":
      return extendHold(state, known(state, event.id), event);
    case "HoldReleased":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, event.id);
      return finish(state, known(state, event.id), "released", event.reason);
    case "HoldExpired":
      return finish(state, known(state, event.id), "expired", undefined);
    case "PaymentBegun":
      return beginPayment(state, known(state, event.id), event);
    case "BookingConfirmed":
      return confirm(state, known(state, event.id), event, at);
    case "PaymentDeclined":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, event.id);
      return decline(state, known(state, event.id), event.reason, event.released);
    case "PaymentAbandoned":
      return abandon(state, known(state, event.id), event.reason ?? "payment_unknown");
    case "PaymentCaptured":
    case "PaymentVoided":
    case "PaymentRefunded":
      return setPayment(known(state, event.id), { state: ENDS[event.kind] });
    case "BookingCancelled":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, event.id);
      return cancel(state, known(state, event.id), event.reason);
    case "TicketUsed":
      remember(state, event.operation, event.requestHash, event.id);
      return useTicket(known(state, event.id), event, at);
    case "SeatsBlocked":
      remember(state, event.operation, event.requestHash, event.seats);
      return moveSeats(state, event.seats, SEAT_FREE, SEAT_BLOCKED);
    case "SeatsUnblocked":
      remember(state, event.operation, event.requestHash, event.seats);
      return freeSeats(state, event.seats, SEAT_BLOCKED);
    case "DeadlinesMoved":
      return moveDeadlines(state, event.byMs, event.outageId);
    case "WaiterJoined":
    case "WaiterLowered":
    case "WaiterLeft":
    case "OfferMade":
    case "OfferAccepted":
    case "OfferDeclined":
    case "OfferLapsed":
      return evolveWaitlist(state, event);
    default:
      assertNever(event);
  }
}

function known(state: ShowState, id: BookingId): Booking {
  const booking = state.bookings.get(id);
  if (booking === undefined) fail(`show ${state.showId}: event about an unknown booking ${id}`);
  booking.version = state.seq;
  return booking;
}

function placeHold(state: ShowState, event: HoldPlaced, at: number): void {
  if (state.bookings.has(event.id)) fail(`show ${state.showId}: hold ${event.id} placed twice`);
  moveSeats(state, event.seats, SEAT_FREE, SEAT_HELD);
  enlist(state, {
    id: event.id,
    session: event.session,
    status: "held",
    version: state.seq,
    seats: event.seats,
    total: event.total,
    currency: event.currency,
    createdAt: at,
    expiresAt: event.expiresAt,
    graceMs: event.graceMs,
    lineMs: event.lineMs,
    extended: false,
    requestHash: event.requestHash,
    payment: undefined,
    bookedAt: undefined,
    reason: undefined,
    contactEmail: undefined,
    used: undefined,
  });
}

function extendHold(
  state: ShowState,
  booking: Booking,
  event: { expiresAt: number; lineMs: number; operation: OperationId; requestHash: number },
): void {
  if (booking.status !== "held" || booking.extended) fail(`booking ${booking.id} cannot be extended`);
  leaveLine(state, booking);
  booking.extended = true;
  booking.expiresAt = event.expiresAt;
  booking.lineMs = event.lineMs;
  standInLine(state, booking);
  remember(state, event.operation, event.requestHash, booking.id);
}

/** Ends a live booking and frees its seats. */
function finish(state: ShowState, booking: Booking, status: BookingStatus, reason: string | undefined): void {
  delist(state, booking);
  freeSeats(state, booking.seats, SEAT_HELD);
  booking.status = status;
  booking.reason = reason;
}

/** Out of the live ones: its deadline and its session's seats. */
function delist(state: ShowState, booking: Booking): void {
  if (!isLive(booking)) fail(`booking ${booking.id} is ${booking.status}`);
  leaveLine(state, booking);
  addSessionSeats(state, booking.session, -booking.seats.length);
}

function beginPayment(state: ShowState, booking: Booking, event: PaymentBegun): void {
  if (booking.status !== "held") fail(`payment begun for ${booking.id}, ${booking.status}`);
  leaveLine(state, booking);
  booking.status = "paying";
  booking.contactEmail = event.contactEmail ?? booking.contactEmail;
  booking.payment = {
    attempt: event.attempt,
    state: "begun",
    token: event.paymentToken,
    deadlineAt: event.deadlineAt,
    lineMs: event.lineMs,
    ...(event.begunAt === undefined ? {} : { begunAt: event.begunAt }),
    operation: event.operation,
    requestHash: event.requestHash,
  };
  standInLine(state, booking);
  remember(state, event.operation, event.requestHash, booking.id);
}

function confirm(state: ShowState, booking: Booking, event: BookingConfirmed, at: number): void {
  if (isLive(booking)) {
    delist(state, booking);
    moveSeats(state, booking.seats, SEAT_HELD, SEAT_SOLD);
  } else {
    // A success that came after its release, with nobody in the way.
    if (booking.payment?.state !== "voiding") fail(`booking ${booking.id} confirmed from ${booking.status}`);
    moveSeats(state, booking.seats, SEAT_FREE, SEAT_SOLD);
  }
  booking.status = "booked";
  booking.bookedAt = at;
  booking.reason = undefined;
  if (event.begun !== undefined) {
    const { operation, requestHash, paymentToken, contactEmail } = event.begun;
    booking.contactEmail = contactEmail ?? booking.contactEmail;
    booking.payment = {
      attempt: (booking.payment?.attempt ?? 0) + 1,
      state: "captured",
      token: paymentToken,
      deadlineAt: at,
      lineMs: 0,
      operation,
      requestHash,
    };
    remember(state, operation, requestHash, booking.id);
  } else {
    setPayment(
      booking,
      event.reference === undefined ? { state: "captured" } : { state: "authorised", reference: event.reference },
    );
  }
}

function decline(state: ShowState, booking: Booking, reason: string, released: boolean): void {
  if (booking.status !== "paying") fail(`payment declined for ${booking.id}, ${booking.status}`);
  if (released) {
    finish(state, booking, "declined", reason);
  } else {
    leaveLine(state, booking);
    booking.status = "held";
    standInLine(state, booking);
  }
  setPayment(booking, { state: "declined", reason });
}

function abandon(state: ShowState, booking: Booking, reason: string): void {
  if (booking.status !== "paying") fail(`payment abandoned for ${booking.id}, ${booking.status}`);
  finish(state, booking, "released", reason);
  setPayment(booking, { state: "voiding" });
}

function cancel(state: ShowState, booking: Booking, reason: string): void {
  if (booking.status !== "booked") fail(`booking ${booking.id} cancelled from ${booking.status}`);
  freeSeats(state, booking.seats, SEAT_SOLD);
  booking.status = "cancelled";
  booking.reason = reason;
  // Without a reference nothing was taken by a payment gateway: there is nothing to give back.
  if (booking.payment?.reference !== undefined) setPayment(booking, { state: "refunding" });
}

function useTicket(booking: Booking, { seat, gate }: TicketUsed, at: number): void {
  if (booking.status !== "booked" || !booking.seats.includes(seat) || useOf(booking, seat) !== undefined) {
    fail(`ticket of seat ${seat} used in ${booking.id}, ${booking.status}`);
  }
  booking.used = [...(booking.used ?? []), { seat, at, gate }];
}

function setPayment(booking: Booking, change: Partial<Payment>): void {
  if (booking.payment === undefined) fail(`booking ${booking.id} has no payment`);
  booking.payment = { ...booking.payment, ...change };
}

function moveDeadlines(state: ShowState, byMs: number, outageId: number): void {
  state.outageId = outageId;
  state.deadlines.moveAll(byMs);
  for (const booking of state.bookings.values()) {
    if (!isLive(booking)) continue;
    booking.version = state.seq;
    booking.expiresAt += byMs;
    if (booking.status === "paying" && booking.payment !== undefined) {
      booking.payment = { ...booking.payment, deadlineAt: booking.payment.deadlineAt + byMs };
    }
  }
  if (state.line === undefined) return;
  state.line.moveDeadlines(byMs, state.lastAt);
  for (const waiter of state.line.all()) if (waiter.status === "offered") waiter.version = state.seq;
}
