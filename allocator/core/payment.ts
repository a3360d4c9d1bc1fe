// ConfirmBooking and what the payment gateway says afterwards.
// Y1: `paying` is recorded before the gateway is asked; its deadline is its own.
// Y2: a confirm's key answers that booking's present outcome, an earlier attempt's too; another key while paying is
//     `payment_in_progress`.
// Y3: nobody is displaced: a success after release is booked only if exactly those seats are free, nobody waits and
//     the session has nothing else live in the show; else what was authorised is voided.
// Y4: an outcome for an attempt that is not the booking's present one, or that is already known, changes nothing.
// Y5: a payment at the provider that no booking keeps, and that nobody is about to settle, is a stray: to be given back.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { BookingId } from "../../shared/kernel/ids.ts";
import type { CheckPayment, ConfirmBooking } from "../../shared/protocol/command.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { SettlePayment } from "./command.ts";
import { accept, answer, type Decision, DONE, fetch, refuse, type TurnContext } from "./decision.ts";
import type { PaymentDeclined } from "./event.ts";
import { findBooking, isDecision, priorOf, REUSED } from "./replay.ts";
import { type Booking, isUnfinished, type Payment, type ShowState } from "./state.ts";

export function decideConfirmBooking(state: ShowState, command: ConfirmBooking, context: TurnContext): Decision {
  const booking = findBooking(state, command, context);
  if (isDecision(booking)) return booking;
  const { operation } = command;
  if (booking.payment?.operation === operation.id) {
    return booking.payment.requestHash === operation.requestHash ? presentOutcome(booking) : REUSED;
  }
  const prior = priorOf(state, operation, context);
  if (prior === "unknown") return fetch({ booking: booking.id, operation: operation.id });
  if (prior === "reused") return REUSED;
  // An earlier attempt's key.
  if (prior === "same") return presentOutcome(booking);
  if (booking.status === "paying") return refuse({ code: "payment_in_progress" });
  if (booking.status !== "held") return presentOutcome(booking);
  return begin(booking, command, context);
}

function presentOutcome(booking: Booking): Decision {
  switch (booking.status) {
    case "paying":
    case "booked":
      return answer(booking, true);
    case "held": // the attempt of this key was declined, the seats are still held for another
    case "declined":
      return refuse({ code: "payment_declined", reason: booking.payment?.reason });
    case "expired":
    case "released":
    case "cancelled":
      return refuse({ code: "hold_expired", status: booking.status });
    default:
      return assertNever(booking.status);
  }
}

function begin(booking: Booking, command: ConfirmBooking, context: TurnContext): Decision {
  const { operation, paymentToken } = command;
  const { contactEmail } = command;
  const { id, requestHash } = operation;
  const paid =
    contactEmail === undefined
      ? { operation: id, requestHash, paymentToken }
      : { operation: id, requestHash, paymentToken, contactEmail };
  if (context.rules.instantPayments || booking.total === 0) {
    return accept({ kind: "BookingConfirmed", id: booking.id, begun: paid }, booking.id);
  }
  if (!context.paymentsAvailable) return { kind: "payment_unavailable" };
  return accept(
    {
      kind: "PaymentBegun",
      id: booking.id,
      attempt: (booking.payment?.attempt ?? 0) + 1,
      deadlineAt: context.now + context.rules.payTtlMs,
      lineMs: context.rules.payTtlMs,
      begunAt: context.now,
      ...paid,
    },
    booking.id,
  );
}

export function decideSettlePayment(state: ShowState, command: SettlePayment, context: TurnContext): Decision {
  const booking = state.bookings.get(command.bookingId);
  const { outcome } = command;
  // An unfinished payment is always in memory (S3), so an unknown booking has nothing left to settle.
  if (booking?.payment === undefined || booking.payment.attempt !== command.attempt) return DONE;
  const { id } = booking;
  const { state: payment } = booking.payment;
  switch (outcome.kind) {
    case "authorised":
      if (payment === "begun" || (payment === "voiding" && mayStillBook(state, booking))) {
        return accept({ kind: "BookingConfirmed", id, reference: outcome.reference }, id);
      }
      return answer(booking, false);
    case "declined":
      if (payment === "voiding") return accept({ kind: "PaymentVoided", id }, id);
      if (payment !== "begun") return answer(booking, false);
      return accept(declined(booking.payment, id, outcome.reason, context), id);
    case "captured":
      return payment === "authorised" ? accept({ kind: "PaymentCaptured", id }, id) : answer(booking, false);
    case "capture_failed":
      return payment === "authorised" && booking.status === "booked"
        ? accept({ kind: "BookingCancelled", id, reason: "capture_failed" }, id)
        : answer(booking, false);
    case "voided":
      return payment === "voiding" || payment === "refunding"
        ? accept({ kind: "PaymentVoided", id }, id)
        : answer(booking, false);
    case "refunded":
      return payment === "voiding" || payment === "refunding"
        ? accept({ kind: "PaymentRefunded", id }, id)
        : answer(booking, false);
    default:
      return assertNever(outcome);
  }
}

/** `done`: it is what it should be, or is being settled. The booking: what the hint speaks of is a stray (Y5). */
export function decideCheckPayment(state: ShowState, command: CheckPayment, context: TurnContext): Decision {
  const { bookingId, attempt, reference } = command;
  const booking = state.bookings.get(bookingId);
  if (booking === undefined && !context.looked) return fetch({ booking: bookingId, operation: undefined });
  const payment = booking?.payment;
  // What no booking began is not ours: somebody else's, at the same provider.
  if (booking === undefined || payment === undefined || attempt > payment.attempt) return refuse({ code: "not_found" });
  if (attempt === payment.attempt) {
    if (payment.reference === reference) return DONE;
    // Which one is its own will be known by its end.
    if (payment.reference === undefined && isUnfinished(payment)) return DONE;
  }
  return answer(booking, false);
}

function declined(
  { operation, requestHash }: Payment,
  id: BookingId,
  reason: string,
  context: TurnContext,
): PaymentDeclined {
  const released = context.rules.releaseOnDecline;
  return { kind: "PaymentDeclined", id, reason, released, ...(released ? {} : { operation, requestHash }) };
}

function mayStillBook(state: ShowState, booking: Booking): boolean {
  return (
    !state.terms.cancelled &&
    !state.sessionSeats.has(booking.session) &&
    (state.line === undefined || state.line.waitingCount === 0) &&
    booking.seats.every((seat) => state.seats[seat] === SEAT_FREE)
  );
}
