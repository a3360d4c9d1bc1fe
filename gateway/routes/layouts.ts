// The plan of a hall. It never changes, so whoever has it need never ask again.

import { z } from "@hono/zod-openapi";
import type { LayoutId } from "../../shared/kernel/ids.ts";
import { TwoGenerationCache } from "../../shared/kernel/two-generation-cache.ts";
import { answerReady, IMMUTABLE, type ReadyAnswer, render } from "../catalogue/ready-answer.ts";
import { ETAG_HEADER, LAYOUT, NOT_MODIFIED, pathId } from "../catalogue/shapes.ts";
import type { ShowDirectory } from "../catalogue/show-directory.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { notFound } from "../http/problem.ts";

const LAYOUT_NOT_FOUND = notFound("layout");
/** Of 2,000 seats one takes 250 KB. */
const LAYOUTS_MAX = 256;

export function layoutsEndpoints(directory: ShowDirectory): Endpoint[] {
  const rendered = new TwoGenerationCache<string, ReadyAnswer>(LAYOUTS_MAX);
  const read = async (layoutId: LayoutId): Promise<ReadyAnswer | undefined> => {
    const plan = await directory.plan(layoutId);
    if (plan === undefined) return undefined;
    const { layout_id, focus, seats } = plan.layout;
    const ready = render({
      layout_id,
      focus: { x: focus.x, y: focus.y },
      seats: seats.map(({ index, label, section, row, number, x, y, category, accessible }) => {
        return { index, label, section, row, number, x, y, category, accessible };
      }),
    });
    rendered.set(layoutId, ready);
    return ready;
  };
  return [
    endpoint({
      method: "get",
      path: "/v1/layouts/{layout_id}",
      tag: "shows",
      summary: "The plan of a hall",
      access: "public",
      idempotent: false,
      params: z.object({ layout_id: pathId() }),
      answers: { 200: { description: "The plan", schema: LAYOUT, headers: ETAG_HEADER }, ...NOT_MODIFIED },
      problems: ["store_unavailable"],
      handle: async ({ params, context }) => {
        const ready = rendered.get(params.layout_id) ?? (await read(params.layout_id as LayoutId));
        return ready === undefined ? LAYOUT_NOT_FOUND : answerReady(context, ready, IMMUTABLE);
      },
    }),
  ];
}
