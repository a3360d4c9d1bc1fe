// JoinWaitlist, ReadWaiter, LowerWaiter, LeaveWaitlist, DeclineOffer: what a session may do about its place in the line.
// Taking an offer up is accept-offer.ts; who is served when is hand-on.ts.

import { fail } from "../../shared/kernel/assert.ts";
import { waiterIdOf } from "../../shared/kernel/ids.ts";
import type {
  DeclineOffer,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  ReadWaiter,
} from "../../shared/protocol/command.ts";
import type { Refusal } from "../../shared/protocol/reply.ts";
import { SEATS_PER_SESSION_MAX } from "../../shared/protocol/terms.ts";
import { classesOf, isWaiting, WAITER_TTL_MS, type Waiter } from "../../waitlist/core/waiter.ts";
import { chooseSeats } from "./best-available.ts";
import { acceptWaiter, answerWaiter, type Decision, fetch, refuse, type TurnContext } from "./decision.ts";
import { couldSeat } from "./hand-on.ts";
import { findWaiter, isDecision, priorOf, REUSED } from "./replay.ts";
import { countIn } from "./seat-classes.ts";
import { closesAt, type ShowState, waiterOf } from "./state.ts";

export function decideJoinWaitlist(state: ShowState, command: JoinWaitlist, context: TurnContext): Decision {
  const { operation } = command;
  const prior = priorOf(state, operation, context);
  if (prior === "unknown") {
    return fetch({ waiter: waiterIdOf(state.showId, operation.id), operation: operation.id });
  }
  if (prior !== "new") {
    const waiter = waiterOf(state, operation.id);
    return prior === "same" && waiter !== undefined ? answerWaiter(waiter, true) : REUSED;
  }
  assertValid(state, command);
  const refusal = refusalOfJoin(state, command, context.now);
  if (refusal !== undefined) return refuse(refusal);
  const waiterId = waiterIdOf(state.showId, operation.id);
  const { session, quantity, categories, accessible, contiguous } = command;
  const { requestHash } = operation;
  const expiresAt = context.now + WAITER_TTL_MS;
  return acceptWaiter(
    { kind: "WaiterJoined", waiterId, session, quantity, categories, accessible, contiguous, expiresAt, requestHash },
    waiterId,
  );
}

/** The gateway refuses these by field; here they are a caller's bug. */
function assertValid({ hall }: ShowState, { quantity, categories }: JoinWaitlist): void {
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > SEATS_PER_SESSION_MAX) fail(`quantity ${quantity}`);
  const isKnown = categories.every(
    (category, i) => hall.categories[category] !== undefined && (i === 0 || (categories[i - 1] as number) < category),
  );
  if (categories.length === 0 || !isKnown) fail(`categories ${categories.join()}`);
}

function refusalOfJoin(state: ShowState, command: JoinWaitlist, now: number): Refusal | undefined {
  const { session, quantity, categories, accessible, contiguous } = command;
  if (now >= closesAt(state)) return { code: "sales_closed" };
  // Admission comes with the waiting room; until then a gated show admits nobody.
  if (state.terms.gated) return { code: "not_admitted" };
  const own = state.line?.ofSession(session);
  if (own !== undefined) return { code: "already_waiting", waiterId: own.id };
  const held = state.sessionSeats.get(session) ?? 0;
  if (held + quantity > SEATS_PER_SESSION_MAX) return { code: "hold_limit", held };
  const pool = classesOf(categories, accessible);
  const open = pool & ~(state.line?.claimed ?? 0);
  const free = countIn(state.free, open);
  const possible = countIn(state.free, pool) + countIn(state.held, pool);
  if (possible < quantity || (contiguous && !couldSeat(state, command))) return { code: "show_full", free };
  const wish = { quantity, classes: open, accessible, contiguous };
  if (free >= quantity && (!contiguous || chooseSeats(state.hall, state.seats, wish) !== undefined)) {
    return { code: "seats_available", free };
  }
  if (state.line?.hasRoomFor({ classes: pool, quantity, contiguous }) === false) return { code: "waitlist_full" };
  return undefined;
}

export function decideReadWaiter(state: ShowState, command: ReadWaiter, context: TurnContext): Decision {
  const waiter = findWaiter(state, command, context);
  return isDecision(waiter) ? waiter : answerWaiter(waiter, false);
}

/** What an earlier use of the key decides, for commands about a waiter of the session. */
function beforeDeciding(
  state: ShowState,
  command: LowerWaiter | LeaveWaitlist | DeclineOffer,
  context: TurnContext,
): Waiter | Decision {
  const waiter = findWaiter(state, command, context);
  if (isDecision(waiter)) return waiter;
  const prior = priorOf(state, command.operation, context);
  if (prior === "unknown") return fetch({ waiter: command.waiterId, operation: command.operation.id });
  if (prior === "reused") return REUSED;
  return prior === "same" ? answerWaiter(waiter, true) : waiter;
}

export function decideLowerWaiter(state: ShowState, command: LowerWaiter, context: TurnContext): Decision {
  const waiter = beforeDeciding(state, command, context);
  if (isDecision(waiter)) return waiter;
  const { quantity, operation } = command;
  if (!Number.isInteger(quantity) || quantity < 1) fail(`quantity ${quantity}`);
  if (waiter.status === "offered") return refuse({ code: "offer_open" });
  if (waiter.status !== "waiting") return refuse({ code: "waiter_finished", status: waiter.status });
  if (quantity > waiter.quantity) return refuse({ code: "quantity_not_lower", quantity: waiter.quantity });
  if (quantity === waiter.quantity) return answerWaiter(waiter, false);
  const { id, requestHash } = operation;
  return acceptWaiter({ kind: "WaiterLowered", waiterId: waiter.id, quantity, operation: id, requestHash }, waiter.id);
}

export function decideLeaveWaitlist(state: ShowState, command: LeaveWaitlist, context: TurnContext): Decision {
  const waiter = beforeDeciding(state, command, context);
  if (isDecision(waiter)) return waiter;
  if (!isWaiting(waiter)) return answerWaiter(waiter, true);
  const { id: operation, requestHash } = command.operation;
  return acceptWaiter(
    { kind: "WaiterLeft", waiterId: waiter.id, status: "cancelled", operation, requestHash },
    waiter.id,
  );
}

export function decideDeclineOffer(state: ShowState, command: DeclineOffer, context: TurnContext): Decision {
  const waiter = beforeDeciding(state, command, context);
  if (isDecision(waiter)) return waiter;
  if (waiter.status === "waiting") return refuse({ code: "no_offer" });
  if (waiter.status === "declined") return answerWaiter(waiter, true);
  const { offer } = waiter;
  if (offer === undefined) return refuse({ code: "offer_lapsed", status: waiter.status, holdId: waiter.holdId });
  // It is due, and not settled yet: a turn ends a bounded number of entries.
  if (context.now >= offer.expiresAt + offer.graceMs) {
    return refuse({ code: "offer_lapsed", status: "lapsed", holdId: undefined });
  }
  const { id: operation, requestHash } = command.operation;
  return acceptWaiter({ kind: "OfferDeclined", waiterId: waiter.id, operation, requestHash }, waiter.id);
}
