// POST /v1/bookings/{booking_id}/cancel: give a booking up while its show still allows it. What was paid is given back
// by the allocator afterwards; the answer does not wait for the payment gateway.

import { z } from "@hono/zod-openapi";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import {
  ASK_DEADLINE_MS,
  asked,
  BOOKING_NOT_FOUND,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  showNamedBy,
} from "./asking.ts";
import { BOOKING, BOOKING_PARAMS, bookingJson } from "./shapes.ts";

export const cancelEndpoint = ({ allocator, shows, operations }: BookingRouteDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/bookings/{booking_id}/cancel",
    tag: "bookings",
    summary: "Cancel a booking",
    description:
      "Until some time before the show (`CANCEL_UNTIL_S`, an hour by default). The seats are free at once; what was paid " +
      "is given back by the payment gateway afterwards. A booking that is cancelled already is answered as it is.",
    access: "session",
    idempotent: true,
    params: BOOKING_PARAMS,
    body: { schema: z.strictObject({}), optional: true },
    answers: { 200: { description: "The booking, `cancelled`", schema: BOOKING } },
    problems: [
      "not_booked",
      "payment_in_progress",
      "hold_expired",
      "ticket_used",
      "cancellation_closed",
      "idempotency_key_reused",
      "store_unavailable",
      "overloaded",
      "allocators_unreachable",
      "outcome_pending",
    ],
    handle: async ({ session, key, params }) => {
      const bookingId = params.booking_id;
      const showId = showNamedBy(bookingId);
      const show = await findShow(shows, showId);
      if (show === undefined) return BOOKING_NOT_FOUND;
      const operation = operations.of(session.id, showId, key, ["cancel", bookingId]);
      const command = { kind: "CancelBooking", session: session.id, operation, bookingId } as const;
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind === "booking") return json(200, bookingJson(reply.booking, show.hall));
      return otherReply(reply, asked("booking", show));
    },
  });
