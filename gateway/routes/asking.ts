// What the booking routes share: asking a show through the port, and turning what it says into an answer.

import { assert } from "../../shared/kernel/assert.ts";
import type { BookingId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import { showOf } from "../../shared/kernel/ids.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import type { Result } from "../http/endpoint.ts";
import type { Operations } from "../http/idempotency.ts";
import { faultProblem, notFound, notYours } from "../http/problem.ts";
import { type Asked, refusalProblem } from "../http/refusal.ts";
import { labelIn, type ShowLookup, type ShowSeats } from "../show-lookup.ts";

export interface BookingRouteDependencies {
  readonly allocator: AllocatorPort;
  readonly shows: ShowLookup;
  readonly operations: Operations;
}

/** How long a route waits for a show. Clients that hear nothing ask again with the same key. */
export const ASK_DEADLINE_MS = 5_000;
/** A confirm is answered within 2 s by the node; the rest is for the commit and a busy store. */
export const CONFIRM_DEADLINE_MS = 8_000;

/** `id` is one that BOOKING_PARAMS or WAITER_PARAMS let through. */
export function showNamedBy(id: BookingId | WaiterId): ShowId {
  const showId = showOf(id);
  assert(showId !== undefined, "a booking's or waiter's id names its show");
  return showId;
}

/** The show, without a promise where it is known. */
export const findShow = (shows: ShowLookup, showId: ShowId): ShowSeats | Promise<ShowSeats | undefined> =>
  shows.peek(showId) ?? shows.find(showId);

export const SHOW_NOT_FOUND = notFound("show");
export const BOOKING_NOT_FOUND = notYours("booking");

/** For the words of a refusal: what was asked of this show. */
export const asked = (
  what: Asked["what"],
  { showId, hall }: ShowSeats,
  more: Pick<Asked, "waiterId" | "wish"> = {},
): Asked => ({ what, showId, labelOf: labelIn(hall), ...more });

/** The answer to every reply that is not the one the route asked for. */
export function otherReply(reply: Reply, about: Asked): Result {
  if (reply.kind === "refused") return refusalProblem(reply.refusal, about);
  if (reply.kind === "fault") return faultProblem(reply.fault);
  throw new Error(`unexpected reply ${reply.kind}`);
}
