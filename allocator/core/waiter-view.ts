// A waiter as its session sees it. Its position and the wait ahead are of this moment; nothing else moves by itself.

import type { WaiterView } from "../../shared/protocol/reply.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowState } from "./state.ts";

export function waiterViewOf(state: ShowState, waiter: Waiter, at: number): WaiterView {
  const { line } = state;
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
    expiresAt: waiter.expiresAt,
    offer: waiter.offer,
    holdId: waiter.holdId,
  };
}
