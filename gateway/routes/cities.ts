// Where there are cinemas.

import type { CatalogueReader } from "../catalogue/reader.ts";
import { answerReady, REVALIDATE } from "../catalogue/ready-answer.ts";
import { CITIES, ETAG_HEADER, NOT_MODIFIED } from "../catalogue/shapes.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

export const citiesEndpoints = (reader: CatalogueReader): Endpoint[] => [
  endpoint({
    method: "get",
    path: "/v1/cities",
    tag: "catalogue",
    summary: "Cities and their cinemas",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "By name", schema: CITIES, headers: ETAG_HEADER }, ...NOT_MODIFIED },
    problems: ["store_unavailable"],
    handle: async ({ context }) => answerReady(context, await reader.cities(), REVALIDATE),
  }),
];
