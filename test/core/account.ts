// What the auditor's books say of a booking, and of what a key did.

import type { ShowEvent } from "../../allocator/core/event.ts";
import type { BookingId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { BookingStatus } from "../../shared/protocol/reply.ts";

export interface Account {
  readonly id: BookingId;
  readonly session: SessionId;
  readonly seats: readonly number[];
  readonly createdAt: number;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly requestHash: number;
  readonly total: number;
  status: BookingStatus;
  /** Of the hold: when the server ends it. */
  holdEndsAt: number;
  payEndsAt: number;
  extended: boolean;
  attempts: number;
  payment: "none" | "begun" | "authorised" | "captured" | "declined" | "voiding" | "voided" | "refunding" | "refunded";
  hasReference: boolean;
  /** Seats whose tickets were used. */
  readonly used: Set<number>;
}

export interface Effect {
  readonly requestHash: number;
  readonly of: ShowEvent["kind"];
  readonly subject: BookingId | WaiterId | undefined;
}
