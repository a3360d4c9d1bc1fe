// AcceptOffer: an offer becomes a hold with a fresh deadline, of the offered seats or of others instead.
// A swap takes exactly as many seats, of the waiter's categories, each free to it or among its own offered ones; all or
// none, and a refusal leaves the offer standing. Free to it is what nobody with an earlier place claims: it was its turn
// when it was offered, so later waiters' claims do not bind it; under `first_fit` earlier ones do not either.

import { bookingIdOf } from "../../shared/kernel/ids.ts";
import type { AcceptOffer } from "../../shared/protocol/command.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { Offer, Waiter } from "../../waitlist/core/waiter.ts";
import { answer, type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import type { HoldPlaced } from "./event.ts";
import { assertSeats } from "./hall.ts";
import { holdPlaced, singleGapIn } from "./place-hold.ts";
import { findWaiter, isDecision, priorOf, REUSED } from "./replay.ts";
import { ALL_CLASSES, countIn, hasClass } from "./seat-classes.ts";
import { bookingOf, closesAt, type ShowState } from "./state.ts";

export function decideAcceptOffer(state: ShowState, command: AcceptOffer, context: TurnContext): Decision {
  const { operation, waiterId } = command;
  const waiter = findWaiter(state, command, context);
  if (isDecision(waiter)) return waiter;
  const prior = priorOf(state, operation, context);
  if (prior === "unknown") {
    return fetch({ booking: bookingIdOf(state.showId, operation.id), waiter: waiterId, operation: operation.id });
  }
  if (prior !== "new") {
    const booking = bookingOf(state, operation.id);
    return prior === "same" && booking !== undefined ? answer(booking, true) : REUSED;
  }
  const { offer, status } = waiter;
  if (status === "waiting") return refuse({ code: "no_offer" });
  // What is due may not be settled yet, here and below: a turn ends a bounded number of entries.
  if (offer !== undefined && context.now >= closesAt(state)) return refuse({ code: "sales_closed" });
  if (offer === undefined || context.now >= offer.expiresAt + offer.graceMs) {
    return refuse({ code: "offer_lapsed", status: offer === undefined ? status : "lapsed", holdId: waiter.holdId });
  }
  const seats = command.seats ?? offer.seats;
  const refusal = isSame(seats, offer.seats) ? undefined : refusalOfSwap(state, waiter, offer, seats);
  return refusal ?? take(command, holdOf(state, command, { offer, seats, now: context.now }));
}

const isSame = (seats: readonly number[], offered: readonly number[]): boolean =>
  seats.length === offered.length && seats.every((seat) => offered.includes(seat));

/** The price that was offered stands, whatever the catalogue says by now; other seats cost what they cost. */
function holdOf(
  state: ShowState,
  command: AcceptOffer,
  { offer, seats, now }: { offer: Offer; seats: readonly number[]; now: number },
): HoldPlaced {
  if (!isSame(seats, offer.seats)) return holdPlaced(state, command, seats, now);
  const { total, currency } = offer;
  return { ...holdPlaced(state, command, offer.seats, now), total, currency };
}

function take({ waiterId }: AcceptOffer, hold: HoldPlaced): Decision {
  const accepted = { kind: "OfferAccepted", waiterId, holdId: hold.id } as const;
  return { kind: "accept", events: [accepted, hold], about: hold.id, waiter: undefined };
}

function refusalOfSwap(state: ShowState, waiter: Waiter, offer: Offer, seats: readonly number[]): Decision | undefined {
  const { hall, line, terms, free } = state;
  assertSeats(hall, seats);
  const foreign = seats.filter((seat) => !waiter.categories.includes(hall.category[seat] as number));
  if (seats.length !== waiter.quantity || foreign.length > 0) {
    return refuse({ code: "wrong_swap", quantity: waiter.quantity, seats: foreign });
  }
  const others = seats.filter((seat) => !offer.seats.includes(seat));
  const claimed = terms.waitlistPolicy === "strict" ? (line?.claimedBefore(waiter) ?? 0) : 0;
  const open = countIn(free, ALL_CLASSES & ~claimed);
  if (others.some((seat) => hasClass(claimed, hall.kind[seat] as number))) {
    return refuse({ code: "waitlist_active", free: open });
  }
  const taken = others.filter((seat) => state.seats[seat] !== SEAT_FREE);
  if (taken.length > 0) return refuse({ code: "seats_taken", seats: taken, free: open });
  return singleGapIn(state, withoutOffer(state.seats, offer), seats);
}

/** The seat map as it is once the offer is taken up: its own seats are free to it. */
function withoutOffer(seats: Uint8Array, offer: Offer): Uint8Array {
  const map = Uint8Array.from(seats);
  for (const seat of offer.seats) map[seat] = SEAT_FREE;
  return map;
}
