// A show's state as plain data, so that two states can be compared: everything a later turn could notice.

import type { Booking, ShowState } from "../../allocator/core/state.ts";

const byId = <T extends { readonly id: string }>(items: Iterable<T>): T[] =>
  [...items].sort((a, b) => (a.id < b.id ? -1 : 1)).map((item) => ({ ...item }));

/** `bookings` may be more than those in memory. */
type Imaged = Omit<ShowState, "bookings"> & { readonly bookings: { values(): Iterable<Booking> } };

export function imageOf(state: Imaged) {
  return {
    seq: state.seq,
    lastAt: state.lastAt,
    outageId: state.outageId,
    terms: state.terms,
    seats: [...state.seats].join(""),
    free: [...state.free],
    held: [...state.held],
    bookings: byId(state.bookings.values()),
    operations: byId(state.operations.values()),
    sessionSeats: [...state.sessionSeats].sort(([a], [b]) => (a < b ? -1 : 1)),
    // Who was seen when is no part of the history: a replay cannot know it.
    waiters: byId(state.line?.all() ?? []),
    waiting: [...(state.line?.all() ?? [])].map((waiter) => [waiter.id, state.line?.positionOf(waiter)]).sort(),
    // Line by line, each in its own order.
    deadlines: [...state.deadlines.all()],
  };
}
