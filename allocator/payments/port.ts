// What the saga needs of a payment provider, in its own words. Adapter: stripe-adapter.ts. `instant:` needs none: the turn books.
// G1: no call ever rejects; what is not known is said to be `unknown`.
// G2: every call is safe to repeat. Asking about an unknown outcome *is* repeating the identical request: its
//     idempotency key is `paymentKey(bookingId, attempt)`, so the provider does it once.
// G3: an order of amount 0 never reaches a provider: it is authorised at once, with the reference FREE_REFERENCE.
// G4: what settles a payment (a repetition, a capture, a cancel) is sent also while new payments are refused, and keeps
//     none of them waiting; whether the provider counts as away is judged by beginnings alone.

import type { BookingId } from "../../shared/kernel/ids.ts";

export interface AuthoriseRequest {
  readonly bookingId: BookingId;
  /** Counts a booking's payments; a new attempt is a new payment, the same attempt the same. */
  readonly attempt: number;
  /** Minor units. */
  readonly amount: number;
  /** ISO 4217. */
  readonly currency: string;
  readonly paymentToken: string;
  /** `begin`: the first call for this payment. `settle`: a repetition, to learn what became of it (G4). */
  readonly purpose: "begin" | "settle";
  /** From the call to its answer, waiting for a connection included. */
  readonly timeoutMs: number;
}

export type AuthoriseOutcome =
  /** The money is reserved; `reference` captures or cancels it. */
  | { readonly kind: "authorised"; readonly reference: string }
  /** Definitely not: `reason` is the provider's code, e.g. `insufficient_funds`. */
  | { readonly kind: "declined"; readonly reason: string }
  /** It may have happened. Repeat the request to find out. */
  | { readonly kind: "unknown" }
  /** This call did nothing; an earlier one with the same key may have. */
  | { readonly kind: "refused_now"; readonly retryAfterMs: number };

/** `failed` is final: repeating it cannot succeed. */
export type CaptureOutcome = "captured" | "failed" | "unknown";
export type CancelOutcome = "cancelled" | "already_captured" | "failed" | "unknown";

/** `failed` is final. What was refunded before, by whomever, counts as refunded. */
export type RefundOutcome = "refunded" | "failed" | "unknown";

/** One payment at the provider, made by `authorise` for a booking and attempt. */
export interface ProviderPayment {
  readonly reference: string;
  /** `open`: authorised or captured, to be kept or given back. `under_way`: it may yet be. `over`: there is nothing. */
  readonly state: "open" | "under_way" | "over";
}

/** All there are, which may be none. `failed`: this provider cannot say. */
export type FindOutcome =
  | { readonly kind: "found"; readonly payments: readonly ProviderPayment[] }
  | { readonly kind: "failed" }
  | { readonly kind: "unknown" };

export interface PaymentGateway {
  authorise(request: AuthoriseRequest): Promise<AuthoriseOutcome>;
  capture(reference: string, idempotencyKey: string): Promise<CaptureOutcome>;
  cancel(reference: string, idempotencyKey: string): Promise<CancelOutcome>;
  /** Gives back all that was captured and not given back yet. */
  refund(reference: string, idempotencyKey: string): Promise<RefundOutcome>;
  /**
   * Looks up what `authorise` made for this attempt, without repeating it. Only for one begun long ago: what is young may
   * not be found yet.
   */
  find(bookingId: BookingId, attempt: number): Promise<FindOutcome>;
  /** The payment of that reference, at once; none where it is not this attempt's. */
  look(reference: string, bookingId: BookingId, attempt: number): Promise<FindOutcome>;
  /** Whether a payment that begins now would be sent. */
  available(): boolean;
  /**
   * As `available`, for a payment that is about to be recorded: while it is only being tried whether the provider is
   * back, one asker is told so, not everybody who comes before the trial has begun.
   */
  mayBegin(): boolean;
  /** When not available: how long until it is worth trying again. */
  retryAfterMs(): number;
  /** Ends what is under way as `unknown`; later calls are refused. */
  close(): Promise<void>;
}

export const FREE_REFERENCE = "free";

export const paymentKey = (bookingId: BookingId, attempt: number): string => `${bookingId}:${attempt}`;
