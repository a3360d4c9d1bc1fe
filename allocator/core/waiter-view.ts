// A waiter as its session sees it. Its position and the wait ahead are of this moment; nothing else moves by itself.
// Deadlines are shown no later than the line closes: whoever counts down to one is not surprised.

import type { WaiterView } from "../../shared/protocol/reply.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import { closesAt, type ShowState } from "./state.ts";

export function waiterViewOf(state: ShowState, waiter: Waiter, at: number): WaiterView {
  const { line } = state;
  const { offer } = waiter;
  const until = state.terms.cancelled ? Number.POSITIVE_INFINITY : closesAt(state);
  return {
    id: waiter.id,
    showId: state.showId,
    session: waiter.session,
    quantity: waiter.quantity,
    categories: waiter.categories,
    accessible: waiter.accessible,
    contiguous: waiter.contiguous,
    status: waiter.status,
    version: waiter.version,
    position: line?.positionOf(waiter) ?? 0,
    estimatedWaitMs: line?.estimatedWaitMs(waiter, at),
    joinedAt: waiter.joinedAt,
    expiresAt: Math.min(waiter.expiresAt, until),
    offer: offer && { ...offer, expiresAt: Math.min(offer.expiresAt, until) },
    holdId: waiter.holdId,
  };
}
