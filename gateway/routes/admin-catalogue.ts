// Importing a catalogue over HTTP: the document that `usher import` takes, all of it or nothing.

import { z } from "@hono/zod-openapi";
import type { CatalogueAdmin } from "../catalogue/admin.ts";
import type { Issue } from "../catalogue/check.ts";
import { CatalogueDocument } from "../catalogue/document.ts";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { invalid, type Problem } from "../http/problem.ts";

const CATALOGUE_LIMIT_BYTES = 64 * 1024 * 1024;
const BEHIND_SHOWN_MAX = 50;
const BUSY_RETRY_AFTER_S = 5;

const COUNTS = z.object({ added: z.int(), updated: z.int() });
const IMPORTED = z
  .object({
    cities: COUNTS,
    cinemas: COUNTS,
    layouts: COUNTS,
    halls: COUNTS,
    movies: COUNTS,
    shows: COUNTS,
    changed_shows: z.int().openapi({ description: "Shows that were there and are now sold on other terms." }),
    behind: z
      .object({
        count: z.int(),
        shows: z.array(z.string()).openapi({ description: "The first 50." }),
      })
      .openapi({ description: "Changed shows whose owner could not be told yet. The same import may be sent again." }),
  })
  .openapi("Imported");

const BUSY: Problem = {
  code: "overloaded",
  detail: "Other imports are waiting already. Nothing was done; ask again later.",
  retryAfterS: BUSY_RETRY_AFTER_S,
};

/** Issues as the problem's fields: JSON pointers into the document. */
const issuesProblem = (issues: readonly Issue[]): Problem =>
  invalid(issues.map(({ path, message }) => ({ field: path === "" ? "body" : path, message })));

export const adminCatalogueEndpoints = (admin: CatalogueAdmin): Endpoint[] => [
  endpoint({
    method: "post",
    path: "/v1/admin/catalogue",
    tag: "admin",
    summary: "Import a catalogue",
    description:
      "All or nothing, in one transaction. It adds and updates and never deletes, so it may be repeated. " +
      "Errors name their place in the document, e.g. `/shows/17/prices/vip`; at most 50 are listed.",
    access: "admin",
    idempotent: false,
    body: {
      schema: CatalogueDocument as z.ZodType<unknown>,
      limitBytes: CATALOGUE_LIMIT_BYTES,
      // Checked by the import itself, a slice at a time: a large document must not stop everybody else.
      parse: (value) => ({ body: value }),
    },
    answers: { 200: { description: "What was added and updated", schema: IMPORTED } },
    problems: ["overloaded", "store_unavailable"],
    patient: true,
    handle: async ({ body }) => {
      const outcome = await admin.import(body);
      if (outcome.kind === "busy") return BUSY;
      if (outcome.kind === "refused") return issuesProblem(outcome.issues);
      const { kind: _, changedShows, behind, ...counts } = outcome;
      return json(200, {
        ...counts,
        changed_shows: changedShows.length,
        behind: { count: behind.length, shows: behind.slice(0, BEHIND_SHOWN_MAX) },
      });
    },
  }),
];
