// POST /v1/bookings/confirm: pay for a hold. Answers the booking's present outcome, whichever attempt asks.

import { assert } from "../../shared/kernel/assert.ts";
import type { BookingId } from "../../shared/kernel/ids.ts";
import { showOf } from "../../shared/kernel/ids.ts";
import type { BookingView } from "../../shared/protocol/reply.ts";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint, type Result } from "../http/endpoint.ts";
import type { HallSeats } from "../show-lookup.ts";
import { type TicketDesk, ticketsOf } from "../tickets/tickets-of-booking.ts";
import {
  asked,
  BOOKING_NOT_FOUND,
  type BookingRouteDependencies,
  CONFIRM_DEADLINE_MS,
  findShow,
  otherReply,
} from "./asking.ts";
import { CONFIRM_REQUEST, parseConfirmRequest } from "./lock-request.ts";
import { BOOKING, bookingJson } from "./shapes.ts";

/** How soon to ask again about a payment that takes longer than the answer waited. */
const PAYING_RETRY_S = 1;

export interface ConfirmDependencies extends BookingRouteDependencies {
  readonly desk: TicketDesk;
}

export const confirmEndpoint = ({ allocator, shows, operations, desk }: ConfirmDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/bookings/confirm",
    tag: "bookings",
    summary: "Confirm a booking by paying for it",
    description: "Asking again with the same key never charges twice; it answers what has become of the payment.",
    access: "session",
    idempotent: true,
    body: { schema: CONFIRM_REQUEST, parse: parseConfirmRequest },
    answers: {
      200: { description: "Booked", schema: BOOKING },
      202: {
        description: "Still paying: ask at `Location`",
        schema: BOOKING,
        headers: { Location: "The booking", "Retry-After": "Seconds" },
      },
    },
    problems: [
      "not_found",
      "payment_declined",
      "hold_expired",
      "payment_in_progress",
      "already_booked",
      "idempotency_key_reused",
      "payment_unavailable",
      "store_unavailable",
      "overloaded",
      "allocators_unreachable",
      "outcome_pending",
    ],
    handle: async ({ session, key, body }) => {
      const showId = showOf(body.lock_id);
      if (showId === undefined) return BOOKING_NOT_FOUND;
      const bookingId = body.lock_id as BookingId;
      const show = shows.peek(showId) ?? (await findShow(shows, showId));
      if (show === undefined) return BOOKING_NOT_FOUND;
      const contactEmail = body.contact?.email;
      const paymentToken = body.payment_token;
      const operation = operations.of(session.id, showId, key, ["confirm", bookingId, paymentToken, contactEmail]);
      const reply = await allocator.ask(
        showId,
        { kind: "ConfirmBooking", session: session.id, operation, bookingId, paymentToken, contactEmail },
        CONFIRM_DEADLINE_MS,
      );
      return reply.kind === "booking"
        ? outcome(reply.booking, show.hall, desk)
        : otherReply(reply, asked("booking", show));
    },
  });

/** Every other end of a booking is a refusal by the time it is here. */
function outcome(booking: BookingView, hall: HallSeats, desk: TicketDesk): Result {
  if (booking.status === "booked")
    return json(200, bookingJson(booking, hall, ticketsOf(booking, hall, desk.inPassing)));
  assert(booking.status === "paying", `a confirm is answered with a booking that is ${booking.status}`);
  return json(202, bookingJson(booking, hall), {
    Location: `/v1/bookings/${booking.id}`,
    "Retry-After": String(PAYING_RETRY_S),
  });
}
