// The API's shape of a waiter, as a value and as a schema of the OpenAPI document. Indices and milliseconds end here.

import { z } from "@hono/zod-openapi";
import type { WaiterId } from "../../shared/kernel/ids.ts";
import { showOf } from "../../shared/kernel/ids.ts";
import type { OfferView, WaiterStatus, WaiterView } from "../../shared/protocol/reply.ts";
import { endText, type Wish } from "../http/line-words.ts";
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

const STATES = {
  waiting: "in line",
  offered: "seats are held for it: accept or decline before `offer.expires_at`",
  accepted: "the offer was taken: `lock_id` is its hold",
  declined: "the offer was declined",
  lapsed: "the offer was not taken in time",
  cancelled: "left by its session",
  expired: "an hour has passed",
  hopeless: "so many seats can no longer become free",
  absent: "not polled for 5 minutes",
  closed: "sales have ended, or the show was cancelled",
} as const satisfies Record<WaiterStatus, string>;

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
    state: z.enum(Object.keys(STATES) as WaiterStatus[]).openapi({
      description: Object.entries(STATES)
        .map(([state, meaning]) => `\`${state}\`: ${meaning}`)
        .join("; ")
        .concat(". All but the first two are ends."),
    }),
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
    reason: endText(waiter.status, { holdId: waiter.holdId, wish: wishOf(waiter, hall) }) ?? null,
  };
}

/** What was asked for, for the words of a refusal or an end. */
export const wishOf = (
  { quantity, contiguous, categories }: Pick<WaiterView, "quantity" | "contiguous" | "categories">,
  hall: HallSeats,
): Wish => ({ quantity, contiguous, isNarrowed: categories.length < hall.categories.length });

const offerJson = (offer: OfferView, hall: HallSeats) => ({
  seats: offer.seats.map(labelIn(hall)),
  total: offer.total,
  currency: offer.currency,
  expires_at: rfc3339(offer.expiresAt),
});
