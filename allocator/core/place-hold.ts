// PlaceHold: all the seats asked for or none, for one session, for a limited time.
// Refusals come in the order of the specification; each counts only the seats this request could be given: all of
// them when it names seats, those of its category (accessible ones only when asked for) when it gives a number.

import { fail } from "../../shared/kernel/assert.ts";
import { bookingIdOf } from "../../shared/kernel/ids.ts";
import type { PlaceHold, SeatChoice } from "../../shared/protocol/command.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { chooseSeats } from "./best-available.ts";
import { accept, answer, type Decision, refuse, type TurnContext } from "./decision.ts";
import { assertSeats } from "./hall.ts";
import { priorOf, REUSED } from "./replay.ts";
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

  const free = countPool(state.free, choice);
  if (free + countPool(state.held, choice) < wanted) return refuse({ code: "show_full", free });
  // The waitlist's place in the order: an eligible waiter's claim refuses here with `waitlist_active`.
  if (free < wanted) return refuse({ code: "retry_held", free });

  const seats = choice.by === "seats" ? namedSeats(state, choice.seats, free) : numberOfSeats(state, choice, free);
  return Array.isArray(seats) ? place(state, command, seats, context.now) : (seats as Decision);
}

function replayed(state: ShowState, command: PlaceHold, prior: "same" | "reused" | "unknown"): Decision {
  const { operation } = command;
  if (prior === "unknown") {
    return { kind: "fetch", booking: bookingIdOf(state.showId, operation.id), operation: operation.id };
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

/** Sums per-class counts over the seats the request could be given. */
function countPool(counts: readonly number[], choice: SeatChoice): number {
  let sum = 0;
  for (let kind = 0; kind < counts.length; kind += 1) {
    if (choice.by === "quantity") {
      if (choice.category !== undefined && kind >> 1 !== choice.category) continue;
      if (!choice.accessible && (kind & 1) === 1) continue;
    }
    sum += counts[kind] as number;
  }
  return sum;
}

function namedSeats(state: ShowState, wanted: readonly number[], free: number): readonly number[] | Decision {
  const taken = wanted.filter((seat) => state.seats[seat] !== SEAT_FREE);
  if (taken.length > 0) return refuse({ code: "seats_taken", seats: taken, free });
  if (state.terms.singleGap === "reject") {
    const stranded = strandedSeat(state.hall, state.seats, wanted);
    if (stranded !== undefined) {
      return refuse({ code: "single_gap", stranded, block: nearestAllowedBlock(state.hall, state.seats, wanted) });
    }
  }
  return wanted;
}

function numberOfSeats(
  state: ShowState,
  choice: SeatChoice & { by: "quantity" },
  free: number,
): readonly number[] | Decision {
  return chooseSeats(state.hall, state.seats, choice) ?? refuse({ code: "no_contiguous_block", free });
}

function place(state: ShowState, command: PlaceHold, seats: readonly number[], now: number): Decision {
  const { terms, hall } = state;
  const id = bookingIdOf(state.showId, command.operation.id);
  let total = 0;
  for (const seat of seats) total += terms.prices[hall.category[seat] as number] as number;
  return accept(
    {
      kind: "HoldPlaced",
      id,
      session: command.session,
      seats,
      total,
      currency: terms.currency,
      expiresAt: now + terms.holdTtlMs,
      graceMs: terms.graceMs,
      lineMs: terms.holdTtlMs + terms.graceMs,
      requestHash: command.operation.requestHash,
    },
    id,
  );
}
