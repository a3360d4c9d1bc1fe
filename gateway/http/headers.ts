// Request headers, read the cheap way: Node has parsed them into an object already; `Headers` would build its own.

import type { GatewayContext } from "./answer.ts";

/** `name` in lower case. */
export function headerOf(c: GatewayContext, name: string): string | undefined {
  const incoming = c.env?.incoming;
  if (incoming === undefined) return c.req.raw.headers.get(name) ?? undefined;
  const value = incoming.headers[name];
  return typeof value === "string" ? value : undefined;
}
