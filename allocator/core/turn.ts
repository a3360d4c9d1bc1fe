// One turn: settle what is due, decide, evolve. Synchronous and pure: ids and `now` arrive from outside.
// T1: turn time decides, not arrival: a confirm wins exactly if its turn comes before the deadline.
// T2: all events of a turn share one log sequence and one commit; a turn without events uses none.
// T3: seats freed are handed on in the same turn (hand-on.ts): what is due is settled and handed on before the command is
//     decided, so that it meets the truth; what the command freed, after it.
// T4: outages come first, and terms that changed while nobody owned the show: nothing is settled before.

import type { ShowCommand } from "./command.ts";
import { decide } from "./decide.ts";
import type { Decision, TurnContext } from "./decision.ts";
import { nextAt } from "./due.ts";
import type { ShowEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import { handOn, LEAVING_PER_TURN_MAX, SKIPS_PER_TURN_MAX } from "./hand-on.ts";
import { closesAt, type ShowState } from "./state.ts";

export interface Turn {
  /** The turn's time: `now`, or the show's last recorded time when a clock went back. */
  readonly at: number;
  /** The log sequence of its events, when it has any. */
  readonly seq: number;
  /** In the order they were applied. */
  readonly events: readonly ShowEvent[];
  readonly decision: Decision;
}

/** Applies `command` to `state`. The caller commits `events` before anybody hears of the decision. */
export function takeTurn(state: ShowState, command: ShowCommand, context: TurnContext): Turn {
  const at = Math.max(context.now, state.lastAt);
  const seq = state.seq + 1;
  const events: ShowEvent[] = [];
  const isSettling = !comesFirst(command);
  if (isSettling && nextAt(state) <= at) settleDue(state, seq, at, events);
  if (isSettling && state.line !== undefined) {
    notePresence(state, command, at);
    serveLine(state, seq, at, events);
  }
  const decision = decide(state, command, at === context.now ? context : { ...context, now: at });
  if (decision.kind === "accept") {
    for (const event of decision.events) happen(state, event, seq, at);
    // Mostly nothing else happened: then its list is the turn's, and no second one is made.
    if (events.length === 0 && state.line === undefined) return { at, seq, events: decision.events, decision };
    events.push(...decision.events);
    if (isSettling && state.line !== undefined) serveLine(state, seq, at, events);
  }
  return { at, seq, events, decision };
}

/** What must be recorded before anything is settled (T4). */
const comesFirst = (command: ShowCommand): boolean =>
  command.kind === "MoveDeadlines" || (command.kind === "ChangeTerms" && command.atLoad === true);

/** Whoever asks about its entry is there; one that was skipped is put back by the very turn of its poll. */
function notePresence({ line }: ShowState, command: ShowCommand, at: number): void {
  if (line === undefined || !("waiterId" in command)) return;
  const waiter = line.get(command.waiterId);
  if (waiter !== undefined && waiter.session === command.session) line.see(waiter, at);
}

function serveLine(state: ShowState, seq: number, at: number, events: ShowEvent[]): void {
  handOn(state, at, (event) => apply(state, event, seq, at, events));
}

function apply(state: ShowState, event: ShowEvent, seq: number, at: number, events: ShowEvent[]): void {
  happen(state, event, seq, at);
  events.push(event);
}

function happen(state: ShowState, event: ShowEvent, seq: number, at: number): void {
  evolve(state, event, seq, at);
  state.line?.stir();
}

/** Ends everything whose deadline is not after `at`, earliest first. */
function settleDue(state: ShowState, seq: number, at: number, events: ShowEvent[]): void {
  for (let due = state.deadlines.next(); due !== undefined && due.at <= at; due = state.deadlines.next()) {
    const event: ShowEvent =
      due.kind === "paying" ? { kind: "PaymentAbandoned", id: due.id } : { kind: "HoldExpired", id: due.id };
    apply(state, event, seq, at, events);
  }
  settleLine(state, seq, at, events);
}

/** Of the line too, a bounded number; the next turn goes on with the rest (hand-on.ts, N2). */
function settleLine(state: ShowState, seq: number, at: number, events: ShowEvent[]): void {
  const { line } = state;
  if (line === undefined) return;
  line.skipUnseen(at, SKIPS_PER_TURN_MAX);
  const until = closesAt(state);
  for (let leaving = 0; leaving < LEAVING_PER_TURN_MAX; leaving += 1) {
    const due = line.due(at, until);
    if (due === undefined) return;
    const waiterId = due.waiter.id;
    const event: ShowEvent =
      due.kind === "offer" ? { kind: "OfferLapsed", waiterId } : { kind: "WaiterLeft", waiterId, status: due.kind };
    apply(state, event, seq, at, events);
  }
}
