// BlockSeats and UnblockSeats: seats taken out of sale and back. All or none; seats already as wished stay.

import type { BlockSeats, UnblockSeats } from "../../shared/protocol/command.ts";
import { SEAT_BLOCKED, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import { accept, type Decision, DONE, fetch, refuse, type TurnContext } from "./decision.ts";
import { assertSeats } from "./hall.ts";
import { priorOf, REUSED } from "./replay.ts";
import { isBlocked, type ShowState } from "./state.ts";

export function decideBlocking(state: ShowState, command: BlockSeats | UnblockSeats, context: TurnContext): Decision {
  const { id: operation, requestHash } = command.operation;
  const prior = priorOf(state, command.operation, context);
  if (prior === "unknown") return fetch({ operation });
  if (prior === "reused") return REUSED;
  if (prior === "same") return DONE;
  assertSeats(state.hall, command.seats);
  if (command.kind === "UnblockSeats") {
    const seats = command.seats.filter((seat) => isBlocked(state, seat));
    return seats.length === 0 ? DONE : accept({ kind: "SeatsUnblocked", seats, operation, requestHash });
  }
  const taken = command.seats.filter((seat) => state.seats[seat] === SEAT_HELD || state.seats[seat] === SEAT_SOLD);
  if (taken.length > 0) {
    return refuse({ code: "seats_taken", seats: taken, free: state.free.reduce((sum, count) => sum + count, 0) });
  }
  const seats = command.seats.filter((seat) => state.seats[seat] !== SEAT_BLOCKED);
  return seats.length === 0 ? DONE : accept({ kind: "SeatsBlocked", seats, operation, requestHash });
}
