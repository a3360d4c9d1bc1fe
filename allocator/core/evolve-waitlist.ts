// What the waitlist's events do to a show: the part of `evolve` that writes the line.

import { assertNever, fail } from "../../shared/kernel/assert.ts";
import type { WaiterId } from "../../shared/kernel/ids.ts";
import { SEAT_FREE, SEAT_HELD } from "../../shared/protocol/reply.ts";
import type { Line } from "../../waitlist/core/line.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type {
  OfferAccepted,
  OfferDeclined,
  OfferLapsed,
  OfferMade,
  WaiterJoined,
  WaiterLeft,
  WaiterLowered,
} from "./event.ts";
import { remember } from "./remember.ts";
import { addSessionSeats, enlistWaiter, freeSeats, moveSeats, type ShowState } from "./state.ts";

export type WaitlistEvent =
  | WaiterJoined
  | WaiterLowered
  | WaiterLeft
  | OfferMade
  | OfferAccepted
  | OfferDeclined
  | OfferLapsed;

export function evolveWaitlist(state: ShowState, event: WaitlistEvent): void {
  if (event.kind === "WaiterJoined") return join(state, event);
  const line = state.line ?? fail(`show ${state.showId}: ${event.kind} without a line`);
  const waiter = known(state, line, event.waiterId);
  switch (event.kind) {
    case "WaiterLowered":
      addSessionSeats(state, waiter.session, event.quantity - waiter.quantity);
      line.lower(waiter, event.quantity);
      return remember(state, event.operation, event.requestHash, waiter.id);
    case "WaiterLeft":
      if (event.operation !== undefined) remember(state, event.operation, event.requestHash ?? 0, waiter.id);
      return finish(state, line, waiter, event.status);
    case "OfferMade":
      return offer(state, line, waiter, event);
    case "OfferAccepted":
      finish(state, line, waiter, "accepted");
      waiter.holdId = event.holdId;
      return;
    case "OfferDeclined":
      remember(state, event.operation, event.requestHash, waiter.id);
      return finish(state, line, waiter, "declined");
    case "OfferLapsed":
      return finish(state, line, waiter, "lapsed");
    default:
      return assertNever(event);
  }
}

function known(state: ShowState, line: Line, id: WaiterId): Waiter {
  const waiter = line.get(id) ?? fail(`show ${state.showId}: event about an unknown waiter ${id}`);
  waiter.version = state.seq;
  return waiter;
}

function join(state: ShowState, event: WaiterJoined): void {
  if (state.line?.get(event.waiterId) !== undefined) fail(`waiter ${event.waiterId} joined twice`);
  enlistWaiter(
    state,
    {
      id: event.waiterId,
      session: event.session,
      place: state.seq,
      quantity: event.quantity,
      categories: event.categories,
      accessible: event.accessible,
      contiguous: event.contiguous,
      status: "waiting",
      version: state.seq,
      joinedAt: state.lastAt,
      expiresAt: event.expiresAt,
      endedAt: undefined,
      requestHash: event.requestHash,
      offer: undefined,
      holdId: undefined,
    },
    state.lastAt,
  );
}

function offer(state: ShowState, line: Line, waiter: Waiter, event: OfferMade): void {
  if (waiter.status !== "waiting") fail(`waiter ${waiter.id} is ${waiter.status}, not waiting`);
  const { seats, total, currency, expiresAt, graceMs, lineMs } = event;
  if (seats.length !== waiter.quantity) fail(`waiter ${waiter.id} waits for ${waiter.quantity}, not ${seats.length}`);
  moveSeats(state, seats, SEAT_FREE, SEAT_HELD);
  line.offer(waiter, { seats, total, currency, expiresAt, graceMs, lineMs });
}

/** Ends an active entry; an open offer's seats are free again. */
function finish(state: ShowState, line: Line, waiter: Waiter, status: Waiter["status"]): void {
  if (waiter.status !== "waiting" && waiter.status !== "offered") fail(`waiter ${waiter.id} is ${waiter.status}`);
  const { offer: open } = waiter;
  // Those of an offer that was taken up are held again in the same turn: nothing was released.
  if (open !== undefined && status === "accepted") moveSeats(state, open.seats, SEAT_HELD, SEAT_FREE);
  else if (open !== undefined) freeSeats(state, open.seats, SEAT_HELD);
  addSessionSeats(state, waiter.session, -waiter.quantity);
  line.finish(waiter, status, state.lastAt);
}
