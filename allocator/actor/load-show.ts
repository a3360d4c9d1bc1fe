// A claimed show's rows into the core's state.

import type { Hall } from "../core/hall.ts";
import { enlist, enlistWaiter, newShow, type ShowState, setSeat } from "../core/state.ts";
import type { ClaimedShow } from "../journal/journal.ts";
import { eachTaken } from "./seat-text.ts";

/** The state its former owner left, up to the claimed sequence. Everybody in line counts as seen at `now`. */
export function loadShow(claimed: ClaimedShow, hall: Hall, now: number): ShowState {
  const state = newShow(claimed.showId, hall, claimed.terms);
  state.seq = claimed.seq;
  state.lastAt = claimed.lastAt;
  state.outageId = claimed.outageId;
  eachTaken(claimed.seats, (seat, status) => setSeat(state, seat, status));
  for (const booking of claimed.bookings) enlist(state, booking);
  // Never before what was last recorded: the show's time does not go back.
  const seenAt = Math.max(now, claimed.lastAt);
  for (const waiter of claimed.waiters) enlistWaiter(state, waiter, seenAt);
  for (const operation of claimed.rowIds) state.keys.addHold(operation);
  for (const operation of claimed.operationIds) state.keys.add(operation, claimed.lastAt);
  return state;
}
