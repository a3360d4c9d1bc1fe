// ExtendHold and ReleaseHold: what its session may do with a hold before payment.
// A hold may be extended once, to created + max(600 s, ttl); asking again is `already_extended`.

import type { ExtendHold, ReleaseHold } from "../../shared/protocol/command.ts";
import { accept, answer, type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import { findBooking, isDecision, priorOf, REUSED } from "./replay.ts";
import type { Booking, ShowState } from "./state.ts";

const EXTENDED_TTL_MS = 600_000;

/** What an earlier use of the key decides, for commands about a booking of the session. */
function beforeDeciding(
  state: ShowState,
  command: ExtendHold | ReleaseHold,
  context: TurnContext,
): { booking: Booking; again: boolean } | Decision {
  const booking = findBooking(state, command, context);
  if (isDecision(booking)) return booking;
  const prior = priorOf(state, command.operation, context);
  if (prior === "unknown") return fetch({ booking: command.bookingId, operation: command.operation.id });
  if (prior === "reused") return REUSED;
  return { booking, again: prior === "same" };
}

export function decideExtendHold(state: ShowState, command: ExtendHold, context: TurnContext): Decision {
  const found = beforeDeciding(state, command, context);
  if ("kind" in found) return found;
  const { booking, again } = found;
  if (again) return answer(booking, true);
  if (booking.status === "paying") return refuse({ code: "payment_in_progress" });
  if (booking.status === "booked") return refuse({ code: "already_booked" });
  if (booking.status !== "held") return refuse({ code: "hold_expired", status: booking.status });
  if (booking.extended) return refuse({ code: "already_extended", expiresAt: booking.expiresAt });
  // Counted from what was first promised, so that an outage the deadlines were moved by is not taken back.
  const ttlMs = booking.lineMs - booking.graceMs;
  const extendedMs = Math.max(EXTENDED_TTL_MS, ttlMs);
  return accept(
    {
      kind: "HoldExtended",
      id: booking.id,
      expiresAt: booking.expiresAt - ttlMs + extendedMs,
      lineMs: extendedMs + booking.graceMs,
      operation: command.operation.id,
      requestHash: command.operation.requestHash,
    },
    booking.id,
  );
}

export function decideReleaseHold(state: ShowState, command: ReleaseHold, context: TurnContext): Decision {
  const found = beforeDeciding(state, command, context);
  if ("kind" in found) return found;
  const { booking, again } = found;
  if (again || booking.status === "released") return answer(booking, true);
  if (booking.status === "paying") return refuse({ code: "payment_in_progress" });
  if (booking.status === "booked") return refuse({ code: "already_booked" });
  if (booking.status !== "held") return refuse({ code: "hold_expired", status: booking.status });
  const { id: operation, requestHash } = command.operation;
  return accept({ kind: "HoldReleased", id: booking.id, operation, requestHash }, booking.id);
}
