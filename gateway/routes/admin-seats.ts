// What an administrator does inside a show: take seats out of sale and back, and read its audit trail.

import { z } from "@hono/zod-openapi";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { queryInteger } from "../http/validation.ts";
import {
  ASK_DEADLINE_MS,
  asked,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  SHOW_NOT_FOUND,
} from "./asking.ts";
import { logEntryJson } from "./log-entry.ts";
import { resolveSeats } from "./seats.ts";
import { SHOW_PARAMS } from "./shapes.ts";

/** The largest hall a catalogue may hold. */
const SEATS_MAX = 2_000;
const BODY_LIMIT_BYTES = 64 * 1024;
const LOG_PAGE_DEFAULT = 100;
const LOG_PAGE_MAX = 1_000;

const SEATS_BODY = z
  .strictObject({ seats: z.array(z.string().min(1).max(32)).min(1).max(SEATS_MAX) })
  .openapi("SeatsOfShow");

const LOG_ENTRY = z
  .object({ seq: z.int(), epoch: z.int(), at: z.iso.datetime(), events: z.array(z.looseObject({ kind: z.string() })) })
  .openapi("LogEntry");

export const adminSeatEndpoints = (dependencies: BookingRouteDependencies): Endpoint[] => [
  seatsEndpoint(dependencies, {
    kind: "BlockSeats",
    path: "/v1/admin/shows/{show_id}/block",
    summary: "Take seats out of sale",
    description: "All or none; refused with `seats_taken` where one is held or sold. Blocked ones stay blocked.",
  }),
  seatsEndpoint(dependencies, {
    kind: "UnblockSeats",
    path: "/v1/admin/shows/{show_id}/unblock",
    summary: "Put blocked seats back on sale",
    description: "All or none. Seats that are not blocked stay as they are.",
  }),
  logEndpoint(dependencies),
];

interface SeatsSpec {
  readonly kind: "BlockSeats" | "UnblockSeats";
  readonly path: string;
  readonly summary: string;
  readonly description: string;
}

const seatsEndpoint = ({ allocator, shows, operations }: BookingRouteDependencies, spec: SeatsSpec): Endpoint =>
  endpoint({
    method: "post",
    path: spec.path,
    tag: "admin",
    summary: spec.summary,
    description: spec.description,
    access: "admin",
    idempotent: true,
    params: SHOW_PARAMS,
    body: { schema: SEATS_BODY, limitBytes: BODY_LIMIT_BYTES },
    answers: {
      200: {
        description: "The seats named",
        schema: z.object({ show_id: z.string(), seats: z.array(z.string()) }),
      },
    },
    problems: [
      "seats_taken",
      "idempotency_key_reused",
      "store_unavailable",
      "overloaded",
      "allocators_unreachable",
      "outcome_pending",
    ],
    handle: async ({ session, key, params, body }) => {
      const showId = params.show_id;
      const show = await findShow(shows, showId);
      if (show === undefined) return SHOW_NOT_FOUND;
      const resolved = resolveSeats(show.hall, body.seats, "seats");
      if ("problem" in resolved) return resolved.problem;
      const { seats } = resolved;
      const operation = operations.of(session.id, showId, key, [spec.kind, [...seats].sort((a, b) => a - b)]);
      const reply = await allocator.ask(showId, { kind: spec.kind, operation, seats }, ASK_DEADLINE_MS);
      if (reply.kind !== "seats") return otherReply(reply, asked("show", show));
      return json(200, { show_id: showId, seats: reply.seats.map((seat) => show.hall.labels[seat]) });
    },
  });

const logEndpoint = ({ allocator, shows }: BookingRouteDependencies): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/admin/shows/{show_id}/log",
    tag: "admin",
    summary: "A show's audit trail",
    description: "Every committed turn with its events, oldest first. `next_after` is what to ask for next.",
    access: "admin",
    idempotent: false,
    params: SHOW_PARAMS,
    query: z.object({
      after: queryInteger({ min: 0, max: Number.MAX_SAFE_INTEGER }).optional(),
      limit: queryInteger({ min: 1, max: LOG_PAGE_MAX }).optional(),
    }),
    answers: {
      200: {
        description: "A page",
        schema: z.object({ show_id: z.string(), entries: z.array(LOG_ENTRY), next_after: z.int().nullable() }),
      },
    },
    problems: ["store_unavailable", "overloaded", "allocators_unreachable"],
    handle: async ({ params, query }) => {
      const showId = params.show_id;
      const show = await findShow(shows, showId);
      if (show === undefined) return SHOW_NOT_FOUND;
      const limit = query.limit ?? LOG_PAGE_DEFAULT;
      const reply = await allocator.ask(showId, { kind: "ReadLog", after: query.after ?? 0, limit }, ASK_DEADLINE_MS);
      if (reply.kind !== "log") return otherReply(reply, asked("show", show));
      const { entries } = reply;
      return json(200, {
        show_id: showId,
        entries: entries.map((entry) => logEntryJson(entry, show.hall)),
        next_after: entries.length < limit ? null : (entries.at(-1)?.seq ?? null),
      });
    },
  });
