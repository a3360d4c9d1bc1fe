// What a show's turn decides on: the mutations of the wire, and what the shell around the core tells it.

import type { BookingId } from "../../shared/kernel/ids.ts";
import type {
  AcceptOffer,
  BlockSeats,
  CancelBooking,
  CheckPayment,
  ConfirmBooking,
  DeclineOffer,
  ExtendHold,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  PlaceHold,
  ReadBooking,
  ReadWaiter,
  ReleaseHold,
  UnblockSeats,
  UseTicket,
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
    | { readonly kind: "voided" }
    | { readonly kind: "refunded" };
}

/** The show is cancelled: its holds are released and its bookings cancelled, as many of those in memory as a turn takes. */
export interface ClearShow {
  readonly kind: "ClearShow";
}

export type ShowCommand =
  | PlaceHold
  | ExtendHold
  | ReleaseHold
  | ConfirmBooking
  | ReadBooking
  | UseTicket
  | JoinWaitlist
  | ReadWaiter
  | LowerWaiter
  | LeaveWaitlist
  | AcceptOffer
  | DeclineOffer
  | BlockSeats
  | UnblockSeats
  | CancelBooking
  | CheckPayment
  | SettlePayment
  | ClearShow
  | ChangeTerms
  | MoveDeadlines
  | Tick;
