// Checks a whole state: used by tests, the simulator and the audit, never on the hot path.

import { SEAT_BLOCKED, SEAT_FREE, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { deadlineOf, isLive, type ShowState, seatClass } from "./state.ts";

/** What is wrong with the state, one sentence each; empty when every invariant of state.ts and deadline-lines.ts holds. */
export function violations(state: ShowState): string[] {
  return [
    ...seatViolations(state),
    ...countViolations(state),
    ...sessionViolations(state),
    ...deadlineViolations(state),
  ];
}

function seatViolations(state: ShowState): string[] {
  const found: string[] = [];
  const owner = new Map<number, string>();
  for (const booking of state.bookings.values()) {
    const expected = isLive(booking) ? SEAT_HELD : booking.status === "booked" ? SEAT_SOLD : undefined;
    if (expected === undefined) continue;
    for (const seat of booking.seats) {
      if (owner.has(seat)) found.push(`seat ${seat} belongs to ${owner.get(seat)} and ${booking.id}`);
      if (state.seats[seat] !== expected)
        found.push(`seat ${seat} of ${booking.id} is ${state.seats[seat]}, not ${expected}`);
      owner.set(seat, booking.id);
    }
  }
  for (const [seat, status] of state.seats.entries()) {
    if (status > SEAT_BLOCKED) found.push(`seat ${seat} has no such state as ${status}`);
    if (status === SEAT_HELD && !owner.has(seat)) found.push(`seat ${seat} is held by nobody`);
  }
  return found;
}

function countViolations(state: ShowState): string[] {
  const free = state.free.map(() => 0);
  const held = state.free.map(() => 0);
  for (const [seat, status] of state.seats.entries()) {
    const kind = seatClass(state.hall, seat);
    if (status === SEAT_FREE) free[kind] = (free[kind] ?? 0) + 1;
    if (status === SEAT_HELD) held[kind] = (held[kind] ?? 0) + 1;
  }
  const found: string[] = [];
  if (free.join() !== state.free.join()) found.push(`free is counted ${state.free.join()}, is ${free.join()}`);
  if (held.join() !== state.held.join()) found.push(`held is counted ${state.held.join()}, is ${held.join()}`);
  return found;
}

function sessionViolations(state: ShowState): string[] {
  const seats = new Map<string, number>();
  for (const booking of state.bookings.values()) {
    if (isLive(booking)) seats.set(booking.session, (seats.get(booking.session) ?? 0) + booking.seats.length);
  }
  const found: string[] = [];
  for (const [session, count] of seats) {
    if (state.sessionSeats.get(session as never) !== count)
      found.push(`session ${session} has ${count} seats, not as counted`);
    if (count > SEATS_PER_SESSION_MAX) found.push(`session ${session} has ${count} seats`);
  }
  if (state.sessionSeats.size !== seats.size) found.push("sessions without seats are counted");
  return found;
}

function deadlineViolations(state: ShowState): string[] {
  const found: string[] = [];
  const standing = new Map([...state.deadlines.all()].map((entry) => [entry.id, entry]));
  let live = 0;
  for (const booking of state.bookings.values()) {
    if (!isLive(booking)) continue;
    live += 1;
    const entry = standing.get(booking.id);
    if (entry?.at !== deadlineOf(booking))
      found.push(`${booking.id} falls due at ${deadlineOf(booking)}, stands at ${entry?.at}`);
  }
  if (state.deadlines.size !== live) found.push(`${state.deadlines.size} deadlines for ${live} live bookings`);
  return found;
}
