// What a key made, kept for those who ask again.

import type { BookingId, OperationId, WaiterId } from "../../shared/kernel/ids.ts";
import type { ShowState } from "./state.ts";

/** `subject`: the booking or waiter the command was about, or the seats. */
export function remember(
  state: ShowState,
  id: OperationId,
  requestHash: number,
  at: number,
  subject: BookingId | WaiterId | readonly number[],
): void {
  state.operations.set(id, { id, requestHash, at, subject });
  state.keys.add(id, at);
}
