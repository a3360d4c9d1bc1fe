// What the actors need of a durable store: a journal of turns, fenced by the show's epoch.
// J1: an entry is committed whole or not at all, and only while its epoch and previous sequence are the lease's.
// J2: `commit` reads its entries before it returns to its caller; nothing of them is read later.
// J3: an outcome is never guessed: what may or may not have been committed is `unknown`.

import type { BookingId, OperationId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import type { LogEntry } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "../core/event.ts";
import type { Booking, OperationRecord } from "../core/state.ts";

/** An absence of the whole service longer than this moves the deadlines. */
export const OUTAGE_MIN_MS = 2_000;

export interface LogTurn {
  readonly seq: number;
  readonly at: number;
  readonly events: readonly ShowEvent[];
}

/** A sold seat's row: inserted where `before` is undefined, deleted where `after` is, else given to `after`. */
export interface SoldSeatChange {
  readonly seat: number;
  readonly before: BookingId | undefined;
  readonly after: BookingId | undefined;
}

/** Everything one show has to write: the turns since its last commit, and each touched row's last image only. */
export interface CommitEntry {
  readonly showId: ShowId;
  readonly epoch: number;
  readonly previousSeq: number;
  readonly seq: number;
  readonly lastAt: number;
  readonly outageId: number;
  readonly active: boolean;
  /** One character a seat. */
  readonly seats: string;
  /** Free seats by category. */
  readonly free: readonly number[];
  /** Present when they changed. */
  readonly terms: ShowTerms | undefined;
  readonly turns: readonly LogTurn[];
  readonly bookings: readonly Booking[];
  readonly waiters: readonly Waiter[];
  /** What the ends of all other entries in line have been moved by; 0 where there was no outage. */
  readonly waitersMovedMs: number;
  /** How many those are. */
  readonly waitersMoved: number;
  readonly sold: readonly SoldSeatChange[];
  readonly operations: readonly OperationRecord[];
}

/**
 * `fenced`: another owner has the show, or an outage came in between; nothing was written. `conflict`: the store's own walls refuse this entry
 * (a seat sold twice): nothing was written, and the show must not go on. `unknown`: drop the actor, claim, load.
 */
export type CommitOutcome = "committed" | "fenced" | "conflict" | "unknown";

/** A show as its new owner finds it. */
export interface ClaimedShow {
  readonly showId: ShowId;
  readonly epoch: number;
  readonly seq: number;
  readonly lastAt: number;
  /** The last outage its deadlines were moved by, and those after it. */
  readonly outageId: number;
  readonly missedOutages: { readonly lastId: number; readonly byMs: number };
  readonly layoutId: string;
  readonly seats: string;
  readonly terms: ShowTerms;
  /** The terms the catalogue has now; the owner records the difference. */
  readonly catalogueTerms: ShowTerms;
  /** Live ones and those with an unfinished payment, in the order of their deadlines. */
  readonly bookings: readonly Booking[];
  /** Those in line or with an offer, in the order of their places. */
  readonly waiters: readonly Waiter[];
  /** The operations that placed holds or joined the line, all there ever were: such a row has one life. */
  readonly rowIds: readonly OperationId[];
  /** The other operations of the last day. */
  readonly operationIds: readonly OperationId[];
}

/** `unknown_show`: no such show. `newer_view`: claimed by a node that knows more, or by another just now; ask again. */
export type ClaimOutcome = ClaimedShow | "unknown_show" | "newer_view";

export interface Lease {
  readonly showId: ShowId;
  readonly epoch: number;
}

export interface ColdRows {
  readonly booking: Booking | undefined;
  readonly waiter: Waiter | undefined;
  /** What the operation made: an operation's record, the booking it placed or paid, or the waiter it put in line. */
  readonly operation: OperationRecord | undefined;
  readonly operationBooking: Booking | undefined;
  readonly operationWaiter: Waiter | undefined;
}

export interface ColdQuery {
  readonly showId: ShowId;
  readonly booking: BookingId | undefined;
  readonly waiter: WaiterId | undefined;
  readonly operation: OperationId | undefined;
}

/** Every method rejects with the store's error when it cannot be asked, except `commit`, which answers `unknown`. */
export interface Journal {
  claim(showIds: readonly ShowId[]): Promise<Map<ShowId, ClaimOutcome>>;
  /** Shows in which something is to be done without anybody asking, at most `limit`. */
  activeShows(limit: number): Promise<ShowId[]>;
  layout(layoutId: string): Promise<Layout>;
  /** Outcomes in the order of the entries. Never rejects. */
  commit(entries: readonly CommitEntry[]): Promise<CommitOutcome[]>;
  /** Which of the leases still stand. */
  fence(leases: readonly Lease[]): Promise<Set<ShowId>>;
  /** In the order of the queries. */
  cold(queries: readonly ColdQuery[]): Promise<ColdRows[]>;
  terms(showId: ShowId): Promise<ShowTerms>;
  log(showId: ShowId, after: number, limit: number): Promise<LogEntry[]>;
  /** Says that the store is alive, and records the outage when it was not for longer than 2 s. Answers the last one. */
  beat(): Promise<{ readonly nowMs: number; readonly outageId: number }>;
}
