// given(events).when(command, now).then…(events | refusal): how the core's rules are written down.
// Every `then` also checks the state that is left: its invariants hold, and a replay of all events leads to the same.

import type { ShowCommand } from "../../allocator/core/command.ts";
import type { Decision, Rules } from "../../allocator/core/decision.ts";
import type { HoldPlaced, PaymentBegun, ShowEvent } from "../../allocator/core/event.ts";
import { evolve } from "../../allocator/core/evolve.ts";
import type { Hall } from "../../allocator/core/hall.ts";
import { violations } from "../../allocator/core/invariants.ts";
import { newShow, type ShowState } from "../../allocator/core/state.ts";
import { type Turn, takeTurn } from "../../allocator/core/turn.ts";
import {
  type BookingId,
  bookingIdOf,
  type OperationId,
  type SessionId,
  type ShowId,
  type WaiterId,
  waiterIdOf,
} from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { BookingStatus, Refusal, WaiterStatus } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { drawnHall } from "./drawn-hall.ts";
import { imageOf } from "./state-image.ts";

export const SHOW = "show-1" as ShowId;
/** When everything begins that does not say otherwise. */
export const T0 = 1_800_000_000_000;
export const TTL = 300_000;
export const GRACE = 5_000;
export const PAY_TTL = 120_000;

export const RULES: Rules = {
  payTtlMs: PAY_TTL,
  releaseOnDecline: true,
  cancelUntilMs: 3_600_000,
  instantPayments: false,
};

export const TERMS: ShowTerms = {
  prices: [1_000, 2_000, 3_000],
  currency: "EUR",
  startsAt: T0 + 86_400_000,
  salesCutoffAt: T0 + 86_000_000,
  holdTtlMs: TTL,
  graceMs: GRACE,
  offerTtlMs: 120_000,
  waitlistPolicy: "strict",
  singleGap: "allow",
  gated: false,
  cancelled: false,
};

export const session = (name: string): SessionId => name as SessionId;
export const operationId = (key: string): OperationId => key.padEnd(22, "-") as OperationId;
export const operation = (key: string, requestHash = 1): Operation => ({ id: operationId(key), requestHash });
/** The booking that the hold with this key became. */
export const booking = (key: string): BookingId => bookingIdOf(SHOW, operationId(key));

/** The waiter that the join with this key became. */
export const waiter = (key: string): WaiterId => waiterIdOf(SHOW, operationId(key));

export const placed = (
  key: string,
  by: string,
  seats: readonly number[],
  more: Partial<HoldPlaced> = {},
): HoldPlaced => ({
  kind: "HoldPlaced",
  id: booking(key),
  session: session(by),
  seats,
  total: 1_000 * seats.length,
  currency: "EUR",
  expiresAt: T0 + TTL,
  graceMs: GRACE,
  lineMs: TTL + GRACE,
  requestHash: 1,
  ...more,
});

/** Begun at T0. */
export const begun = (hold: string, key: string, more: Partial<PaymentBegun> = {}): PaymentBegun => ({
  kind: "PaymentBegun",
  id: booking(hold),
  attempt: 1,
  paymentToken: "pm_card_visa",
  deadlineAt: T0 + PAY_TTL,
  begunAt: T0,
  lineMs: PAY_TTL,
  operation: operationId(key),
  requestHash: 1,
  ...more,
});

/** Events of one turn at a time other than T0. */
export interface Past {
  readonly at: number;
  readonly events: readonly ShowEvent[];
}
export const at = (time: number, ...events: readonly ShowEvent[]): Past => ({ at: time, events });

interface Circumstances {
  readonly rules?: Partial<Rules>;
  readonly paymentsAvailable?: boolean;
  readonly looked?: boolean;
}

/** As much of tap's `t` as is used here. */
interface Test {
  strictSame(found: unknown, wanted: unknown, message: string): unknown;
}

export interface Stage {
  readonly hall?: Hall;
  readonly terms?: Partial<ShowTerms>;
  /** Rows gone cold: bookings and operations taken out of the state before the turn. */
  readonly cold?: readonly string[];
}

/** A show with this past. Events that do not say when happened at T0. */
export function given(...past: readonly (ShowEvent | Past)[]): Given {
  return new Given({}, past);
}

/** The same on a stage of one's own. */
export const on = (stage: Stage) => ({ given: (...past: readonly (ShowEvent | Past)[]) => new Given(stage, past) });

