// The waitlist's part of a turn: whoever can be served is, from the seats the turn freed, in the same commit; and who
// can no longer be served is told so.
// N1: when a turn ends nothing is free that somebody eligible could be given.
// N2: a show that sells out sends 100,000 home: LEAVING_PER_TURN_MAX at a time, for each reason, and as many turns as it
//     takes, since the line stays stirred and `nextAt` is now. Meanwhile those who are hopeless keep nothing from
//     others; and while somebody is due to leave, or to be skipped, nobody is served.

import { SEAT_FREE, SEAT_HELD } from "../../shared/protocol/reply.ts";
import type { Room } from "../../waitlist/core/line.ts";
import { classesOf, type Waiter } from "../../waitlist/core/waiter.ts";
import { chooseSeats } from "./best-available.ts";
import type { OfferMade, ShowEvent } from "./event.ts";
import { priceOf } from "./place-hold.ts";
import { countIn, hasClass } from "./seat-classes.ts";
import { closesAt, type ShowState } from "./state.ts";

export const LEAVING_PER_TURN_MAX = 500;
export const SKIPS_PER_TURN_MAX = 2_000;

/** `apply` evolves the state by an event and records it. */
export function handOn(state: ShowState, at: number, apply: (event: ShowEvent) => void): void {
  const { line, terms } = state;
  if (line === undefined || !line.stirred) return;
  // Whoever is still here is on the way out.
  if (at >= closesAt(state)) return line.calm();
  if (line.isBehind(at)) return;
  const room = roomOf(state);
  let lost = line.nextHopeless(room);
  for (let leaving = 0; lost !== undefined && leaving < LEAVING_PER_TURN_MAX; leaving += 1) {
    apply({ kind: "WaiterLeft", waiterId: lost.id, status: "hopeless" });
    lost = line.nextHopeless(room);
  }
  for (;;) {
    const next = line.nextOffer(terms.waitlistPolicy, room);
    if (next === undefined) break;
    apply(offerMade(state, next.waiter, next.seats, at));
  }
  if (lost === undefined) line.calm();
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
  /** By classes: what is free and what is held changes while the line is served, what is either does not. */
  readonly #longest = new Map<number, number>();

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

  couldSeat({ categories, accessible, quantity }: Waiter): boolean {
    const classes = classesOf(categories, accessible);
    let longest = this.#longest.get(classes);
    if (longest === undefined) {
      longest = longestPossible(this.#state, classes);
      this.#longest.set(classes, longest);
    }
    return longest >= quantity;
  }
}

export const roomOf = (state: ShowState): Room => new SeatRoom(state);

/** Whether there are so many adjacent seats that are not sold or blocked. */
export const couldSeat = (
  state: ShowState,
  { categories, accessible, quantity }: Pick<Waiter, "categories" | "accessible" | "quantity">,
): boolean => longestPossible(state, classesOf(categories, accessible)) >= quantity;

/** The longest line of adjacent seats of these classes that are not sold or blocked. */
function longestPossible({ hall, seats }: ShowState, classes: number): number {
  let longest = 0;
  for (const run of hall.runs) {
    let length = 0;
    for (const seat of run.seats) {
      const status = seats[seat];
      const isPossible = (status === SEAT_FREE || status === SEAT_HELD) && hasClass(classes, hall.kind[seat] as number);
      length = isPossible ? length + 1 : 0;
      if (length > longest) longest = length;
    }
  }
  return longest;
}
