// Applies one event to a show's state: the only writer there is. Used by the turn, by a replay of the log and by the
// simulator alike, so it reads nothing but the event and the state.
// V1: an event that does not fit the state is a bug: the assertion throws, the actor dies and is loaded anew.

import { assertNever, fail } from "../../shared/kernel/assert.ts";
import type { BookingId, OperationId } from "../../shared/kernel/ids.ts";
import { type BookingStatus, SEAT_BLOCKED, SEAT_FREE, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import type { BookingConfirmed, HoldPlaced, PaymentBegun, ShowEvent } from "./event.ts";
import {
  type Booking,
  type BookingEntry,
  enlist,
  isLive,
  type Payment,
  type ShowState,
  setSeat,
  standInLine,
} from "./state.ts";

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
      return extendHold(state, known(state, event.id), event, at);
    case "HoldReleased":
      remember(state, event.operation, event.requestHash, at, event.id);
      return finish(state, known(state, event.id), "released", undefined);
    case "HoldExpired":
      return finish(state, known(state, event.id), "expired", undefined);
    case "PaymentBegun":
      return beginPayment(state, known(state, event.id), event, at);
    case "BookingConfirmed":
      return confirm(state, known(state, event.id), event, at);
    case "PaymentDeclined":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, at, event.id);
      return decline(state, known(state, event.id), event.reason, event.released);
    case "PaymentAbandoned":
      return abandon(state, known(state, event.id));
    case "PaymentCaptured":
      return setPayment(known(state, event.id).value, { state: "captured" });
    case "PaymentVoided":
      return setPayment(known(state, event.id).value, { state: "voided" });
    case "BookingCancelled":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, at, event.id);
      return cancel(state, known(state, event.id).value, event.reason);
    case "SeatsBlocked":
      remember(state, event.operation, event.requestHash, at, event.seats);
      for (const seat of event.seats) moveSeat(state, seat, SEAT_FREE, SEAT_BLOCKED);
      return;
    case "SeatsUnblocked":
      remember(state, event.operation, event.requestHash, at, event.seats);
      for (const seat of event.seats) moveSeat(state, seat, SEAT_BLOCKED, SEAT_FREE);
      return;
    case "DeadlinesMoved":
      return moveDeadlines(state, event.byMs, event.outageId);
    default:
      assertNever(event);
  }
}

function known(state: ShowState, id: BookingId): BookingEntry {
  const entry = state.bookings.entryOf(id);
  if (entry === undefined) fail(`show ${state.showId}: event about an unknown booking ${id}`);
  entry.value.version = state.seq;
  return entry;
}

function moveSeat(state: ShowState, seat: number, from: number, to: number): void {
  if (state.seats[seat] !== from) fail(`show ${state.showId}: seat ${seat} is ${state.seats[seat]}, not ${from}`);
  setSeat(state, seat, to);
}

function remember(
  state: ShowState,
  id: OperationId,
  requestHash: number,
  at: number,
  subject: BookingId | readonly number[],
): void {
  state.operations.set(id, { id, requestHash, at, subject });
  state.keys.add(id, at);
}

function placeHold(state: ShowState, event: HoldPlaced, at: number): void {
  if (state.bookings.has(event.id)) fail(`show ${state.showId}: hold ${event.id} placed twice`);
  for (const seat of event.seats) moveSeat(state, seat, SEAT_FREE, SEAT_HELD);
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
  });
}

function extendHold(
  state: ShowState,
  entry: BookingEntry,
  event: { expiresAt: number; lineMs: number; operation: OperationId; requestHash: number },
  at: number,
): void {
  const booking = entry.value;
  if (booking.status !== "held" || booking.extended) fail(`booking ${booking.id} cannot be extended`);
  state.deadlines.leave(entry);
  booking.extended = true;
  booking.expiresAt = event.expiresAt;
  booking.lineMs = event.lineMs;
  standInLine(state, entry);
  remember(state, event.operation, event.requestHash, at, booking.id);
}

/** Ends a live booking and frees its seats. */
function finish(state: ShowState, entry: BookingEntry, status: BookingStatus, reason: string | undefined): void {
  const booking = entry.value;
  delist(state, entry);
  for (const seat of booking.seats) moveSeat(state, seat, SEAT_HELD, SEAT_FREE);
  booking.status = status;
  booking.reason = reason;
}

/** Out of the live ones: its deadline and its session's seats. */
function delist(state: ShowState, entry: BookingEntry): void {
  const booking = entry.value;
  if (!isLive(booking)) fail(`booking ${booking.id} is ${booking.status}`);
  state.deadlines.leave(entry);
  const session = state.sessionSeats.entryOf(booking.session);
  const seats = (session?.value ?? 0) - booking.seats.length;
  if (session === undefined || seats < 0) fail(`session of ${booking.id} has ${seats} seats`);
  if (seats === 0) state.sessionSeats.delete(booking.session);
  else session.value = seats;
}

function beginPayment(state: ShowState, entry: BookingEntry, event: PaymentBegun, at: number): void {
  const booking = entry.value;
  if (booking.status !== "held") fail(`payment begun for ${booking.id}, ${booking.status}`);
  state.deadlines.leave(entry);
  booking.status = "paying";
  booking.contactEmail = event.contactEmail ?? booking.contactEmail;
  booking.payment = {
    attempt: event.attempt,
    state: "begun",
    token: event.paymentToken,
    deadlineAt: event.deadlineAt,
    lineMs: event.lineMs,
    operation: event.operation,
    requestHash: event.requestHash,
  };
  standInLine(state, entry);
  remember(state, event.operation, event.requestHash, at, booking.id);
}

function confirm(state: ShowState, entry: BookingEntry, event: BookingConfirmed, at: number): void {
  const booking = entry.value;
  if (isLive(booking)) {
    delist(state, entry);
    for (const seat of booking.seats) moveSeat(state, seat, SEAT_HELD, SEAT_SOLD);
  } else {
    // A success that came after its release, with nobody in the way.
    if (booking.payment?.state !== "voiding") fail(`booking ${booking.id} confirmed from ${booking.status}`);
    for (const seat of booking.seats) moveSeat(state, seat, SEAT_FREE, SEAT_SOLD);
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
    remember(state, operation, requestHash, at, booking.id);
  } else {
    setPayment(
      booking,
      event.reference === undefined ? { state: "captured" } : { state: "authorised", reference: event.reference },
    );
  }
}

function decline(state: ShowState, entry: BookingEntry, reason: string, released: boolean): void {
  const booking = entry.value;
  if (booking.status !== "paying") fail(`payment declined for ${booking.id}, ${booking.status}`);
  if (released) {
    finish(state, entry, "declined", reason);
  } else {
    state.deadlines.leave(entry);
    booking.status = "held";
    standInLine(state, entry);
  }
  setPayment(booking, { state: "declined", reason });
}

function abandon(state: ShowState, entry: BookingEntry): void {
  const booking = entry.value;
  if (booking.status !== "paying") fail(`payment abandoned for ${booking.id}, ${booking.status}`);
  finish(state, entry, "released", "payment_unknown");
  setPayment(booking, { state: "voiding" });
}

function cancel(state: ShowState, booking: Booking, reason: string): void {
  if (booking.status !== "booked") fail(`booking ${booking.id} cancelled from ${booking.status}`);
  for (const seat of booking.seats) moveSeat(state, seat, SEAT_SOLD, SEAT_FREE);
  booking.status = "cancelled";
  booking.reason = reason;
  // Without a reference nothing was taken by a payment gateway: there is nothing to give back.
  if (booking.payment?.reference !== undefined) setPayment(booking, { state: "refunding" });
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
}
