// Taking, extending and giving back a hold. The API calls a hold a lock; its id is the booking's.

import { z } from "@hono/zod-openapi";
import type { WaiterId } from "../../shared/kernel/ids.ts";
import { isShowId, showOf } from "../../shared/kernel/ids.ts";
import type { SeatChoice } from "../../shared/protocol/command.ts";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import type { RequestParts } from "../http/idempotency.ts";
import type { Wish } from "../http/line-words.ts";
import { invalidField, type Problem, type ProblemCode } from "../http/problem.ts";
import type { HallSeats } from "../show-lookup.ts";
import {
  ASK_DEADLINE_MS,
  asked,
  BOOKING_NOT_FOUND,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  SHOW_NOT_FOUND,
  showNamedBy,
} from "./asking.ts";
import { LOCK_REQUEST, type LockRequest, parseLockRequest, showtimeOf } from "./lock-request.ts";
import { OFFER_PROBLEMS, takeOffer, WAITER_NOT_FOUND } from "./offer.ts";
import { resolveSeats } from "./seats.ts";
import { BOOKING, bookingJson, LOCK_ANSWER, LOCK_PARAMS, lockAnswer } from "./shapes.ts";

export const lockEndpoints = (dependencies: BookingRouteDependencies): Endpoint[] => [
  lockEndpoint(dependencies),
  changeEndpoint(dependencies, {
    kind: "ExtendHold",
    method: "post",
    path: "/v1/bookings/lock/{lock_id}/extend",
    summary: "Extend a hold, once",
    problems: ["already_extended", "hold_expired", "payment_in_progress", "already_booked"],
  }),
  changeEndpoint(dependencies, {
    kind: "ReleaseHold",
    method: "delete",
    path: "/v1/bookings/lock/{lock_id}",
    summary: "Give the seats of a hold back",
    problems: ["hold_expired", "payment_in_progress", "already_booked"],
  }),
];

const LOCK_PROBLEMS: readonly ProblemCode[] = [
  ...OFFER_PROBLEMS,
  "not_admitted",
  "hold_limit",
  "show_full",
  "retry_held",
  "no_contiguous_block",
  "idempotency_key_reused",
  "store_unavailable",
  "overloaded",
  "allocators_unreachable",
  "outcome_pending",
];

const lockEndpoint = (dependencies: BookingRouteDependencies): Endpoint => {
  const { allocator, shows, operations } = dependencies;
  return endpoint({
    method: "post",
    path: "/v1/bookings/lock",
    tag: "bookings",
    summary: "Lock seats",
    description:
      "All of the seats or none, for a limited time. Asking again with the same key answers the same. With `waiter_id` " +
      "it takes up the offer of a place in the line, as POST /v1/waitlist/{waiter_id}/offer/accept does.",
    access: "session",
    idempotent: true,
    body: {
      schema: LOCK_REQUEST,
      parse: parseLockRequest,
      absent: async (value) => {
        const showId = showtimeOf(value);
        if (showId === undefined) return undefined;
        return isShowId(showId) && (await findShow(shows, showId)) !== undefined ? undefined : SHOW_NOT_FOUND;
      },
    },
    answers: { 201: LOCK_ANSWER },
    problems: LOCK_PROBLEMS,
    handle: async ({ session, key, body }) => {
      const showId = body.showtime_id;
      if (!isShowId(showId)) return SHOW_NOT_FOUND;
      const show = shows.peek(showId) ?? (await findShow(shows, showId));
      if (show === undefined) return SHOW_NOT_FOUND;
      if (body.waiter_id !== undefined) {
        const waiterId = body.waiter_id as WaiterId;
        if (showOf(waiterId) !== showId) return WAITER_NOT_FOUND;
        return takeOffer(dependencies, { session: session.id, key, show, waiterId, seatIds: body.seat_ids });
      }
      const chosen = choiceOf(body, show.hall);
      if ("code" in chosen) return chosen;
      const operation = operations.of(session.id, showId, key, partsOf(chosen));
      const command = { kind: "PlaceHold", session: session.id, operation, choice: chosen } as const;
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind === "booking") return lockAnswer(reply.booking, show.hall);
      return otherReply(reply, asked("show", show, { wish: wishOf(chosen, show.hall) }));
    },
  });
};

function choiceOf(body: LockRequest, hall: HallSeats): SeatChoice | Problem {
  if (body.seat_ids !== undefined) {
    const resolved = resolveSeats(hall, body.seat_ids, "seat_ids");
    return "problem" in resolved ? resolved.problem : { by: "seats", seats: resolved.seats };
  }
  const category = body.category === undefined ? undefined : hall.categoryOf(body.category);
  if (body.category !== undefined && category === undefined) {
    return invalidField("category", `must be one of ${hall.categories.join(", ")}`);
  }
  return {
    by: "quantity",
    quantity: body.quantity ?? 0,
    category,
    accessible: body.accessible ?? false,
    contiguous: body.contiguous ?? false,
  };
}

/** Want of adjacent seats is another refusal here, which can pass. */
const wishOf = (choice: SeatChoice, hall: HallSeats): Wish =>
  choice.by === "seats"
    ? { quantity: choice.seats.length, contiguous: false, isNarrowed: false }
    : {
        quantity: choice.quantity,
        contiguous: false,
        isNarrowed: choice.category !== undefined && hall.categories.length > 1,
      };

/** The order in which seats are named does not make another request. */
const partsOf = (choice: SeatChoice): RequestParts =>
  choice.by === "seats"
    ? ["lock", [...choice.seats].sort((a, b) => a - b)]
    : ["lock", choice.quantity, choice.category, choice.accessible, choice.contiguous];

interface ChangeSpec {
  readonly kind: "ExtendHold" | "ReleaseHold";
  readonly method: "post" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly problems: Endpoint["problems"];
}

const changeEndpoint = ({ allocator, shows, operations }: BookingRouteDependencies, spec: ChangeSpec): Endpoint =>
  endpoint({
    method: spec.method,
    path: spec.path,
    tag: "bookings",
    summary: spec.summary,
    access: "session",
    idempotent: true,
    params: LOCK_PARAMS,
    body: { schema: z.strictObject({}), optional: true },
    answers: { 200: { description: "The booking", schema: BOOKING } },
    problems: [
      ...spec.problems,
      "idempotency_key_reused",
      "store_unavailable",
      "overloaded",
      "allocators_unreachable",
      "outcome_pending",
    ],
    handle: async ({ session, key, params }) => {
      const bookingId = params.lock_id;
      const showId = showNamedBy(bookingId);
      const show = await findShow(shows, showId);
      if (show === undefined) return BOOKING_NOT_FOUND;
      const operation = operations.of(session.id, showId, key, [spec.kind, bookingId]);
      const command = { kind: spec.kind, session: session.id, operation, bookingId };
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind === "booking") return json(200, bookingJson(reply.booking, show.hall));
      return otherReply(reply, asked("booking", show));
    },
  });
