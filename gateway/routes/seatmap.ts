// A show's seat map: now, and as it changes. From this gateway's copy; no show is asked but for its first snapshot.

import { z } from "@hono/zod-openapi";
import { bytes, empty, JSON_TYPE } from "../http/answer.ts";
import { type Endpoint, endpoint, type Result } from "../http/endpoint.ts";
import { headerOf } from "../http/headers.ts";
import { faultProblem, STOPPING } from "../http/problem.ts";
import type { SeatStreams } from "../seat-streams.ts";
import type { SeatViewRead, SeatViews } from "../seat-views.ts";
import { SHOW_NOT_FOUND } from "./asking.ts";
import { SHOW_PARAMS } from "./shapes.ts";

const SEAT_MAP = z
  .object({
    show_id: z.string(),
    layout_id: z.string(),
    epoch: z.int(),
    version: z.int(),
    counts: z.object({ free: z.int(), queued: z.int(), held: z.int(), sold: z.int(), blocked: z.int() }).openapi({
      description:
        "`queued` are those of the free seats that people in line claim: locking them is refused with `waitlist_active`. " +
        "What a newcomer may lock is `free` - `queued`.",
    }),
    status: z.string().openapi({
      description:
        "One character a seat in layout order: `0` free (also where people in line claim it), `1` held (also being paid " +
        "for, or offered to somebody in line), `2` sold, `3` blocked.",
    }),
    stale: z
      .boolean()
      .optional()
      .openapi({ description: "The show cannot be asked now; this is what was last known." }),
  })
  .openapi("SeatMap");

/** Always asked again, answered with 304 while nothing has changed. It is the same for everybody. */
const REVALIDATE = "public, no-cache";

export const seatMapEndpoints = (views: SeatViews, streams: SeatStreams): Endpoint[] => [
  seatMapEndpoint(views),
  streamEndpoint(streams),
];

const seatMapEndpoint = (views: SeatViews): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/shows/{show_id}/seatmap",
    tag: "shows",
    summary: "The seat map now",
    access: "public",
    idempotent: false,
    params: SHOW_PARAMS,
    answers: {
      200: { description: "The seat map", schema: SEAT_MAP, headers: { ETag: "Its epoch and version" } },
      304: { description: "Still the one of `If-None-Match`" },
    },
    problems: ["store_unavailable", "overloaded", "allocators_unreachable", "show_quarantined"],
    handle: ({ params, context }) => {
      const known = views.peek(params.show_id);
      const ifNoneMatch = headerOf(context, "if-none-match");
      if (known !== undefined) return seatMapAnswer(known, ifNoneMatch);
      return views.read(params.show_id).then((read) => seatMapAnswer(read, ifNoneMatch));
    },
  });

function seatMapAnswer(read: SeatViewRead, ifNoneMatch: string | undefined): Result {
  if (read.kind === "unknown_show") return SHOW_NOT_FOUND;
  if (read.kind === "fault") return faultProblem(read.fault);
  const etag = read.view.etag(read.isStale);
  const headers = { ETag: etag, "Cache-Control": REVALIDATE };
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, etag)) return empty(304, headers);
  return bytes(200, JSON_TYPE, read.view.bytes(read.isStale), headers);
}

/** RFC 9110, 13.1.2: a list of validators or `*`, compared weakly. */
const matches = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch === etag ||
  ifNoneMatch.split(",").some((each) => {
    const validator = each.trim();
    return validator === "*" || validator === etag || validator === `W/${etag}`;
  });

const streamEndpoint = (streams: SeatStreams): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/shows/{show_id}/seatmap/stream",
    tag: "shows",
    summary: "The seat map as it changes",
    description:
      "Server-sent events: `snapshot` (as the seat map), then `delta` `{epoch, previous, version, changes: [[index, status], …], " +
      "queued}`: what changed since version `previous`; after a gap or a change of owner a new `snapshot`. A comment every 15 s keeps the line open.",
    access: "public",
    idempotent: false,
    params: SHOW_PARAMS,
    answers: { 200: { description: "Events", contentType: "text/event-stream" } },
    problems: ["store_unavailable", "overloaded", "allocators_unreachable", "show_quarantined"],
    patient: true,
    handle: async ({ params, context }) => {
      const contentType = "text/event-stream";
      // Nobody would read it, and so nobody would end it.
      if (context.req.raw.method === "HEAD") return { ...empty(200), contentType };
      const outgoing = context.env?.outgoing;
      const opened = await streams.open(params.show_id, outgoing === undefined ? undefined : () => outgoing.destroy());
      if (opened.kind === "stream") {
        // Proxies that collect answers before they pass them on would turn a stream into silence.
        return { status: 200, contentType, body: opened.body, headers: { "X-Accel-Buffering": "no" } };
      }
      if (opened.kind === "unknown_show") return SHOW_NOT_FOUND;
      if (opened.kind === "stopping") return STOPPING;
      return opened.kind === "full" ? STREAMS_FULL : faultProblem(opened.fault);
    },
  });

const STREAMS_FULL = faultProblem({ code: "overloaded", outcome: "none", retryAfterMs: 5_000 });
