// What a show's turn decides on: the mutations of the wire, and what the shell around the core tells it.

import type { BookingId, SessionId } from "../../shared/kernel/ids.ts";
import type {
  AcceptOffer,
  BlockSeats,
  ConfirmBooking,
  DeclineOffer,
  ExtendHold,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  Operation,
  PlaceHold,
  ReadBooking,
  ReadWaiter,
  ReleaseHold,
  UnblockSeats,
} from "../../shared/protocol/command.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";

/** A deadline may be due: every turn settles what is, so this one has nothing else to do. */
export interface Tick {
  readonly kind: "Tick";
}

export interface ChangeTerms {
  readonly kind: "ChangeTerms";
  readonly terms: ShowTerms;
  /** They changed while nobody owned the show: what is due is judged by them, not by the old ones. */
  readonly atLoad?: true;
}

export interface MoveDeadlines {
  readonly kind: "MoveDeadlines";
  readonly byMs: number;
  readonly outageId: number;
}

/** What the payment gateway said about an attempt. An attempt that is no longer the booking's is ignored. */
export interface SettlePayment {
  readonly kind: "SettlePayment";
  readonly bookingId: BookingId;
  readonly attempt: number;
  readonly outcome:
    | { readonly kind: "authorised"; readonly reference: string }
    | { readonly kind: "declined"; readonly reason: string }
    | { readonly kind: "captured" }
    | { readonly kind: "capture_failed" }
    | { readonly kind: "voided" };
}

/** Give a booked booking up: its seats are freed, its money is given back. */
export interface CancelBooking {
  readonly kind: "CancelBooking";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly bookingId: BookingId;
}

export type ShowCommand =
  | PlaceHold
  | ExtendHold
  | ReleaseHold
  | ConfirmBooking
  | ReadBooking
  | JoinWaitlist
  | ReadWaiter
  | LowerWaiter
  | LeaveWaitlist
  | AcceptOffer
  | DeclineOffer
  | BlockSeats
  | UnblockSeats
  | CancelBooking
  | SettlePayment
  | ChangeTerms
  | MoveDeadlines
  | Tick;
