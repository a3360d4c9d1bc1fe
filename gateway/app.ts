// The gateway's app: endpoints in, one Hono app out. Holds no state and starts nothing; main.ts gives it a server.
// A route file registers itself by exporting a function of its dependencies that returns `Endpoint[]`; whoever wires
// the gateway (main.ts, a test) hands those lists over. There is no middleware: http/serve.ts is the whole chain.

import { OpenAPIHono } from "@hono/zod-openapi";
import { RegExpRouter } from "hono/router/reg-exp-router";
import type { Registry } from "prom-client";
import type { Clock } from "../shared/platform/clock.ts";
import type { Log } from "../shared/platform/log.ts";
import { empty, type GatewayContext, type GatewayEnv, json } from "./http/answer.ts";
import { type Endpoint, endpoint } from "./http/endpoint.ts";
import { RequestMetrics } from "./http/metrics.ts";
import { describeEndpoint, SESSION_SCHEME } from "./http/openapi.ts";
import { Server } from "./http/serve.ts";
import type { Sessions } from "./http/session.ts";

export interface GatewayDependencies {
  readonly endpoints: readonly Endpoint[];
  readonly sessions: Sessions;
  readonly log: Log;
  readonly metrics: Registry;
  /** Wall clock, milliseconds. */
  readonly clock: Clock;
  readonly version: string;
}

export interface Gateway {
  readonly app: OpenAPIHono<GatewayEnv>;
  /** From now on every answer closes its connection. */
  drain(): void;
}

const METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"] as const;

export function createGateway(dependencies: GatewayDependencies): Gateway {
  const app = new OpenAPIHono<GatewayEnv>({ router: new RegExpRouter() });
  const server = new Server({
    sessions: dependencies.sessions,
    log: dependencies.log,
    metrics: new RequestMetrics(dependencies.metrics),
    clock: dependencies.clock,
  });
  app.openAPIRegistry.registerComponent("securitySchemes", SESSION_SCHEME, {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "From `POST /v1/sessions`, or `usher token --scope admin`.",
  });
  for (const each of [...dependencies.endpoints, openApiEndpoint(app, dependencies.version)]) {
    describeEndpoint(app, each);
    app.on(each.method.toUpperCase(), each.path.replaceAll(/\{(\w+)\}/g, ":$1"), server.handlerOf(each));
  }
  // Built now: routes that this router cannot tell apart fail the start, and not every request.
  app.router.match("GET", "/");
  app.notFound((c) => answerUnrouted(app, server, c));
  return { app, drain: () => server.drain() };
}

/** 404, or 405 with `Allow` when the path is known under other methods. */
function answerUnrouted(app: OpenAPIHono<GatewayEnv>, server: Server, c: GatewayContext): Response {
  const allowed: string[] = METHODS.filter((method) => app.router.match(method, c.req.path)[0].length > 0);
  if (allowed.length === 0)
    return server.respond(c, { code: "not_found", detail: "There is nothing at this address." });
  if (allowed.includes("GET")) allowed.push("HEAD");
  const headers = { Allow: allowed.join(", ") };
  if (c.req.method === "OPTIONS") return server.respond(c, empty(204, headers));
  return server.respond(c, { code: "method_not_allowed", detail: `Use ${headers.Allow}.`, headers });
}

const DESCRIPTION = `Seat reservation that never sells a seat twice.

Whatever is not answered is refused with a problem (RFC 9457): its \`code\` says why and its \`detail\` what to do next. A
known path under a method it does not have answers 405 \`method_not_allowed\` with \`Allow\`; an unknown one answers 404.`;

/** The document is put together when first asked for: it costs tens of milliseconds, and starting should not. */
function openApiEndpoint(app: OpenAPIHono<GatewayEnv>, version: string): Endpoint {
  let text: string | undefined;
  return endpoint({
    method: "get",
    path: "/openapi.json",
    tag: "service",
    summary: "This document",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "OpenAPI 3.1" } },
    problems: [],
    handle: () => {
      text ??= JSON.stringify(
        app.getOpenAPI31Document({
          openapi: "3.1.0",
          info: { title: "Usher", version, description: DESCRIPTION },
        }),
      );
      return { ...json(200, null, { "Cache-Control": "public, max-age=60" }), body: text };
    },
  });
}
