// The client's end of a request that takes its time: hears when it goes away.

import type { GatewayContext } from "./answer.ts";

/**
 * Calls `leave` once when the client closes the connection before its answer. Returns the way to take that back.
 * Through Node's own response, where there is one: an AbortSignal each would cost a parked poll over a kilobyte.
 */
export function onGone(c: GatewayContext, leave: () => void): () => void {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) {
    const { signal } = c.req.raw;
    signal.addEventListener("abort", leave, { once: true });
    return () => signal.removeEventListener("abort", leave);
  }
  if (outgoing.destroyed) leave();
  outgoing.once("close", leave);
  return () => void outgoing.off("close", leave);
}
