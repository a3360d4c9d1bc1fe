// Taking up an offer, by whichever route: it becomes a hold, answered as one.
// T1: POST …/offer/accept and POST /v1/bookings/lock with `waiter_id` are one operation: a key used on one and repeated
//     on the other takes the offer once.

import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import { json } from "../http/answer.ts";
import type { Result } from "../http/endpoint.ts";
import { notFound } from "../http/problem.ts";
import type { HallSeats, ShowSeats } from "../show-lookup.ts";
import { ASK_DEADLINE_MS, type BookingRouteDependencies, otherReply } from "./asking.ts";
import { resolveSeats } from "./seats.ts";
import { lockJson } from "./shapes.ts";

export const WAITER_NOT_FOUND = notFound("waiter");

export interface Taking {
  readonly session: SessionId;
  readonly key: string;
  readonly show: ShowSeats;
  readonly waiterId: WaiterId;
  /** Labels of the seats taken instead of those offered. */
  readonly seatIds: readonly string[] | undefined;
}

export async function takeOffer({ allocator, operations }: BookingRouteDependencies, taking: Taking): Promise<Result> {
  const { session, key, waiterId, seatIds } = taking;
  const { showId, hall } = taking.show;
  const resolved = seatIds === undefined ? undefined : resolveSeats(hall, seatIds, "seat_ids");
  if (resolved !== undefined && "problem" in resolved) return resolved.problem;
  const seats = resolved?.seats;
  // The order in which seats are named does not make another request.
  const parts = ["accept", waiterId, seats === undefined ? undefined : [...seats].sort((a, b) => a - b)];
  const operation = operations.of(session, showId, key, parts);
  const reply = await allocator.ask(
    showId,
    { kind: "AcceptOffer", session, operation, waiterId, seats },
    ASK_DEADLINE_MS,
  );
  return reply.kind === "booking" ? json(201, lockJson(reply.booking, hall)) : swapRefusal(reply, hall);
}

/** To somebody who has an offer "join the line" would be no advice. */
function swapRefusal(reply: Reply, hall: HallSeats): Result {
  if (reply.kind !== "refused" || reply.refusal.code !== "waitlist_active") return otherWaiterReply(reply, hall);
  const { code, free } = reply.refusal;
  return { code, free, detail: "Others ahead of you wait for these seats; the offer stands: take it, or name others." };
}

/** The answer to every reply that is not the one a waiter's route asked for. */
export const otherWaiterReply = (reply: Reply, hall: HallSeats): Result =>
  reply.kind === "refused" && reply.refusal.code === "not_found" ? WAITER_NOT_FOUND : otherReply(reply, hall);

/** Refusals of taking up an offer, beyond those of every booking route. */
export const OFFER_PROBLEMS = [
  "not_found",
  "no_offer",
  "offer_lapsed",
  "wrong_swap",
  "seats_taken",
  "waitlist_active",
  "single_gap",
  "sales_closed",
] as const;
