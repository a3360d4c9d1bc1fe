// Commands done twice. An operation's id is derived from (session, show, key), so whatever a key made before is found
// by that id: as a booking, as a waiter, as an operation's record, or as the operation that began a payment.
// R1: what is not in memory and not in the key index is new; what the index may have is looked up before deciding.

import type { BookingId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import { type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import { type Booking, bookingOf, type ShowState, waiterOf } from "./state.ts";

const READABLE_MS = 24 * 3_600_000;

/** What a key made before: nothing, this same request, or something else (its fingerprint differs). */
export type Prior = "new" | "same" | "reused" | "unknown";

export function priorOf(state: ShowState, operation: Operation, context: TurnContext): Prior {
  // Nearly every command's key is new, and this says so without building a booking's id.
  if (!state.keys.mayHave(operation.id)) return "new";
  const made = bookingOf(state, operation.id) ?? state.operations.get(operation.id) ?? waiterOf(state, operation.id);
  if (made !== undefined) return made.requestHash === operation.requestHash ? "same" : "reused";
  return context.looked ? "new" : "unknown";
}

export const REUSED: Decision = refuse({ code: "idempotency_key_reused" });

/** The session's booking, or the decision that there is none to be had: fetch it first, or `not_found`. */
export function findBooking(
  state: ShowState,
  command: { readonly session: SessionId; readonly bookingId: BookingId; readonly operation?: Operation },
  context: TurnContext,
): Booking | Decision {
  const booking = state.bookings.get(command.bookingId);
  if (booking === undefined && !context.looked) {
    return fetch({ booking: command.bookingId, operation: command.operation?.id });
  }
  if (booking === undefined || booking.session !== command.session) return refuse({ code: "not_found" });
  return booking;
}

/** The session's waiter, or the decision that there is none to be had. */
export function findWaiter(
  state: ShowState,
  command: { readonly session: SessionId; readonly waiterId: WaiterId; readonly operation?: Operation },
  context: TurnContext,
): Waiter | Decision {
  const waiter = state.line?.get(command.waiterId);
  if (waiter === undefined && !context.looked) {
    return fetch({ waiter: command.waiterId, operation: command.operation?.id });
  }
  if (waiter === undefined || waiter.session !== command.session || isPast(waiter, context.now)) {
    return refuse({ code: "not_found" });
  }
  return waiter;
}

/** Finished entries stay readable for a day. */
const isPast = ({ endedAt }: Waiter, now: number): boolean => endedAt !== undefined && now - endedAt >= READABLE_MS;

export const isDecision = (found: Booking | Waiter | Decision): found is Decision => "kind" in found;
