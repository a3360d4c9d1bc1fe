// UseTicket: whoever brings a seat's ticket to a gate is let in, once.
// U1: of all that ask with the same ticket, one is accepted; the others hear when and where it was.
// U2: the key that used a ticket answers so again, whatever became of the booking since.
// U3: the ticket of a booking that was given up opens nothing, and a ticket that was used keeps its booking from being
//     given up by its holder (payment.ts).

import type { UseTicket } from "../../shared/protocol/command.ts";
import { accept, answer, type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import { priorOf, REUSED } from "./replay.ts";
import { type ShowState, useOf } from "./state.ts";

export function decideUseTicket(state: ShowState, command: UseTicket, context: TurnContext): Decision {
  const { bookingId, seat, gate } = command;
  const { id: operation, requestHash } = command.operation;
  const prior = priorOf(state, command.operation, context);
  const booking = state.bookings.get(bookingId);
  if (prior === "unknown" || (booking === undefined && !context.looked)) {
    return fetch({ booking: bookingId, operation });
  }
  if (prior === "reused") return REUSED;
  if (booking === undefined || !booking.seats.includes(seat)) return refuse({ code: "not_found" });
  if (prior === "same") return answer(booking, true);
  if (booking.status === "cancelled") return refuse({ code: "ticket_cancelled" });
  // Its booking is about to be: a cold one is read for that as it was, so no use may come in between.
  if (booking.status === "booked" && state.terms.cancelled) return refuse({ code: "ticket_cancelled" });
  if (booking.status !== "booked") return refuse({ code: "not_found" });
  const use = useOf(booking, seat);
  if (use !== undefined) return refuse({ code: "ticket_used", uses: [use] });
  return accept({ kind: "TicketUsed", id: bookingId, seat, gate, operation, requestHash }, bookingId);
}
