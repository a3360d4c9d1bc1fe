// SearchMovies: what is on. So far the plain listing and the filter by city; a parameter of the search that is not
// there yet is refused by name, since an answer that ignores it would be a wrong one.

import { z } from "@hono/zod-openapi";
import { readCursor } from "../catalogue/cursor.ts";
import type { CatalogueReader } from "../catalogue/reader.ts";
import { answerReady, REVALIDATE } from "../catalogue/ready-answer.ts";
import { ETAG_HEADER, MOVIES, NOT_MODIFIED, queryId } from "../catalogue/shapes.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { invalidField } from "../http/problem.ts";
import { queryInteger } from "../http/validation.ts";

const PER_PAGE = 20;
const PER_PAGE_MAX = 30;

const notYet = () =>
  z
    .string()
    .refine(() => false, "is not supported yet; leave it out")
    .optional()
    .openapi({ description: "Not supported yet: answers 422." });

const QUERY = z.object({
  city: queryId().optional().openapi({ description: "A `city_id`: only what is on in this city." }),
  results_per_page: queryInteger({ min: 1, max: PER_PAGE_MAX }).optional(),
  cursor: z.string().optional().openapi({ description: "`next_cursor` of the page before." }),
  sorting_order: z
    .enum(["name,asc"], "can only be name,asc yet")
    .optional()
    .openapi({ description: "`name,asc`; the others are not supported yet and answer 422." }),
  include_spellcheck: z
    .enum(["no"], "can only be no yet")
    .optional()
    .openapi({ description: "`no`; `yes` is not supported yet and answers 422." }),
  keyword: notYet(),
  genre: notYet(),
  language: notYet(),
  lat_long: notYet(),
  radius: notYet(),
  start_datetime: notYet(),
  end_datetime: notYet(),
  date: notYet(),
  postal_code: notYet(),
});

export const moviesEndpoints = (reader: CatalogueReader): Endpoint[] => [
  endpoint({
    method: "get",
    path: "/v1/movies",
    tag: "catalogue",
    summary: "Films with shows to come",
    description: "By title, each with its next 20 shows that match, and how well each category of seats still sells.",
    access: "public",
    idempotent: false,
    query: QUERY,
    answers: { 200: { description: "A page", schema: MOVIES, headers: ETAG_HEADER }, ...NOT_MODIFIED },
    problems: ["store_unavailable"],
    handle: async ({ query, context }) => {
      const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
      if (query.cursor !== undefined && after === undefined)
        return invalidField("cursor", "must be the `next_cursor` of the page before");
      const limit = query.results_per_page ?? PER_PAGE;
      return answerReady(context, await reader.movies({ cityId: query.city, limit, after }), REVALIDATE);
    },
  }),
];
