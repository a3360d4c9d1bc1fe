// The waitlist's events and commands as the specifications of the core write them.

import type {
  OfferAccepted,
  OfferDeclined,
  OfferLapsed,
  OfferMade,
  WaiterJoined,
  WaiterLeft,
  WaiterLowered,
} from "../../allocator/core/event.ts";
import type {
  AcceptOffer,
  DeclineOffer,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  ReadWaiter,
} from "../../shared/protocol/command.ts";
import { booking, GRACE, operation, operationId, session, T0, waiter } from "./specification.ts";

export const OFFER_TTL = 120_000;
export const WAITER_TTL = 3_600_000;

interface Party {
  readonly quantity: number;
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
}

const party = (quantity: number, more: Partial<Party>): Party => ({
  quantity,
  categories: [0],
  accessible: false,
  contiguous: false,
  ...more,
});

/** Joined at T0. */
export const joined = (key: string, by: string, quantity: number, more: Partial<WaiterJoined> = {}): WaiterJoined => ({
  kind: "WaiterJoined",
  waiterId: waiter(key),
  session: session(by),
  ...party(quantity, {}),
  expiresAt: T0 + WAITER_TTL,
  requestHash: 1,
  ...more,
});

/** Made at T0. */
export const offered = (key: string, seats: readonly number[], more: Partial<OfferMade> = {}): OfferMade => ({
  kind: "OfferMade",
  waiterId: waiter(key),
  seats,
  total: 1_000 * seats.length,
  currency: "EUR",
  expiresAt: T0 + OFFER_TTL,
  graceMs: GRACE,
  lineMs: OFFER_TTL + GRACE,
  ...more,
});

export const accepted = (key: string, hold: string): OfferAccepted => ({
  kind: "OfferAccepted",
  waiterId: waiter(key),
  holdId: booking(hold),
});
export const declined = (key: string, by: string): OfferDeclined => ({
  kind: "OfferDeclined",
  waiterId: waiter(key),
  operation: operationId(by),
  requestHash: 1,
});
export const lapsed = (key: string): OfferLapsed => ({ kind: "OfferLapsed", waiterId: waiter(key) });
export const lowered = (key: string, quantity: number, by: string): WaiterLowered => ({
  kind: "WaiterLowered",
  waiterId: waiter(key),
  quantity,
  operation: operationId(by),
  requestHash: 1,
});
export const left = (key: string, status: WaiterLeft["status"], by?: string): WaiterLeft => ({
  kind: "WaiterLeft",
  waiterId: waiter(key),
  status,
  ...(by === undefined ? {} : { operation: operationId(by), requestHash: 1 }),
});

export const join = (key: string, by: string, quantity: number, more: Partial<Party> = {}): JoinWaitlist => ({
  kind: "JoinWaitlist",
  session: session(by),
  operation: operation(key),
  ...party(quantity, more),
});
export const readWaiter = (key: string, by: string): ReadWaiter => ({
  kind: "ReadWaiter",
  session: session(by),
  waiterId: waiter(key),
});
export const lower = (key: string, by: string, quantity: number, operationKey = "lower"): LowerWaiter => ({
  kind: "LowerWaiter",
  session: session(by),
  operation: operation(operationKey),
  waiterId: waiter(key),
  quantity,
});
export const leave = (key: string, by: string, operationKey = "leave"): LeaveWaitlist => ({
  kind: "LeaveWaitlist",
  session: session(by),
  operation: operation(operationKey),
  waiterId: waiter(key),
});
export const acceptOffer = (
  key: string,
  by: string,
  { as = "accept", seats }: { as?: string; seats?: readonly number[] } = {},
): AcceptOffer => ({
  kind: "AcceptOffer",
  session: session(by),
  operation: operation(as),
  waiterId: waiter(key),
  seats,
});
export const declineOffer = (key: string, by: string, operationKey = "decline"): DeclineOffer => ({
  kind: "DeclineOffer",
  session: session(by),
  operation: operation(operationKey),
  waiterId: waiter(key),
});
