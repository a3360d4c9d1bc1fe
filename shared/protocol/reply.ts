// What a show answers. A refusal is a value of a closed union, expected and never thrown; a fault says that the show
// could not be asked now. Only gateway/http/problem.ts knows status numbers.

import type { BookingId, SessionId, ShowId, WaiterId } from "../kernel/ids.ts";

export type BookingStatus = "held" | "paying" | "booked" | "expired" | "released" | "declined" | "cancelled";

/** One seat's ticket let somebody in. */
export interface TicketUse {
  readonly seat: number;
  readonly at: number;
  /** As the gate calls itself. */
  readonly gate: string;
}

/** One booking's present. Times are milliseconds since the epoch, money is minor units. */
export interface BookingView {
  readonly id: BookingId;
  readonly showId: ShowId;
  readonly session: SessionId;
  readonly status: BookingStatus;
  /** The log sequence of its last change. */
  readonly version: number;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly createdAt: number;
  /** The deadline shown to clients: the hold's, or while `paying` the payment's. The server waits the grace longer. */
  readonly expiresAt: number;
  readonly bookedAt: number | undefined;
  /** Why it ended, where that is not its status: e.g. `payment_unknown`. */
  readonly reason: string | undefined;
  /** In the order of their use; `undefined` while there is none. */
  readonly used: readonly TicketUse[] | undefined;
}

/** `closed`: sales ended, or the show was cancelled. `absent`: not heard of for 5 minutes. */
export type WaiterStatus =
  | "waiting"
  | "offered"
  | "accepted"
  | "declined"
  | "lapsed"
  | "cancelled"
  | "expired"
  | "hopeless"
  | "absent"
  | "closed";

/** A block of seats held for a waiter for a short time. */
export interface OfferView {
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  /** As shown to clients; the server waits the grace longer. */
  readonly expiresAt: number;
}

/** One waiter's present. */
export interface WaiterView {
  readonly id: WaiterId;
  readonly showId: ShowId;
  readonly session: SessionId;
  readonly quantity: number;
  /** Category indices it accepts, ascending. */
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
  readonly status: WaiterStatus;
  /** The log sequence of its last change of state; a new position alone is none. */
  readonly version: number;
  /** 1 is the head of the line; 0 once it no longer waits. */
  readonly position: number;
  /** By the show's own recent rate of release; `undefined` while there is none, or once it no longer waits. */
  readonly estimatedWaitMs: number | undefined;
  readonly joinedAt: number;
  /** When its place ends by itself. */
  readonly expiresAt: number;
  readonly offer: OfferView | undefined;
  /** The hold that an accepted offer became. */
  readonly holdId: BookingId | undefined;
}

/** Seat states as the API writes them, one character a seat in layout order: free, held, sold, blocked. */
export const SEAT_FREE = 0;
export const SEAT_HELD = 1;
export const SEAT_SOLD = 2;
export const SEAT_BLOCKED = 3;

export interface SeatMapSnapshot {
  readonly showId: ShowId;
  readonly epoch: number;
  readonly version: number;
  /** `0123…`, one character a seat. */
  readonly status: string;
  /** Free seats that waiters claim. */
  readonly queued: number;
}

/** What a committed turn changed: published by the owner, applied by every gateway's seat view. */
export interface ShowUpdate {
  readonly showId: ShowId;
  readonly epoch: number;
  /**
   * The version this update follows. Its changes are absolute, so a view at version v takes it when
   * `previous <= v < version`; below `previous` there is a gap and the view reads a snapshot.
   * `previous = version`: no turn was committed, only `queued` is another, by who polls and who does not.
   */
  readonly previous: number;
  readonly version: number;
  /** Seat index and its new state, each seat at most once. */
  readonly changes: readonly (readonly [seat: number, status: number])[];
  readonly queued: number;
  /** The show was loaded anew, what came before may have been missed: views and polls read again. */
  readonly isReload?: true;
  /** Bookings (and waiters) whose state changed: wakes their parked polls. */
  readonly touched: readonly string[];
}

export interface LogEntry {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  /** Each event as `{kind, …}`, past tense. */
  readonly events: readonly { readonly kind: string }[];
}

