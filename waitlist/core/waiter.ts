// A waiter: somebody queued for n seats of a show, from joining to its end, with what it was offered.
// Seat classes: category c has two, 2c for ordinary seats and 2c + 1 for accessible ones; a set of them is a bit mask
// (a layout has at most 16 categories), so that what is accepted and what is claimed meet in one instruction.

import type { BookingId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";

/** A waiter leaves after this; an open offer may finish. */
export const WAITER_TTL_MS = 3_600_000;
/** Unseen for so long a waiter is skipped and claims nothing; its place is kept. */
export const SEEN_FOR_MS = 60_000;
/** Unseen for so long it is out, as `absent`. */
export const ABSENT_AFTER_MS = 300_000;
/** Waiters of one show, at most: moving so many after an outage takes the store 0.7 s of the 3 s a statement may. */
export const WAITERS_MAX = 100_000;
/** Different wishes in one line, at most: every one is looked at when seats are sold. */
export const LANES_MAX = 1_000;

export interface Offer {
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  /** As shown; the server waits `graceMs` longer. */
  readonly expiresAt: number;
  readonly graceMs: number;
  /** Full length of its deadline, TTL and grace: the line it stands in. */
  readonly lineMs: number;
}

/** Written by `Line` only (line.ts). */
export interface Waiter {
  readonly id: WaiterId;
  readonly session: SessionId;
  /** Its place in the order of joining: the log sequence at which it joined. */
  readonly place: number;
  quantity: number;
  /** Category indices it accepts, ascending. */
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
  status: WaiterStatus;
  /** Log sequence of its last change of state. */
  version: number;
  readonly joinedAt: number;
  expiresAt: number;
  /** When it ended; finished entries stay readable for a day. */
  endedAt: number | undefined;
  readonly requestHash: number;
  offer: Offer | undefined;
  /** What an accepted offer became. */
  holdId: BookingId | undefined;
}

/** The seat classes a party may be given: accessible seats only when it asks for them. */
export function classesOf(categories: readonly number[], accessible: boolean): number {
  let classes = 0;
  for (const category of categories) classes |= (accessible ? 3 : 1) << (2 * category);
  return classes;
}

export const isWaiting = (waiter: Waiter): boolean => waiter.status === "waiting" || waiter.status === "offered";
