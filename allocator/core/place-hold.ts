// PlaceHold: all the seats asked for or none, for one session, for a limited time.
// Refusals come in the order of the specification; each counts only the seats this request could be given: all of
// them when it names seats, those of its category (accessible ones only when asked for) when it gives a number. What is
// free to it is what is free and not claimed by waiters.

import { fail } from "../../shared/kernel/assert.ts";
import { bookingIdOf } from "../../shared/kernel/ids.ts";
import type { PlaceHold, SeatChoice } from "../../shared/protocol/command.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { chooseSeats } from "./best-available.ts";
import { accept, answer, type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import type { HoldPlaced } from "./event.ts";
import { assertSeats } from "./hall.ts";
import { priorOf, REUSED } from "./replay.ts";
import { ALL_CLASSES, countIn, hasClass, poolOf } from "./seat-classes.ts";
import { nearestAllowedBlock, strandedSeat } from "./single-gap.ts";
import { bookingOf, type ShowState } from "./state.ts";

export function decidePlaceHold(state: ShowState, command: PlaceHold, context: TurnContext): Decision {
  const { choice, operation, session } = command;
  const prior = priorOf(state, operation, context);
  if (prior !== "new") return replayed(state, command, prior);
  const wanted = quantityOf(choice);
  assertValid(state, choice, wanted);

  if (state.terms.cancelled || context.now >= state.terms.salesCutoffAt) return refuse({ code: "sales_closed" });
  // Admission comes with the waiting room; until then a gated show admits nobody.
  if (state.terms.gated) return refuse({ code: "not_admitted" });
  const held = state.sessionSeats.get(session) ?? 0;
  if (held + wanted > SEATS_PER_SESSION_MAX) return refuse({ code: "hold_limit", held });

  const pool = choice.by === "seats" ? ALL_CLASSES : poolOf(choice.category, choice.accessible);
  if (countIn(state.free, pool) + countIn(state.held, pool) < wanted) {
    return refuse({ code: "show_full", free: countIn(state.free, pool) });
  }
  const claimed = state.line?.claimed ?? 0;
  const open = pool & ~claimed;
  const free = countIn(state.free, open);
  if (claimed !== 0 && meetsClaim(state, choice, { claimed, pool, free })) {
    return refuse({ code: "waitlist_active", free });
  }
  if (free < wanted) return refuse({ code: "retry_held", free });

  const seats =
    choice.by === "seats" ? namedSeats(state, choice.seats, free) : numberOfSeats(state, choice, { open, free });
  return Array.isArray(seats) ? acceptHold(state, command, seats, context.now) : (seats as Decision);
}

/** Nobody barges: what waiters claim is not there for others, and who needs it is told to join. */
function meetsClaim(
  { hall }: ShowState,
  choice: SeatChoice,
  { claimed, pool, free }: { claimed: number; pool: number; free: number },
): boolean {
  if (choice.by === "seats") return choice.seats.some((seat) => hasClass(claimed, hall.kind[seat] as number));
  // A class can be claimed that has no seat in this hall: the ordinary ones of a category that is all accessible.
  return free < choice.quantity && hall.kind.some((kind) => hasClass(pool & claimed, kind));
}

function replayed(state: ShowState, command: PlaceHold, prior: "same" | "reused" | "unknown"): Decision {
  const { operation } = command;
  if (prior === "unknown") {
    return fetch({ booking: bookingIdOf(state.showId, operation.id), operation: operation.id });
  }
  const booking = bookingOf(state, operation.id);
  return prior === "same" && booking !== undefined ? answer(booking, true) : REUSED;
}

const quantityOf = (choice: SeatChoice): number => (choice.by === "seats" ? choice.seats.length : choice.quantity);

/** The gateway refuses these by field; here they are a caller's bug. */
function assertValid(state: ShowState, choice: SeatChoice, wanted: number): void {
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > SEATS_PER_SESSION_MAX) fail(`quantity ${wanted}`);
  if (choice.by === "quantity") {
    const { category } = choice;
    if (category !== undefined && state.hall.categories[category] === undefined) fail(`category ${category}`);
    return;
  }
  assertSeats(state.hall, choice.seats);
}

function namedSeats(state: ShowState, wanted: readonly number[], free: number): readonly number[] | Decision {
  const taken = wanted.filter((seat) => state.seats[seat] !== SEAT_FREE);
  if (taken.length > 0) return refuse({ code: "seats_taken", seats: taken, free });
  return singleGapIn(state, state.seats, wanted) ?? wanted;
}

/** The refusal of seats by label that would strand one, where the show refuses that. `seats`: the map to judge by. */
export function singleGapIn(
  { hall, terms }: ShowState,
  seats: Uint8Array,
  wanted: readonly number[],
): Decision | undefined {
  if (terms.singleGap !== "reject") return undefined;
  const stranded = strandedSeat(hall, seats, wanted);
  if (stranded === undefined) return undefined;
  return refuse({ code: "single_gap", stranded, block: nearestAllowedBlock(hall, seats, wanted) });
}

function numberOfSeats(
  state: ShowState,
  { quantity, accessible, contiguous }: SeatChoice & { by: "quantity" },
  { open, free }: { open: number; free: number },
): readonly number[] | Decision {
  const wish = { quantity, classes: open, accessible, contiguous };
  return chooseSeats(state.hall, state.seats, wish) ?? refuse({ code: "no_contiguous_block", free });
}

function acceptHold(state: ShowState, command: PlaceHold, seats: readonly number[], now: number): Decision {
  const event = holdPlaced(state, command, seats, now);
  return accept(event, event.id);
}

/** A fresh hold of the command's session. */
export function holdPlaced(
  state: ShowState,
  { session, operation }: Pick<PlaceHold, "session" | "operation">,
  seats: readonly number[],
  now: number,
): HoldPlaced {
  const { terms } = state;
  return {
    kind: "HoldPlaced",
    id: bookingIdOf(state.showId, operation.id),
    session,
    seats,
    total: priceOf(state, seats),
    currency: terms.currency,
    expiresAt: now + terms.holdTtlMs,
    graceMs: terms.graceMs,
    lineMs: terms.holdTtlMs + terms.graceMs,
    requestHash: operation.requestHash,
  };
}

/** In minor units, by the show's present prices. */
export function priceOf({ terms, hall }: ShowState, seats: readonly number[]): number {
  let total = 0;
  for (const seat of seats) total += terms.prices[hall.category[seat] as number] as number;
  return total;
}