export type Refusal =
  | { readonly code: "not_found" }
  | { readonly code: "sales_closed" }
  | { readonly code: "not_admitted" }
  /** The session's held + offered + waited-for seats would be more than 10; `held` is what it has. */
  | { readonly code: "hold_limit"; readonly held: number }
  | { readonly code: "show_full"; readonly free: number }
  | { readonly code: "waitlist_active"; readonly free: number }
  | { readonly code: "retry_held"; readonly free: number }
  | { readonly code: "seats_taken"; readonly seats: readonly number[]; readonly free: number }
  /** `stranded` is the seat that would be left alone; `block` the nearest allowed seats, empty when there are none. */
  | { readonly code: "single_gap"; readonly stranded: number; readonly block: readonly number[] }
  | { readonly code: "no_contiguous_block"; readonly free: number }
  | { readonly code: "already_extended"; readonly expiresAt: number }
  | { readonly code: "hold_expired"; readonly status: BookingStatus }
  | { readonly code: "payment_in_progress" }
  | { readonly code: "payment_declined"; readonly reason: string | undefined }
  | { readonly code: "already_booked" }
  /** Only what is paid for can be cancelled; this is still held: release it. */
  | { readonly code: "not_booked" }
  /** Bookings of this show could be cancelled strictly before `until`. */
  | { readonly code: "cancellation_closed"; readonly until: number }
  /** Of the ticket asked about, or of the booking that was to be cancelled. */
  | { readonly code: "ticket_used"; readonly uses: readonly TicketUse[] }
  | { readonly code: "ticket_cancelled" }
  | { readonly code: "already_waiting"; readonly waiterId: WaiterId }
  | { readonly code: "seats_available"; readonly free: number }
  /** Nobody more can be taken into this line. */
  | { readonly code: "waitlist_full" }
  /** There is no offer to take or decline yet: the waiter still waits. */
  | { readonly code: "no_offer" }
  /** The offer, or the whole entry, is over; `status` says how, `holdId` is the hold that an accepted one became. */
  | { readonly code: "offer_lapsed"; readonly status: WaiterStatus; readonly holdId: BookingId | undefined }
  /** An entry with an open offer cannot be changed: accept or decline it first. */
  | { readonly code: "offer_open" }
  /** The entry is over; `status` says how. */
  | { readonly code: "waiter_finished"; readonly status: WaiterStatus }
  /** A waiter may ask for fewer seats only: `quantity` is what it waits for. */
  | { readonly code: "quantity_not_lower"; readonly quantity: number }
  /** Seats taken instead of an offer must be `quantity` many, and of its categories: `seats` are not. */
  | { readonly code: "wrong_swap"; readonly quantity: number; readonly seats: readonly number[] }
  | { readonly code: "idempotency_key_reused" };

export type RefusalCode = Refusal["code"];

/** Why the show could not be asked. `outcome` says whether the command may still take effect. */
export interface Fault {
  readonly code:
    | "store_unavailable"
    | "overloaded"
    | "payment_unavailable"
    | "show_quarantined"
    /** No node could be asked: the bus is away, or no allocator is up. */
    | "allocators_unreachable"
    | "outcome_pending";
  readonly outcome: "none" | "unknown";
  readonly retryAfterMs: number;
}

/** The show is another node's, by the view that this one knows: ask `owner`; `undefined`: nobody is up. */
export interface Moved {
  readonly kind: "moved";
  readonly owner: string | undefined;
  readonly view: number;
  /** It may have taken effect here before the show moved: a fault that follows elsewhere is of unknown outcome. */
  readonly isUncertain?: true;
}

export type Reply =
  /** `replayed`: the same key had already made this; nothing happened now. */
  | { readonly kind: "booking"; readonly booking: BookingView; readonly replayed: boolean }
  | { readonly kind: "waiter"; readonly waiter: WaiterView; readonly replayed: boolean }
  | { readonly kind: "snapshot"; readonly snapshot: SeatMapSnapshot }
  /** The named seats are now blocked or free. */
  | { readonly kind: "seats"; readonly seats: readonly number[] }
  | { readonly kind: "log"; readonly entries: readonly LogEntry[] }
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "fault"; readonly fault: Fault };
