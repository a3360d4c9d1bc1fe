// What a decision can be, and what it may read beside the state.

import type { BookingId, OperationId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Refusal } from "../../shared/protocol/reply.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "./event.ts";
import type { Booking } from "./state.ts";

/** The rules a turn obeys that are the service's, not the show's. */
export interface Rules {
  readonly payTtlMs: number;
  readonly releaseOnDecline: boolean;
  /** A booking can be cancelled strictly before so long before its show. */
  readonly cancelUntilMs: number;
  /** Payments are authorised on the spot, in the turn that begins them. */
  readonly instantPayments: boolean;
}

export interface TurnContext {
  /** Milliseconds, at or after the show's last recorded time. */
  readonly now: number;
  readonly rules: Rules;
  /** False while the payment gateway's breaker is open: no payment may begin. */
  readonly paymentsAvailable: boolean;
  /** The rows this command names were read: what is not in the state now does not exist. */
  readonly looked: boolean;
}

export type Decision =
  /** `events` happen. `about`: the booking to answer with, or `waiter` the waiter. */
  | {
      readonly kind: "accept";
      readonly events: readonly ShowEvent[];
      readonly about: BookingId | undefined;
      readonly waiter: WaiterId | undefined;
    }
  /** Nothing happens: the booking as it is. `replayed`: its key had made this before. */
  | { readonly kind: "answer"; readonly booking: Booking; readonly replayed: boolean }
  | { readonly kind: "answer_waiter"; readonly waiter: Waiter; readonly replayed: boolean }
  /** Nothing happens, and that is what was asked for. */
  | { readonly kind: "done" }
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  | { readonly kind: "payment_unavailable" }
  /**
   * The command names rows that may not be in memory: read them, then ask again. Of `operation`: its record, the booking
   * it placed, the waiter it made, and the payment it began, which stands in its booking's row, as a record.
   */
  | {
      readonly kind: "fetch";
      readonly booking: BookingId | undefined;
      readonly waiter: WaiterId | undefined;
      readonly operation: OperationId | undefined;
    };

export const accept = (event: ShowEvent, about?: BookingId): Decision => ({
  kind: "accept",
  events: [event],
  about,
  waiter: undefined,
});
export const acceptWaiter = (event: ShowEvent, waiter: WaiterId): Decision => ({
  kind: "accept",
  events: [event],
  about: undefined,
  waiter,
});
export const refuse = (refusal: Refusal): Decision => ({ kind: "refuse", refusal });
export const answer = (booking: Booking, replayed: boolean): Decision => ({ kind: "answer", booking, replayed });
export const answerWaiter = (waiter: Waiter, replayed: boolean): Decision => ({
  kind: "answer_waiter",
  waiter,
  replayed,
});
/** What must be read before it can be decided. */
export const fetch = (rows: {
  readonly booking?: BookingId | undefined;
  readonly waiter?: WaiterId | undefined;
  readonly operation: OperationId | undefined;
}): Decision => ({
  kind: "fetch",
  booking: rows.booking,
  waiter: rows.waiter,
  operation: rows.operation,
});
export const DONE: Decision = { kind: "done" };
