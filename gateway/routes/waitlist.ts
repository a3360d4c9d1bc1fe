// The line of a show: join, hear how it goes, ask for fewer, leave; take or decline what is offered.
// W1: somebody else's waiter is nobody's: its routes answer 404.
// W2: all categories named are the same request as none: an idempotency key does not tell them apart.

import { z } from "@hono/zod-openapi";
import type { WaiterId } from "../../shared/kernel/ids.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint, isProblem } from "../http/endpoint.ts";
import { type FieldError, invalid, type Problem, type ProblemCode } from "../http/problem.ts";
import type { HallSeats } from "../show-lookup.ts";
import {
  ASK_DEADLINE_MS,
  asked,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  SHOW_NOT_FOUND,
  showNamedBy,
} from "./asking.ts";
import { CATEGORY_LENGTH_MAX, LABEL_LENGTH_MAX } from "./lock-request.ts";
import { OFFER_PROBLEMS, takeOffer, WAITER_NOT_FOUND } from "./offer.ts";
import { noPlace, POLL_DESCRIPTION, POLL_QUERY, type PollDependencies, pollShow } from "./polling.ts";
import { LOCK_ANSWER, SHOW_PARAMS } from "./shapes.ts";
import { WAITER, WAITER_PARAMS, waiterJson, wishOf } from "./waiter-shapes.ts";

export type WaitlistDependencies = BookingRouteDependencies & PollDependencies;

/** As many as a layout may have. */
const CATEGORIES_MAX = 16;

const quantity = z.int().min(1).max(SEATS_PER_SESSION_MAX);

const JOIN_REQUEST = z
  .strictObject({
    quantity,
    categories: z
      .array(z.string().min(1).max(CATEGORY_LENGTH_MAX))
      .min(1)
      .max(CATEGORIES_MAX)
      .optional()
      .openapi({ description: "Names of those that will do; all of the hall unless said." }),
    accessible: z
      .boolean()
      .optional()
      .openapi({ default: false, description: "Accessible seats will do, too; without it none is offered." }),
    contiguous: z
      .boolean()
      .optional()
      .openapi({ default: false, description: "Adjacent seats only; without it an offer may be in pieces." }),
  })
  .openapi("JoinRequest");

const LOWER_REQUEST = z.strictObject({ quantity }).openapi("LowerRequest");

const ACCEPT_REQUEST = z
  .strictObject({
    seat_ids: z
      .array(z.string().min(1).max(LABEL_LENGTH_MAX))
      .min(1)
      .max(SEATS_PER_SESSION_MAX)
      .optional()
      .openapi({ description: "Other seats instead of those offered: as many, of the categories waited for." }),
  })
  .openapi("AcceptRequest");

const MUTATION_PROBLEMS: readonly ProblemCode[] = [
  "idempotency_key_reused",
  "store_unavailable",
  "overloaded",
  "allocators_unreachable",
  "outcome_pending",
];

export const waitlistEndpoints = (dependencies: WaitlistDependencies): Endpoint[] => [
  joinEndpoint(dependencies),
  readEndpoint(dependencies),
  lowerEndpoint(dependencies),
  acceptEndpoint(dependencies),
  endEndpoint(dependencies, {
    kind: "LeaveWaitlist",
    method: "delete",
    path: "/v1/waitlist/{waiter_id}",
    summary: "Leave the line",
    description: "An open offer goes to the next. A place that has ended already is answered as it ended.",
    problems: [],
  }),
  endEndpoint(dependencies, {
    kind: "DeclineOffer",
    method: "post",
    path: "/v1/waitlist/{waiter_id}/offer/decline",
    summary: "Decline the offer",
    description: "The seats go to the next in the line, and the place in it ends.",
    problems: ["no_offer", "offer_lapsed"],
  }),
];

const joinEndpoint = ({ allocator, shows, operations }: WaitlistDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/shows/{show_id}/waitlist",
    tag: "waitlist",
    summary: "Join the line of a show",
    description:
      "For when the show cannot give so many seats now but could later. Poll what it answers: who has not been heard " +
      "of for 60 s is skipped, after 5 minutes the place is given up.",
    access: "session",
    idempotent: true,
    params: SHOW_PARAMS,
    body: {
      schema: JOIN_REQUEST,
      absent: async (_, params) => ((await findShow(shows, params.show_id)) === undefined ? SHOW_NOT_FOUND : undefined),
    },
    answers: {
      201: { description: "The place in the line", schema: WAITER, headers: { Location: "Where to hear how it goes" } },
    },
    problems: [
      "seats_available",
      "show_full",
      "already_waiting",
      "hold_limit",
      "sales_closed",
      "not_admitted",
      "waitlist_full",
      ...MUTATION_PROBLEMS,
    ],
    handle: async ({ session, key, params, body }) => {
      const showId = params.show_id;
      const show = await findShow(shows, showId);
      if (show === undefined) return SHOW_NOT_FOUND;
      const { accessible = false, contiguous = false } = body;
      const categories = categoriesOf(body.categories, show.hall);
      if ("code" in categories) return categories;
      const parts = ["join", body.quantity, categories, accessible, contiguous];
      const operation = operations.of(session.id, showId, key, parts);
      const wish = { quantity: body.quantity, categories, accessible, contiguous };
      const command = { kind: "JoinWaitlist", session: session.id, operation, ...wish } as const;
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind !== "waiter") return otherReply(reply, asked("show", show, { wish: wishOf(wish, show.hall) }));
      return json(201, waiterJson(reply.waiter, show.hall), { Location: `/v1/waitlist/${reply.waiter.id}` });
    },
  });

