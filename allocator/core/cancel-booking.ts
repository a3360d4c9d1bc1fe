// CancelBooking, and a whole show's cancellation: seats freed, money to be given back.
// X1: a booking is cancelled by its session strictly before the cutoff; in a cancelled show there is none.
// X2: a cancelled show sells nothing more (its sales and its line are closed), so clearing it comes to an end: every
//     live hold released, every payment that is still under way given up, every booking cancelled.
// X3: a turn clears CLEARED_PER_TURN_MAX bookings of those in memory; bringing the cold ones there is the shell's.

import type { CancelBooking } from "../../shared/protocol/command.ts";
import type { Refusal } from "../../shared/protocol/reply.ts";
import { accept, answer, type Decision, DONE, fetch, refuse, type TurnContext } from "./decision.ts";
import type { ShowEvent } from "./event.ts";
import { findBooking, isDecision, priorOf, REUSED } from "./replay.ts";
import { type Booking, isLive, type ShowState } from "./state.ts";

export const CLEARED_PER_TURN_MAX = 100;
const SHOW_CANCELLED = "show_cancelled";

export function decideCancelBooking(state: ShowState, command: CancelBooking, context: TurnContext): Decision {
  const booking = findBooking(state, command, context);
  if (isDecision(booking)) return booking;
  const prior = priorOf(state, command.operation, context);
  if (prior === "unknown") return fetch({ booking: booking.id, operation: command.operation.id });
  if (prior === "reused") return REUSED;
  if (prior === "same" || booking.status === "cancelled") return answer(booking, true);
  const refusal = refusalOf(state, booking, context);
  if (refusal !== undefined) return refuse(refusal);
  const { id: operation, requestHash } = command.operation;
  const reason = state.terms.cancelled ? SHOW_CANCELLED : "cancelled_by_holder";
  return accept({ kind: "BookingCancelled", id: booking.id, reason, operation, requestHash }, booking.id);
}

/** What keeps its session from giving a booking up. */
function refusalOf({ terms }: ShowState, booking: Booking, { now, rules }: TurnContext): Refusal | undefined {
  const { status, used } = booking;
  if (status === "held") return { code: "not_booked" };
  if (status === "paying") return { code: "payment_in_progress" };
  if (status !== "booked") return { code: "hold_expired", status };
  // Who has been let in cannot give the seat back.
  if (used !== undefined) return { code: "ticket_used", uses: used };
  const until = terms.startsAt - rules.cancelUntilMs;
  return terms.cancelled || now < until ? undefined : { code: "cancellation_closed", until };
}

export function decideClearShow(state: ShowState): Decision {
  if (!state.terms.cancelled) return DONE;
  const events: ShowEvent[] = [];
  for (const booking of state.bookings.values()) {
    if (events.length === CLEARED_PER_TURN_MAX) break;
    const event = endOf(booking);
    if (event !== undefined) events.push(event);
  }
  return events.length === 0 ? DONE : { kind: "accept", events, about: undefined, waiter: undefined };
}

/** Whether a turn would clear something (X3). */
export function hasToClear({ bookings, terms }: ShowState): boolean {
  if (!terms.cancelled) return false;
  for (const booking of bookings.values()) if (isLive(booking) || booking.status === "booked") return true;
  return false;
}

function endOf({ id, status }: Booking): ShowEvent | undefined {
  const reason = SHOW_CANCELLED;
  if (status === "held") return { kind: "HoldReleased", id, reason };
  if (status === "paying") return { kind: "PaymentAbandoned", id, reason };
  if (status === "booked") return { kind: "BookingCancelled", id, reason };
  return undefined;
}
