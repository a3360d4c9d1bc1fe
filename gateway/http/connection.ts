// The client's end of a request that takes its time: hears when it goes away, and keeps nothing of what it sent.

import type { IncomingHttpHeaders } from "node:http";
import type { GatewayContext } from "./answer.ts";

/**
 * Calls `leave` when the client closes the connection before its answer, perhaps twice.
 * Through Node's own response, where there is one: an AbortSignal each would cost a parked poll over a kilobyte.
 */
export function onGone(c: GatewayContext, leave: () => void): void {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) {
    c.req.raw.signal.addEventListener("abort", leave);
    return;
  }
  if (outgoing.destroyed) leave();
  outgoing.on("close", leave);
}

export function offGone(c: GatewayContext, leave: () => void): void {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) c.req.raw.signal.removeEventListener("abort", leave);
  else outgoing.off("close", leave);
}

const NO_HEADERS: IncomingHttpHeaders = Object.freeze({});
const NO_RAW_HEADERS: string[] = [];

/**
 * Lets go of the request's headers: nothing reads them once a handler has what it needs, and a client may have sent
 * 8 KiB of them. Those of a browser weigh 1 KiB and more, a tenth of a parked poll.
 */
export function forgetHeaders(c: GatewayContext): void {
  const incoming = c.env?.incoming;
  if (incoming === undefined) return;
  incoming.headers = NO_HEADERS;
  incoming.rawHeaders = NO_RAW_HEADERS;
}
