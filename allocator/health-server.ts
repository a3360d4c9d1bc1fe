// What whoever runs a node asks it over HTTP: is it alive, can it do its work, how does it do. The paths and words are a
// gateway's; nothing of guests goes this way, and nobody outside should reach it.
// E1: `/healthz` says that the process turns; it asks nobody. A node that waits for its database is alive.
// E2: `/readyz` says what keeps it from taking shows. Not ready is no reason to kill it: what it has, it serves.

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "../shared/platform/metrics.ts";
import { StartFault, systemCodeOf } from "../shared/platform/start-fault.ts";

/** Probes and scrapers: a handful. */
const CONNECTIONS_MAX = 64;
const REQUEST_MAX_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;

export interface HealthServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Names of what does not answer; empty when ready. */
  readonly unready: () => readonly string[];
  readonly metrics: Metrics;
}

export interface HealthServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Throws a StartFault. */
export async function startHealthServer({ host, port, unready, metrics }: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    { headersTimeout: REQUEST_MAX_MS, requestTimeout: REQUEST_MAX_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      request.resume();
      const isRead = request.method === "GET" || request.method === "HEAD";
      void answer(isRead ? request.url : undefined, response, { unready, metrics });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenFault(host, port, error)));
    server.listen({ host, port }, resolve);
  });
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${(server.address() as AddressInfo).port}`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** `path`: undefined where it was no reading. Never rejects. */
async function answer(
  path: string | undefined,
  response: ServerResponse,
  { unready, metrics }: Pick<HealthServerOptions, "unready" | "metrics">,
): Promise<void> {
  if (path === "/healthz") return json(response, 200, { status: "ok" });
  if (path === "/readyz") {
    const missing = unready();
    if (missing.length === 0) return json(response, 200, { status: "ready" });
    return json(response, 503, { status: "not_ready", not_ready: missing });
  }
  if (path !== "/metrics")
    return json(response, 404, { status: "not_found", paths: ["/healthz", "/readyz", "/metrics"] });
  try {
    const text = await metrics.metrics();
    response.writeHead(200, { "Content-Type": metrics.contentType }).end(text);
  } catch {
    json(response, 500, { status: "internal" });
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}

function listenFault(host: string, port: number, error: Error): StartFault {
  return systemCodeOf(error) === "EADDRINUSE"
    ? new StartFault("port_taken", `Port ${port} is in use; choose another one with HEALTH_PORT.`, error)
    : new StartFault("listen", `Cannot listen on ${host}:${port}: ${error.message}.`, error);
}
