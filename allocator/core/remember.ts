// What a key made, kept for those who ask again.

import type { BookingId, OperationId, WaiterId } from "../../shared/kernel/ids.ts";
import type { ShowState } from "./state.ts";

/** As of the event being applied. `subject`: the booking or waiter the command was about, or the seats. */
export function remember(
  state: ShowState,
  id: OperationId,
  requestHash: number,
  subject: BookingId | WaiterId | readonly number[],
): void {
  const at = state.lastAt;
  state.operations.set(id, { id, requestHash, at, subject });
  state.keys.add(id, at);
}