/** Indices, ascending; a problem that names each which is unknown or named twice. */
function categoriesOf(names: readonly string[] | undefined, hall: HallSeats): readonly number[] | Problem {
  if (names === undefined) return hall.categories.map((_, category) => category);
  const categories: number[] = [];
  const errors: FieldError[] = [];
  for (const [index, name] of names.entries()) {
    const category = hall.categoryOf(name);
    const field = `categories.${index}`;
    if (category === undefined) errors.push({ field, message: `must be one of ${hall.categories.join(", ")}` });
    else if (categories.includes(category)) errors.push({ field, message: `${name} is named twice` });
    else categories.push(category);
  }
  return errors.length === 0 ? categories.sort((a, b) => a - b) : invalid(errors);
}

const readEndpoint = (dependencies: WaitlistDependencies): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/waitlist/{waiter_id}",
    tag: "waitlist",
    summary: "How it goes in the line",
    description: `${POLL_DESCRIPTION} Asking also says that somebody is still there.`,
    access: "session",
    idempotent: false,
    params: WAITER_PARAMS,
    query: POLL_QUERY,
    answers: { 200: { description: "The place in the line, with the offer when there is one", schema: WAITER } },
    problems: ["store_unavailable", "overloaded", "allocators_unreachable"],
    patient: true,
    handle: async ({ session, params, query, context }) => {
      const waiterId = params.waiter_id;
      const showId = showNamedBy(waiterId);
      const show = await findShow(dependencies.shows, showId);
      if (show === undefined) return WAITER_NOT_FOUND;
      const command = { kind: "ReadWaiter", session: session.id, waiterId } as const;
      const reply = await pollShow(dependencies, { showId, id: waiterId, command, query, context });
      if (reply === undefined) return noPlace(dependencies);
      if (reply.kind !== "waiter") return otherReply(reply, asked("waiter", show, { waiterId }));
      return json(200, waiterJson(reply.waiter, show.hall));
    },
  });

const lowerEndpoint = ({ allocator, shows, operations }: WaitlistDependencies): Endpoint =>
  endpoint({
    method: "patch",
    path: "/v1/waitlist/{waiter_id}",
    tag: "waitlist",
    summary: "Wait for fewer seats",
    description: "The place in the line is kept. More seats are refused: leave and join again.",
    access: "session",
    idempotent: true,
    params: WAITER_PARAMS,
    body: { schema: LOWER_REQUEST },
    answers: { 200: { description: "The place in the line", schema: WAITER } },
    problems: ["quantity_not_lower", "offer_open", "waiter_finished", ...MUTATION_PROBLEMS],
    handle: async ({ session, key, params, body }) => {
      const waiterId = params.waiter_id;
      const showId = showNamedBy(waiterId);
      const show = await findShow(shows, showId);
      if (show === undefined) return WAITER_NOT_FOUND;
      const operation = operations.of(session.id, showId, key, ["lower", waiterId, body.quantity]);
      const who = { session: session.id, operation, waiterId };
      const reply = await allocator.ask(
        showId,
        { kind: "LowerWaiter", ...who, quantity: body.quantity },
        ASK_DEADLINE_MS,
      );
      if (reply.kind !== "waiter") return otherReply(reply, asked("waiter", show, { waiterId }));
      return json(200, waiterJson(reply.waiter, show.hall));
    },
  });

const acceptEndpoint = (dependencies: WaitlistDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/waitlist/{waiter_id}/offer/accept",
    tag: "waitlist",
    summary: "Take the seats offered",
    description:
      "They become a hold with a fresh deadline. With `seat_ids` other seats are taken instead, all or none; where that " +
      "is refused the offer stands as it was.",
    access: "session",
    idempotent: true,
    params: WAITER_PARAMS,
    body: { schema: ACCEPT_REQUEST, optional: true },
    answers: { 201: LOCK_ANSWER },
    problems: [...OFFER_PROBLEMS, ...MUTATION_PROBLEMS],
    handle: async ({ session, key, params, body }) => {
      const waiterId = params.waiter_id;
      const show = await findShow(dependencies.shows, showNamedBy(waiterId));
      if (show === undefined) return WAITER_NOT_FOUND;
      return takeOffer(dependencies, { session: session.id, key, show, waiterId, seatIds: body.seat_ids });
    },
  });

interface EndSpec {
  readonly kind: "LeaveWaitlist" | "DeclineOffer";
  readonly method: "delete" | "post";
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly problems: readonly ProblemCode[];
}

const endEndpoint = ({ allocator, shows, operations }: WaitlistDependencies, spec: EndSpec): Endpoint =>
  endpoint({
    method: spec.method,
    path: spec.path,
    tag: "waitlist",
    summary: spec.summary,
    description: spec.description,
    access: "session",
    idempotent: true,
    params: WAITER_PARAMS,
    body: { schema: z.strictObject({}), optional: true },
    answers: { 200: { description: "The place in the line, as it ended", schema: WAITER } },
    problems: [...spec.problems, ...MUTATION_PROBLEMS],
    handle: async ({ session, key, params }) => {
      const waiterId = params.waiter_id;
      const showId = showNamedBy(waiterId);
      const show = await findShow(shows, showId);
      if (show === undefined) return WAITER_NOT_FOUND;
      const operation = operations.of(session.id, showId, key, [spec.kind, waiterId]);
      const command = { kind: spec.kind, session: session.id, operation, waiterId };
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind === "waiter") return json(200, waiterJson(reply.waiter, show.hall));
      const result = otherReply(reply, asked("waiter", show, { waiterId }));
      return isProblem(result) && result.code === "no_offer" ? nothingToDecline(result, waiterId) : result;
    },
  });

const nothingToDecline = (problem: Problem, waiterId: WaiterId): Problem => ({
  ...problem,
  detail: `No seats are offered yet, so there is nothing to decline. To leave the line: DELETE /v1/waitlist/${waiterId}.`,
});
