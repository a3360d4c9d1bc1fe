// The waitlist's part of a turn: whoever can be served is, from the seats the turn freed, in the same commit; and who
// can no longer be served is told so.
// N1: when a turn ends nothing is free that somebody eligible could be given.
// N2: at most LEAVING_PER_TURN_MAX leave in a turn by themselves: a show that sells out sends 100,000 home. The line
//     stays stirred, so that `nextAt` is now and the next turn goes on.

import { SEAT_FREE, SEAT_HELD } from "../../shared/protocol/reply.ts";
import type { Room } from "../../waitlist/core/line.ts";
import { classesOf, type Waiter } from "../../waitlist/core/waiter.ts";
import { chooseSeats } from "./best-available.ts";
import type { OfferMade, ShowEvent } from "./event.ts";
import { priceOf } from "./place-hold.ts";
import { countIn, hasClass } from "./seat-classes.ts";
import { closesAt, type ShowState } from "./state.ts";

export const LEAVING_PER_TURN_MAX = 500;

/** `apply` evolves the state by an event and records it. */
export function handOn(state: ShowState, at: number, apply: (event: ShowEvent) => void): void {
  const { line, terms } = state;
  if (line === undefined || !line.stirred) return;
  // Whoever is still here is on the way out.
  if (at >= closesAt(state)) return line.calm();
  const room = roomOf(state);
  let leaving = 0;
  for (let lost = line.nextHopeless(room); lost !== undefined; lost = line.nextHopeless(room)) {
    if (leaving === LEAVING_PER_TURN_MAX) return;
    leaving += 1;
    apply({ kind: "WaiterLeft", waiterId: lost.id, status: "hopeless" });
  }
  for (;;) {
    const next = line.nextOffer(terms.waitlistPolicy, room);
    if (next === undefined) break;
    apply(offerMade(state, next.waiter, next.seats, at));
  }
  line.calm();
}

function offerMade(state: ShowState, waiter: Waiter, seats: readonly number[], at: number): OfferMade {
  const { terms } = state;
  return {
    kind: "OfferMade",
    waiterId: waiter.id,
    seats,
    total: priceOf(state, seats),
    currency: terms.currency,
    expiresAt: at + terms.offerTtlMs,
    graceMs: terms.graceMs,
    lineMs: terms.offerTtlMs + terms.graceMs,
  };
}

/** What the line may ask about the seats. A class: four closures for every turn of a waited-for show cost a fifth of it. */
class SeatRoom implements Room {
  readonly #state: ShowState;

  constructor(state: ShowState) {
    this.#state = state;
  }

  freeOf(classes: number): number {
    return countIn(this.#state.free, classes);
  }

  potentialOf(classes: number): number {
    return countIn(this.#state.free, classes) + countIn(this.#state.held, classes);
  }

  choose({ quantity, accessible, contiguous }: Waiter, classes: number): readonly number[] | undefined {
    return chooseSeats(this.#state.hall, this.#state.seats, { quantity, classes, accessible, contiguous });
  }

  couldSeat(waiter: Waiter): boolean {
    return couldSeat(this.#state, waiter);
  }
}

export const roomOf = (state: ShowState): Room => new SeatRoom(state);

/** Whether there are so many adjacent seats that are not sold or blocked. */
export function couldSeat(
  { hall, seats }: ShowState,
  { categories, accessible, quantity }: Pick<Waiter, "categories" | "accessible" | "quantity">,
): boolean {
  const classes = classesOf(categories, accessible);
  for (const run of hall.runs) {
    let length = 0;
    for (const seat of run.seats) {
      const status = seats[seat];
      const isPossible = (status === SEAT_FREE || status === SEAT_HELD) && hasClass(classes, hall.kind[seat] as number);
      length = isPossible ? length + 1 : 0;
      if (length === quantity) return true;
    }
  }
  return false;
}
