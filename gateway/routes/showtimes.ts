// When and where a film is on.

import { z } from "@hono/zod-openapi";
import type { CatalogueReader } from "../catalogue/reader.ts";
import { answerReady, REVALIDATE } from "../catalogue/ready-answer.ts";
import { ETAG_HEADER, NOT_MODIFIED, pathId, queryDate, queryId, SHOWTIMES } from "../catalogue/shapes.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { notFound } from "../http/problem.ts";

const MOVIE_NOT_FOUND = notFound("movie");

export const showtimesEndpoints = (reader: CatalogueReader): Endpoint[] => [
  endpoint({
    method: "get",
    path: "/v1/showtimes/{movie_id}",
    tag: "catalogue",
    summary: "A film's shows to come, by cinema",
    access: "public",
    idempotent: false,
    params: z.object({ movie_id: pathId() }),
    query: z.object({
      city: queryId().optional().openapi({ description: "A `city_id`." }),
      date: queryDate().optional().openapi({ description: "That day in each cinema's own time zone." }),
    }),
    answers: { 200: { description: "By city and cinema", schema: SHOWTIMES, headers: ETAG_HEADER }, ...NOT_MODIFIED },
    problems: ["store_unavailable"],
    handle: async ({ params, query, context }) => {
      const ready = await reader.showtimes({ movieId: params.movie_id, cityId: query.city, date: query.date });
      return ready === undefined ? MOVIE_NOT_FOUND : answerReady(context, ready, REVALIDATE);
    },
  }),
];
