// Taking up an offer, by whichever route: it becomes a hold, answered as one.
// T1: POST …/offer/accept and POST /v1/bookings/lock with `waiter_id` are one operation: a key used on one and repeated
//     on the other takes the offer once.

import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import type { Result } from "../http/endpoint.ts";
import { notYours } from "../http/problem.ts";
import { type Asked, refusalProblem } from "../http/refusal.ts";
import type { ShowSeats } from "../show-lookup.ts";
import { ASK_DEADLINE_MS, asked, type BookingRouteDependencies, otherReply } from "./asking.ts";
import { resolveSeats } from "./seats.ts";
import { lockAnswer } from "./shapes.ts";

export const WAITER_NOT_FOUND = notYours("waiter");

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
  if (reply.kind === "booking") return lockAnswer(reply.booking, hall);
  return swapRefusal(reply, asked("waiter", taking.show, { waiterId }));
}

/** Whoever has an offer need not join the line, and must know that a swap which failed has cost nothing. */
function swapRefusal(reply: Reply, about: Asked): Result {
  if (reply.kind !== "refused") return otherReply(reply, about);
  const problem = refusalProblem(reply.refusal, about);
  switch (problem.code) {
    case "waitlist_active":
      return { ...problem, detail: `People ahead of you wait for these seats. ${STANDS}` };
    case "seats_taken":
    case "single_gap":
      return { ...problem, detail: `${problem.detail} ${STANDS}` };
    default:
      return problem;
  }
}

const STANDS = "The offer stands as it was: accept it, or name other seats.";

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
