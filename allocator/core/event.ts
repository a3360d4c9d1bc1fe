// What happened in a show: the rows of its log, and the only thing `evolve` reads.
// E1: an event carries every fact it changed: no clock, no rule, no price list is read when it is replayed.
// E2: shapes are for ever; a new fact is a new optional field or a new kind.

import type { BookingId, OperationId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";

export interface ShowOpened {
  readonly kind: "ShowOpened";
  readonly layoutId: string;
  readonly terms: ShowTerms;
}

export interface TermsChanged {
  readonly kind: "TermsChanged";
  readonly terms: ShowTerms;
}

export interface HoldPlaced {
  readonly kind: "HoldPlaced";
  readonly id: BookingId;
  readonly session: SessionId;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly expiresAt: number;
  readonly graceMs: number;
  /** Full length of the hold's deadline, TTL and grace: the line it stands in. */
  readonly lineMs: number;
  readonly requestHash: number;
}

export interface HoldExtended {
  readonly kind: "HoldExtended";
  readonly id: BookingId;
  readonly expiresAt: number;
  readonly lineMs: number;
  readonly operation: OperationId;
  readonly requestHash: number;
}

/** `operation`: where its session asked for it; else `reason` says why. */
export interface HoldReleased {
  readonly kind: "HoldReleased";
  readonly id: BookingId;
  readonly operation?: OperationId;
  readonly requestHash?: number;
  readonly reason?: string;
}

export interface HoldExpired {
  readonly kind: "HoldExpired";
  readonly id: BookingId;
}

/** Recorded before the payment gateway is asked, so that whoever owns the show next can ask again. */
export interface PaymentBegun {
  readonly kind: "PaymentBegun";
  readonly id: BookingId;
  readonly attempt: number;
  readonly paymentToken: string;
  readonly contactEmail?: string;
  readonly deadlineAt: number;
  readonly lineMs: number;
  /** When; unlike its deadline no outage moves it. Absent in logs of the first version. */
  readonly begunAt?: number;
  readonly operation: OperationId;
  readonly requestHash: number;
}

/** The seats are sold. `reference` is absent where no payment gateway was needed: it was paid on the spot. */
export interface BookingConfirmed {
  readonly kind: "BookingConfirmed";
  readonly id: BookingId;
  readonly reference?: string;
  /** Present when the payment was begun by this very turn. */
  readonly begun?: {
    readonly operation: OperationId;
    readonly requestHash: number;
    readonly paymentToken: string;
    readonly contactEmail?: string;
  };
}

export interface PaymentDeclined {
  readonly kind: "PaymentDeclined";
  readonly id: BookingId;
  readonly reason: string;
  /** Whether the seats were freed; else the booking is held again, for another attempt. */
  readonly released: boolean;
  /** Where it is held again: what had begun the declined attempt, since the next one takes its place in the booking. */
  readonly operation?: OperationId;
  readonly requestHash?: number;
}

/**
 * The payment's deadline passed with its outcome unknown: seats freed, an authorisation, if any, to be cancelled.
 * `reason`: where it was not its deadline.
 */
export interface PaymentAbandoned {
  readonly kind: "PaymentAbandoned";
  readonly id: BookingId;
  readonly reason?: string;
}

export interface PaymentCaptured {
  readonly kind: "PaymentCaptured";
  readonly id: BookingId;
}

/** Nothing of an abandoned payment is left at the payment gateway. */
export interface PaymentVoided {
  readonly kind: "PaymentVoided";
  readonly id: BookingId;
}

/** What was captured for a cancelled booking was given back. */
export interface PaymentRefunded {
  readonly kind: "PaymentRefunded";
  readonly id: BookingId;
}

export interface BookingCancelled {
  readonly kind: "BookingCancelled";
  readonly id: BookingId;
  readonly reason: string;
  readonly operation?: OperationId;
  readonly requestHash?: number;
}

/** Somebody was let in with the ticket of this seat. */
export interface TicketUsed {
  readonly kind: "TicketUsed";
  readonly id: BookingId;
  readonly seat: number;
  readonly gate: string;
  readonly operation: OperationId;
  readonly requestHash: number;
}

export interface SeatsBlocked {
  readonly kind: "SeatsBlocked";
  readonly seats: readonly number[];
  readonly operation: OperationId;
  readonly requestHash: number;
}

export interface SeatsUnblocked {
  readonly kind: "SeatsUnblocked";
  readonly seats: readonly number[];
  readonly operation: OperationId;
  readonly requestHash: number;
}

/** Its place in the line is the log sequence of this event: one command a turn, so no two are alike. */
export interface WaiterJoined {
  readonly kind: "WaiterJoined";
  readonly waiterId: WaiterId;
  readonly session: SessionId;
  readonly quantity: number;
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
  readonly expiresAt: number;
  readonly requestHash: number;
}

export interface WaiterLowered {
  readonly kind: "WaiterLowered";
  readonly waiterId: WaiterId;
  readonly quantity: number;
  readonly operation: OperationId;
  readonly requestHash: number;
}

/** It waits no more; an open offer's seats are freed. `operation`: where its session asked for it. */
export interface WaiterLeft {
  readonly kind: "WaiterLeft";
  readonly waiterId: WaiterId;
  readonly status: Extract<WaiterStatus, "cancelled" | "expired" | "hopeless" | "absent" | "closed">;
  readonly operation?: OperationId;
  readonly requestHash?: number;
}

export interface OfferMade {
  readonly kind: "OfferMade";
  readonly waiterId: WaiterId;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly expiresAt: number;
  readonly graceMs: number;
  readonly lineMs: number;
}

/** The offered seats are free again for the `HoldPlaced` that follows in the same turn: these, or others instead. */
export interface OfferAccepted {
  readonly kind: "OfferAccepted";
  readonly waiterId: WaiterId;
  readonly holdId: BookingId;
}

export interface OfferDeclined {
  readonly kind: "OfferDeclined";
  readonly waiterId: WaiterId;
  readonly operation: OperationId;
  readonly requestHash: number;
}

export interface OfferLapsed {
  readonly kind: "OfferLapsed";
  readonly waiterId: WaiterId;
}

/** What nobody could do for lack of service does not expire. */
export interface DeadlinesMoved {
  readonly kind: "DeadlinesMoved";
  readonly byMs: number;
  readonly outageId: number;
}

export type ShowEvent =
  | ShowOpened
  | TermsChanged
  | HoldPlaced
  | HoldExtended
  | HoldReleased
  | HoldExpired
  | PaymentBegun
  | BookingConfirmed
  | PaymentDeclined
  | PaymentAbandoned
  | PaymentCaptured
  | PaymentVoided
  | PaymentRefunded
  | BookingCancelled
  | TicketUsed
  | SeatsBlocked
  | SeatsUnblocked
  | WaiterJoined
  | WaiterLowered
  | WaiterLeft
  | OfferMade
  | OfferAccepted
  | OfferDeclined
  | OfferLapsed
  | DeadlinesMoved;
