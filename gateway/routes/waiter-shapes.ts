// The API's shape of a waiter, as a value and as a schema of the OpenAPI document. Indices and milliseconds end here.

import { z } from "@hono/zod-openapi";
import type { WaiterId } from "../../shared/kernel/ids.ts";
import { showOf } from "../../shared/kernel/ids.ts";
import type { OfferView, WaiterView } from "../../shared/protocol/reply.ts";
import { ENDED } from "../http/refusal.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import { type HallSeats, labelIn } from "../show-lookup.ts";
import { ROUTED_ID_PATTERN } from "./shapes.ts";

export const WAITER_PARAMS = z.object({
  waiter_id: z
    .string()
    .refine((id): id is WaiterId => showOf(id) !== undefined)
    .openapi({ pattern: ROUTED_ID_PATTERN }),
});

const instant = z.iso.datetime();

const OFFER = z
  .object({
    seats: z.array(z.string()),
    total: z.int().openapi({ description: "Minor units." }),
    currency: z.string(),
    expires_at: instant,
  })
  .openapi("Offer", { description: "Seats that are held for this waiter alone until `expires_at`." });

export const WAITER = z
  .object({
    waiter_id: z.string(),
    show_id: z.string(),
    quantity: z.int(),
    categories: z.array(z.string()),
    accessible: z.boolean(),
    contiguous: z.boolean(),
    state: z.enum([
      "waiting",
      "offered",
      "accepted",
      "declined",
      "lapsed",
      "cancelled",
      "expired",
      "hopeless",
      "absent",
      "closed",
    ]),
    version: z.int().openapi({ description: "Changes with the state; a new position alone is none." }),
    position: z.int().openapi({ description: "1 is the head of the line; 0 once it no longer waits." }),
    estimated_wait_s: z.int().nullable().openapi({ description: "By the show's own recent pace; null while unknown." }),
    joined_at: instant,
    expires_at: instant.openapi({ description: "When its place ends by itself." }),
    lock_id: z.string().nullable().openapi({ description: "The hold that an accepted offer became." }),
    offer: OFFER.nullable(),
    reason: z.string().nullable().openapi({ description: "How it ended and what to do next; null while it is alive." }),
  })
  .openapi("Waiter");

export function waiterJson(waiter: WaiterView, hall: HallSeats) {
  const { estimatedWaitMs, offer } = waiter;
  return {
    waiter_id: waiter.id,
    show_id: waiter.showId,
    quantity: waiter.quantity,
    categories: waiter.categories.map((category) => hall.categories[category] ?? `#${category}`),
    accessible: waiter.accessible,
    contiguous: waiter.contiguous,
    state: waiter.status,
    version: waiter.version,
    position: waiter.position,
    estimated_wait_s: estimatedWaitMs === undefined ? null : Math.ceil(estimatedWaitMs / 1000),
    joined_at: rfc3339(waiter.joinedAt),
    expires_at: rfc3339(waiter.expiresAt),
    lock_id: waiter.holdId ?? null,
    offer: offer === undefined ? null : offerJson(offer, hall),
    reason: ENDED[waiter.status] ?? null,
  };
}

const offerJson = (offer: OfferView, hall: HallSeats) => ({
  seats: offer.seats.map(labelIn(hall)),
  total: offer.total,
  currency: offer.currency,
  expires_at: rfc3339(offer.expiresAt),
});
