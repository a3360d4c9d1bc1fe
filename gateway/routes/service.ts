// What operators ask: is it alive, is it ready, how does it do.

import { z } from "@hono/zod-openapi";
import type { Registry } from "prom-client";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import type { Readiness } from "../readiness.ts";

export interface ServiceDependencies {
  readonly readiness: Readiness;
  readonly metrics: Registry;
}

const STATUS = z.object({ status: z.string() });

export const serviceEndpoints = ({ readiness, metrics }: ServiceDependencies): Endpoint[] => [
  endpoint({
    method: "get",
    path: "/healthz",
    tag: "service",
    summary: "Is the process alive",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "Yes", schema: STATUS } },
    problems: [],
    handle: () => json(200, { status: "ok" }),
  }),
  endpoint({
    method: "get",
    path: "/readyz",
    tag: "service",
    summary: "Can it do its work now",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "Yes", schema: STATUS } },
    problems: ["not_ready"],
    handle: async () => {
      const missing = await readiness.missing();
      if (missing.length === 0) return json(200, { status: "ready" });
      return {
        code: "not_ready",
        detail: `Waiting for ${missing.join(", ")}.`,
        retryAfterS: 1,
        more: { not_ready: missing },
      };
    },
  }),
  endpoint({
    method: "get",
    path: "/metrics",
    tag: "service",
    summary: "Prometheus metrics",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "Text exposition format", contentType: "text/plain" } },
    problems: [],
    handle: async () => ({
      status: 200,
      contentType: metrics.contentType,
      body: await metrics.metrics(),
      headers: undefined,
    }),
  }),
];
