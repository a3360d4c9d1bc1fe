// The API's shapes of bookings, as values and as schemas of the OpenAPI document, and the small checks ids need.
// Labels, RFC 3339 and snake_case begin here; indices, milliseconds and camelCase end here.

import { z } from "@hono/zod-openapi";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import { isShowId, showOf } from "../../shared/kernel/ids.ts";
import type { BookingView } from "../../shared/protocol/reply.ts";
import { type Answer, json } from "../http/answer.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import { type HallSeats, labelIn } from "../show-lookup.ts";

export const SHOW_PARAMS = z.object({
  show_id: z
    .string()
    .refine((id): id is ShowId => isShowId(id))
    .openapi({ pattern: "^[A-Za-z0-9_-]{1,40}$" }),
});

export const ROUTED_ID_PATTERN = "^[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{22}$";

const bookingId = () =>
  z
    .string()
    .refine((id): id is BookingId => showOf(id) !== undefined)
    .openapi({ pattern: ROUTED_ID_PATTERN });

export const BOOKING_PARAMS = z.object({ booking_id: bookingId() });
export const LOCK_PARAMS = z.object({ lock_id: bookingId() });

const instant = z.iso.datetime();

export const BOOKING = z
  .object({
    booking_id: z.string(),
    lock_id: z.string(),
    showtime_id: z.string(),
    status: z.enum(["held", "paying", "booked", "expired", "released", "declined", "cancelled"]),
    version: z.int(),
    seats: z.array(z.string()),
    total: z.int().openapi({ description: "Minor units." }),
    currency: z.string(),
    created_at: instant,
    expires_at: instant,
    booked_at: instant.nullable(),
    reason: z.string().nullable(),
  })
  .openapi("Booking", {
    description: "One hold's whole life. E-tickets (`tickets`) are not part of it yet: they come with a later release.",
  });

export const LOCK = z
  .object({
    lock_id: z.string(),
    showtime_id: z.string(),
    seats: z.array(z.string()),
    total: z.int().openapi({ description: "Minor units." }),
    currency: z.string(),
    expires_at: instant,
    expiry_timestamp: instant.openapi({ description: "The same moment as `expires_at`." }),
  })
  .openapi("Lock");

export function bookingJson(booking: BookingView, hall: HallSeats) {
  return {
    booking_id: booking.id,
    lock_id: booking.id,
    showtime_id: booking.showId,
    status: booking.status,
    version: booking.version,
    seats: booking.seats.map(labelIn(hall)),
    total: booking.total,
    currency: booking.currency,
    created_at: rfc3339(booking.createdAt),
    expires_at: rfc3339(booking.expiresAt),
    booked_at: booking.bookedAt === undefined ? null : rfc3339(booking.bookedAt),
    reason: booking.reason ?? null,
  };
}

export const LOCK_ANSWER = {
  description: "The seats are held",
  schema: LOCK,
  headers: { Location: "The booking that the lock is" },
};

export function lockAnswer(booking: BookingView, hall: HallSeats): Answer {
  const expiresAt = rfc3339(booking.expiresAt);
  const lock = {
    lock_id: booking.id,
    showtime_id: booking.showId,
    seats: booking.seats.map(labelIn(hall)),
    total: booking.total,
    currency: booking.currency,
    expires_at: expiresAt,
    expiry_timestamp: expiresAt,
  };
  return json(201, lock, { Location: `/v1/bookings/${booking.id}` });
}
