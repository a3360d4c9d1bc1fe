// Putting one show on sale, and changing what it is sold on.

import { z } from "@hono/zod-openapi";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { CatalogueAdmin, ShowOutcome } from "../catalogue/admin.ts";
import { type CatalogueShow, type CatalogueShowPatch, Show, ShowPatch } from "../catalogue/document.ts";
import { SHOW } from "../catalogue/shapes.ts";
import type { ShowAnswers } from "../catalogue/show-answers.ts";
import { bytes, JSON_TYPE } from "../http/answer.ts";
import { type Endpoint, endpoint, type Result } from "../http/endpoint.ts";
import type { Operations } from "../http/idempotency.ts";
import { invalid, notFound, type Problem } from "../http/problem.ts";
import { SHOW_PARAMS } from "./shapes.ts";

export interface AdminShowsDependencies {
  readonly admin: CatalogueAdmin;
  readonly shows: ShowAnswers;
  readonly operations: Operations;
}

/** A key that makes a show is scoped to the session alone: there is no show yet. */
const NO_SHOW = "" as ShowId;

const BEHIND = "Present when the show's owner could not be told yet: until it reads again it sells on the old terms.";

export const adminShowsEndpoints = (dependencies: AdminShowsDependencies): Endpoint[] => [
  createEndpoint(dependencies),
  patchEndpoint(dependencies),
  cancelEndpoint(dependencies),
];

const createEndpoint = ({ admin, shows, operations }: AdminShowsDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/admin/shows",
    tag: "admin",
    summary: "Put a show on sale",
    access: "admin",
    idempotent: true,
    body: { schema: Show as z.ZodType<CatalogueShow> },
    answers: { 201: { description: "The show", schema: SHOW, headers: { Location: "The show" } } },
    problems: ["conflict", "idempotency_key_reused", "store_unavailable"],
    handle: async ({ session, key, body }) => {
      const operation = operations.of(session.id, NO_SHOW, key, ["create_show", canonical(body)]);
      return showResult(await admin.createShow(body, operation), shows, 201);
    },
  });

const patchEndpoint = ({ admin, shows, operations }: AdminShowsDependencies): Endpoint =>
  endpoint({
    method: "patch",
    path: "/v1/admin/shows/{show_id}",
    tag: "admin",
    summary: "Change a show's times, prices and policies",
    description:
      "A new start moves the end and the sales cutoff along, where they are not given too. Movie and hall never " +
      "change. Deadlines that run already are not moved.",
    access: "admin",
    idempotent: true,
    params: SHOW_PARAMS,
    body: { schema: ShowPatch as z.ZodType<CatalogueShowPatch> },
    answers: { 200: { description: "The show", schema: SHOW, headers: { "X-Usher-Behind": BEHIND } } },
    problems: ["idempotency_key_reused", "store_unavailable"],
    handle: async ({ session, key, params, body }) => {
      const operation = operations.of(session.id, params.show_id, key, ["patch_show", canonical(body)]);
      return showResult(await admin.patchShow(params.show_id, body, operation), shows, 200);
    },
  });

const cancelEndpoint = ({ admin, shows, operations }: AdminShowsDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/admin/shows/{show_id}/cancel",
    tag: "admin",
    summary: "Cancel a show",
    description:
      "Its sales and its line close, its holds are released, its bookings cancelled (`show_cancelled`) and what was paid " +
      "is given back: a bounded number at a time, also across restarts. The audit trail says how far that is. There is " +
      "no way back.",
    access: "admin",
    idempotent: true,
    params: SHOW_PARAMS,
    body: { schema: z.strictObject({}), optional: true },
    answers: { 200: { description: "The show, `cancelled`", schema: SHOW } },
    problems: ["idempotency_key_reused", "store_unavailable", "outcome_pending"],
    handle: async ({ session, key, params }) => {
      const operation = operations.of(session.id, params.show_id, key, ["cancel_show"]);
      const outcome = await admin.cancelShow(params.show_id, operation);
      return outcome.behind.length > 0 ? NOT_TOLD : showResult(outcome, shows, 200);
    },
  });

/** Its owner may be selling it still: whoever cancels it has to ask again. */
const NOT_TOLD: Problem = {
  code: "outcome_pending",
  detail:
    "The show is cancelled in the catalogue, its owner could not be told: ask again with the same idempotency key.",
  retryAfterS: 1,
};

const EXISTS: Problem = {
  code: "conflict",
  detail: "There is a show with this id already; leave `show_id` out, choose another or PATCH it.",
  errors: [{ field: "show_id", message: "is taken" }],
};

const REUSED: Problem = {
  code: "idempotency_key_reused",
  detail: "This key belongs to another request; use a new key for a new request.",
};

async function showResult(outcome: ShowOutcome, shows: ShowAnswers, status: 200 | 201): Promise<Result> {
  switch (outcome.kind) {
    case "refused":
      return invalid(outcome.issues.map(({ path, message }) => ({ field: dotted(path), message })));
    case "exists":
      return EXISTS;
    case "reused":
      return REUSED;
    case "not_found":
      return notFound("show");
    default: {
      const ready = await shows.read(outcome.showId);
      if (ready === undefined) return notFound("show");
      return bytes(status, JSON_TYPE, ready.body, {
        ...(status === 201 && { Location: `/v1/shows/${outcome.showId}` }),
        ...(outcome.behind.length > 0 && { "X-Usher-Behind": "terms" }),
      });
    }
  }
}

/** `/prices/vip` as other bodies' fields are written: `prices.vip`. */
const dotted = (pointer: string): string =>
  pointer
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".");

/** The same for the same fields and prices, whatever their order. */
function canonical(body: CatalogueShow | CatalogueShowPatch): string {
  const prices =
    body.prices === undefined ? undefined : Object.entries(body.prices).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.entries({ ...body, prices }).sort(([a], [b]) => (a < b ? -1 : 1)));
}
