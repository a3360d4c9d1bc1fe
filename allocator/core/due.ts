// When a show has something to do without being asked.

import { closesAt, type ShowState } from "./state.ts";

/** The next moment something in it ends by itself; −∞: there is something to do now; ∞: nothing ever. */
export function nextAt(state: ShowState): number {
  const ofBookings = state.deadlines.nextAt();
  if (state.line === undefined) return ofBookings;
  return Math.min(ofBookings, state.line.nextAt(closesAt(state)));
}
