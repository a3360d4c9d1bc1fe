// One turn: settle what is due, decide, evolve. Synchronous and pure: ids and `now` arrive from outside.
// T1: turn time decides, not arrival: a confirm wins exactly if its turn comes before the deadline.
// T2: all events of a turn share one log sequence and one commit; a turn without events uses none.
// T3: seats freed are handed on in the same turn: see the waitlist's place below.
// T4: outages come first: nothing is settled before the deadlines have been moved by them.

import type { ShowCommand } from "./command.ts";
import { decide } from "./decide.ts";
import type { Decision, TurnContext } from "./decision.ts";
import type { ShowEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import type { ShowState } from "./state.ts";

export interface Turn {
  /** The turn's time: `now`, or the show's last recorded time when a clock went back. */
  readonly at: number;
  /** The log sequence of its events, when it has any. */
  readonly seq: number;
  /** In the order they were applied. */
  readonly events: readonly ShowEvent[];
  readonly decision: Decision;
}

const NOTHING: readonly ShowEvent[] = [];

/** Applies `command` to `state`. The caller commits `events` before anybody hears of the decision. */
export function takeTurn(state: ShowState, command: ShowCommand, context: TurnContext): Turn {
  const at = Math.max(context.now, state.lastAt);
  const seq = state.seq + 1;
  const isDue = state.deadlines.nextAt() <= at && command.kind !== "MoveDeadlines";
  const ended = isDue ? settleDue(state, seq, at) : NOTHING;
  const decision = decide(state, command, at === context.now ? context : { ...context, now: at });
  const decided = decision.kind === "accept" ? decision.events : NOTHING;
  for (const event of decided) evolve(state, event, seq, at);
  // The waitlist's place: whoever waits is served here from the seats the lines above freed, in this same commit.
  return { at, seq, events: ended.length === 0 ? decided : [...ended, ...decided], decision };
}

/** Ends everything whose deadline is not after `at`, earliest first. */
function settleDue(state: ShowState, seq: number, at: number): ShowEvent[] {
  const events: ShowEvent[] = [];
  for (let due = state.deadlines.next(); due !== undefined && due.at <= at; due = state.deadlines.next()) {
    const event: ShowEvent =
      due.kind === "paying" ? { kind: "PaymentAbandoned", id: due.id } : { kind: "HoldExpired", id: due.id };
    evolve(state, event, seq, at);
    events.push(event);
  }
  return events;
}
