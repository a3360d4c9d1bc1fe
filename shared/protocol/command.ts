// What may be asked of a show: the one vocabulary of the gateway, the wire and the turn.
// P1: commands name seats by index and categories by index; labels exist only at the HTTP edge.
// P2: every mutation carries `operation`, derived from its idempotency key, so that done twice it takes effect once.
// P3: price, user and expiry are never in a command's body: the session comes from a verified token.

import type { BookingId, OperationId, SessionId, WaiterId } from "../kernel/ids.ts";

/** An idempotency key, made unguessable and fixed to (session, show), with a fingerprint of the request's body. */
export interface Operation {
  readonly id: OperationId;
  /** 53-bit fingerprint of route and body: the same id with another fingerprint is `idempotency_key_reused`. */
  readonly requestHash: number;
}

/** Which seats are asked for: those named, or a number of the engine's choice. */
export type SeatChoice =
  | { readonly by: "seats"; readonly seats: readonly number[] }
  | {
      readonly by: "quantity";
      readonly quantity: number;
      /** Category index; `undefined` accepts all. */
      readonly category: number | undefined;
      readonly accessible: boolean;
      readonly contiguous: boolean;
    };

export interface PlaceHold {
  readonly kind: "PlaceHold";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly choice: SeatChoice;
}

export interface ExtendHold {
  readonly kind: "ExtendHold";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly bookingId: BookingId;
}

export interface ReleaseHold {
  readonly kind: "ReleaseHold";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly bookingId: BookingId;
}

/** Confirm a hold by paying for it. The node answers within 2 s: booked, declined, or still `paying`. */
export interface ConfirmBooking {
  readonly kind: "ConfirmBooking";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly bookingId: BookingId;
  readonly paymentToken: string;
  readonly contactEmail: string | undefined;
}

/** Give a booked booking up, until the cutoff before its show: its seats are freed, its money is given back. */
export interface CancelBooking {
  readonly kind: "CancelBooking";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly bookingId: BookingId;
}

export interface ReadBooking {
  readonly kind: "ReadBooking";
  readonly session: SessionId;
  readonly bookingId: BookingId;
}

/** Let in whoever brings this seat's ticket: once. Asked by a gate, so of nobody's session; `not_found` of no ticket. */
export interface UseTicket {
  readonly kind: "UseTicket";
  readonly operation: Operation;
  readonly bookingId: BookingId;
  readonly seat: number;
  /** As the gate calls itself. */
  readonly gate: string;
}

/**
 * The payment provider said something about a payment. A hint, never the outcome: the owner asks the provider itself, so
 * that one which comes twice, late or out of order does no harm. Answered `done`; `not_found` of no booking.
 */
export interface CheckPayment {
  readonly kind: "CheckPayment";
  readonly bookingId: BookingId;
  readonly attempt: number;
  /** The provider's id for the payment it spoke of. */
  readonly reference: string;
}

/** Queue for `quantity` seats. Refused `seats_available` while the show can serve them. */
export interface JoinWaitlist {
  readonly kind: "JoinWaitlist";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly quantity: number;
  /** Category indices it accepts, ascending; at least one. */
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
}

/** A poll: also says that the waiter is still there. */
export interface ReadWaiter {
  readonly kind: "ReadWaiter";
  readonly session: SessionId;
  readonly waiterId: WaiterId;
}

/** Wait for fewer seats, without losing the place. */
export interface LowerWaiter {
  readonly kind: "LowerWaiter";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly waiterId: WaiterId;
  readonly quantity: number;
}

/** An open offer's seats go to the next. */
export interface LeaveWaitlist {
  readonly kind: "LeaveWaitlist";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly waiterId: WaiterId;
}

/** Answered with the booking: the hold that the offer became. */
export interface AcceptOffer {
  readonly kind: "AcceptOffer";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly waiterId: WaiterId;
  /** Other seats instead of those offered: as many, of its categories. */
  readonly seats: readonly number[] | undefined;
}

export interface DeclineOffer {
  readonly kind: "DeclineOffer";
  readonly session: SessionId;
  readonly operation: Operation;
  readonly waiterId: WaiterId;
}

/** The seat map as it is now; answered with a `snapshot`. */
export interface ReadSeatMap {
  readonly kind: "ReadSeatMap";
}

/** Take seats out of sale, all or none; refused `seats_taken` where one is held or sold. Blocked ones stay blocked. */
export interface BlockSeats {
  readonly kind: "BlockSeats";
  readonly operation: Operation;
  readonly seats: readonly number[];
}

export interface UnblockSeats {
  readonly kind: "UnblockSeats";
  readonly operation: Operation;
  readonly seats: readonly number[];
}

/** The catalogue changed this show: read its terms again. */
export interface RefreshTerms {
  readonly kind: "RefreshTerms";
}

/** A page of the audit trail, oldest first, `seq > after`. Answered with a `log`. */
export interface ReadLog {
  readonly kind: "ReadLog";
  readonly after: number;
  readonly limit: number;
}

export type Command =
  | PlaceHold
  | ExtendHold
  | ReleaseHold
  | ConfirmBooking
  | CancelBooking
  | ReadBooking
  | UseTicket
  | CheckPayment
  | JoinWaitlist
  | ReadWaiter
  | LowerWaiter
  | LeaveWaitlist
  | AcceptOffer
  | DeclineOffer
  | ReadSeatMap
  | BlockSeats
  | UnblockSeats
  | RefreshTerms
  | ReadLog;
