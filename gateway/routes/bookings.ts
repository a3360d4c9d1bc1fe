// Reading bookings: one, with a long poll so that its holder hears of expiry and of a payment's end; and mine.

import { z } from "@hono/zod-openapi";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { BookingView } from "../../shared/protocol/reply.ts";
import { bookingsOfSession, cursorText, readCursor } from "../bookings-of-session.ts";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { invalidField } from "../http/problem.ts";
import { queryInteger } from "../http/validation.ts";
import type { ShowLookup } from "../show-lookup.ts";
import { type TicketDesk, ticketsOf } from "../tickets/tickets-of-booking.ts";
import {
  asked,
  BOOKING_NOT_FOUND,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  showNamedBy,
} from "./asking.ts";
import { noPlace, POLL_DESCRIPTION, POLL_QUERY, type PollDependencies, pollShow } from "./polling.ts";
import { BOOKING, BOOKING_PARAMS, bookingJson } from "./shapes.ts";

export interface BookingsDependencies extends BookingRouteDependencies, PollDependencies {
  readonly pool: Pool;
  readonly desk: TicketDesk;
}

const PAGE_MAX = 50;

export const bookingsEndpoints = (dependencies: BookingsDependencies): Endpoint[] => [
  listEndpoint(dependencies),
  readEndpoint(dependencies),
];

const listEndpoint = ({ pool, shows, desk }: BookingsDependencies): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/bookings",
    tag: "bookings",
    summary: "My bookings",
    description: "Newest first. A hold that has just run out may still read `held` for a moment.",
    access: "session",
    idempotent: false,
    query: z.object({
      cursor: z.string().max(200).optional(),
      limit: queryInteger({ min: 1, max: PAGE_MAX }).optional(),
    }),
    answers: {
      200: {
        description: "A page",
        schema: z.object({ bookings: z.array(BOOKING), next_cursor: z.string().nullable() }),
      },
    },
    problems: ["store_unavailable"],
    handle: async ({ session, query }) => {
      const cursor = query.cursor === undefined ? undefined : readCursor(query.cursor);
      if (query.cursor !== undefined && cursor === undefined) {
        return invalidField("cursor", "must be a next_cursor of an earlier page");
      }
      const { bookings, next } = await bookingsOfSession(pool, session.id, cursor, query.limit ?? PAGE_MAX);
      return json(200, {
        bookings: await labelled(bookings, shows, desk),
        next_cursor: next === undefined ? null : cursorText(next),
      });
    },
  });

/** Shows are never deleted; should one be missing all the same, its bookings are left out rather than all refused. */
async function labelled(bookings: readonly BookingView[], shows: ShowLookup, desk: TicketDesk): Promise<object[]> {
  const found = await Promise.all(
    bookings.map(async (booking) => {
      const show = await findShow(shows, booking.showId);
      if (show === undefined) return undefined;
      return bookingJson(booking, show.hall, ticketsOf(booking, show.hall, desk.inPassing));
    }),
  );
  return found.filter((each) => each !== undefined);
}

const readEndpoint = (dependencies: BookingsDependencies): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/bookings/{booking_id}",
    tag: "bookings",
    summary: "One booking",
    description: POLL_DESCRIPTION,
    access: "session",
    idempotent: false,
    params: BOOKING_PARAMS,
    query: POLL_QUERY,
    answers: { 200: { description: "The booking", schema: BOOKING } },
    problems: ["store_unavailable", "overloaded", "allocators_unreachable"],
    patient: true,
    handle: async ({ session, params, query, context }) => {
      const bookingId = params.booking_id;
      const showId = showNamedBy(bookingId);
      const show = await findShow(dependencies.shows, showId);
      if (show === undefined) return BOOKING_NOT_FOUND;
      const command = { kind: "ReadBooking", session: session.id, bookingId } as const;
      const reply = await pollShow(dependencies, { showId, id: bookingId, command, query, context });
      if (reply === undefined) return noPlace(dependencies);
      if (reply.kind !== "booking") return otherReply(reply, asked("booking", show));
      const tickets = ticketsOf(reply.booking, show.hall, dependencies.desk.onRequest);
      return json(200, bookingJson(reply.booking, show.hall, tickets));
    },
  });
