// One show: what, where and when, its prices, and how many seats are free now.

import { answerReady, REVALIDATE } from "../catalogue/ready-answer.ts";
import { ETAG_HEADER, NOT_MODIFIED, SHOW } from "../catalogue/shapes.ts";
import type { ShowAnswers } from "../catalogue/show-answers.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { notFound } from "../http/problem.ts";
import { SHOW_PARAMS } from "./shapes.ts";

const SHOW_NOT_FOUND = notFound("show");

export const showsEndpoints = (shows: ShowAnswers): Endpoint[] => [
  endpoint({
    method: "get",
    path: "/v1/shows/{show_id}",
    tag: "shows",
    summary: "A show",
    access: "public",
    idempotent: false,
    params: SHOW_PARAMS,
    answers: { 200: { description: "The show", schema: SHOW, headers: ETAG_HEADER }, ...NOT_MODIFIED },
    problems: ["store_unavailable"],
    handle: async ({ params, context }) => {
      const ready = await shows.read(params.show_id);
      return ready === undefined ? SHOW_NOT_FOUND : answerReady(context, ready, REVALIDATE);
    },
  }),
];
