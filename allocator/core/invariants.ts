// Checks a whole state: used by tests, the simulator and the audit, never on the hot path.

import { SEAT_BLOCKED, SEAT_FREE, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { isWaiting } from "../../waitlist/core/waiter.ts";
import { LEAVING_PER_TURN_MAX, roomOf } from "./hand-on.ts";
import { closesAt, deadlineOf, isLive, type ShowState, seatClass } from "./state.ts";

/** What is wrong with the state, one sentence each; empty when every invariant of state.ts and deadline-lines.ts holds. */
export function violations(state: ShowState): string[] {
  return [
    ...seatViolations(state),
    ...countViolations(state),
    ...sessionViolations(state),
    ...deadlineViolations(state),
    ...lineViolations(state),
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
  for (const { id, offer } of state.line?.all() ?? []) {
    for (const seat of offer?.seats ?? []) {
      if (owner.has(seat)) found.push(`seat ${seat} belongs to ${owner.get(seat)} and is offered to ${id}`);
      if (state.seats[seat] !== SEAT_HELD) found.push(`seat ${seat} offered to ${id} is ${state.seats[seat]}`);
      owner.set(seat, id);
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
  for (const waiter of state.line?.all() ?? []) {
    if (isWaiting(waiter)) seats.set(waiter.session, (seats.get(waiter.session) ?? 0) + waiter.quantity);
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

function lineViolations(state: ShowState): string[] {
  const { line, terms } = state;
  if (line === undefined) return [];
  const found: string[] = [];
  const sessions = new Set<string>();
  let active = 0;
  for (const waiter of line.all()) {
    if (!isWaiting(waiter)) continue;
    active += 1;
    if (sessions.has(waiter.session)) found.push(`session ${waiter.session} waits twice`);
    sessions.add(waiter.session);
    if (waiter.offer?.seats.length !== (waiter.status === "offered" ? waiter.quantity : undefined))
      found.push(`${waiter.id} is ${waiter.status} for ${waiter.quantity} with ${waiter.offer?.seats.length} seats`);
  }
  if (active !== line.activeCount) found.push(`${line.activeCount} active waiters are counted, ${active} are there`);
  // Once sales are over nobody is served: whoever is still there is on the way out.
  if (line.stirred || active > LEAVING_PER_TURN_MAX || state.lastAt >= closesAt(state)) return found;
  // What a calm line has left undone (hand-on.ts, N1).
  const room = roomOf(state);
  const next = line.nextOffer(terms.waitlistPolicy, room);
  if (next !== undefined) found.push(`${next.waiter.id} could be served and is not`);
  const lost = line.nextHopeless(room);
  if (lost !== undefined) found.push(`${lost.id} is hopeless and still waits`);
  return found;
}