/** 3 rows of 10, one price. */
export const plainHall = (): Hall => drawnHall("aaaaaaaaaa", "aaaaaaaaaa", "aaaaaaaaaa");

class Given {
  readonly #stage: Stage;
  readonly #past: readonly (ShowEvent | Past)[];

  constructor(stage: Stage, past: readonly (ShowEvent | Past)[]) {
    this.#stage = stage;
    this.#past = past;
  }

  state(): ShowState {
    const hall = this.#stage.hall ?? plainHall();
    const terms = { ...TERMS, ...this.#stage.terms };
    const state = newShow(SHOW, hall, terms);
    const opened: ShowEvent = { kind: "ShowOpened", layoutId: hall.layoutId, terms };
    for (const entry of [opened, ...this.#past]) {
      const { at: time, events } = "events" in entry ? entry : at(T0, entry);
      const seq = state.seq + 1;
      for (const event of events) evolve(state, event, seq, time);
    }
    return state;
  }

  when(command: ShowCommand, now: number, { rules, ...rest }: Circumstances = {}): Outcome {
    const state = this.state();
    for (const key of this.#stage.cold ?? []) {
      state.bookings.delete(booking(key));
      state.operations.delete(operationId(key));
      if (state.line?.get(waiter(key)) !== undefined) state.line.forget(waiter(key));
    }
    const context = { now, rules: { ...RULES, ...rules }, paymentsAvailable: true, looked: false, ...rest };
    const turn = takeTurn(state, command, context);
    if (this.#stage.cold !== undefined) return new Outcome(turn, state, state);
    const again = this.state();
    for (const event of turn.events) evolve(again, event, turn.seq, turn.at);
    return new Outcome(turn, state, again);
  }
}

class Outcome {
  readonly turn: Turn;
  readonly state: ShowState;
  readonly #replayed: ShowState;

  constructor(turn: Turn, state: ShowState, replayed: ShowState) {
    this.turn = turn;
    this.state = state;
    this.#replayed = replayed;
  }

  /** All events of the turn, what fell due before its command included. */
  thenEvents(t: Test, events: readonly ShowEvent[]): this {
    return this.#check(t, "accept", events, {});
  }

  thenRefused(t: Test, refusal: Refusal, settled: readonly ShowEvent[] = []): this {
    return this.#check(t, "refuse", settled, { refusal });
  }

  /** The booking as it is. */
  thenAnswers(t: Test, key: string, status: BookingStatus, { replayed }: { replayed: boolean }): this {
    t.strictSame(this.#answered(), { id: booking(key), status }, `answers with ${key}`);
    return this.#check(t, "answer", [], { replayed });
  }

  /** The waiter as it is. */
  thenAnswersWaiter(t: Test, key: string, status: WaiterStatus, { replayed }: { replayed: boolean }): this {
    const { decision } = this.turn;
    const found = decision.kind === "answer_waiter" ? [decision.waiter.id, decision.waiter.status] : undefined;
    t.strictSame(found, [waiter(key), status], `answers with ${key}`);
    return this.#check(t, "answer_waiter", [], { replayed });
  }

  thenDone(t: Test, settled: readonly ShowEvent[] = []): this {
    return this.#check(t, "done", settled, {});
  }

  thenFetches(
    t: Test,
    wanted: { booking?: BookingId | undefined; waiter?: WaiterId | undefined; operation: OperationId | undefined },
  ): this {
    return this.#check(t, "fetch", [], { booking: undefined, waiter: undefined, ...wanted });
  }

  thenPaymentUnavailable(t: Test): this {
    return this.#check(t, "payment_unavailable", [], {});
  }

  #answered(): unknown {
    const { decision } = this.turn;
    return decision.kind === "answer" ? { id: decision.booking.id, status: decision.booking.status } : undefined;
  }

  #check(t: Test, kind: Decision["kind"], events: readonly ShowEvent[], rest: object): this {
    const { decision } = this.turn;
    const parts = Object.fromEntries(Object.keys(rest).map((key) => [key, (decision as never)[key]]));
    t.strictSame(
      { kind: decision.kind, ...parts, events: this.turn.events },
      { kind, ...rest, events },
      "decides and happens",
    );
    t.strictSame(violations(this.state), [], "every invariant holds");
    t.strictSame(imageOf(this.#replayed), imageOf(this.state), "a replay of the events leads to the same state");
    return this;
  }
}
