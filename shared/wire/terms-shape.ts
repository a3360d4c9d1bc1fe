// The bounds of what commands and replies are made of: never tighter than the HTTP edge, since what it let in must reach the
// turn; never wider than what the tables hold, since what they refuse would break a commit of many shows.

import type { BookingId, OperationId, SessionId, ShowId, WaiterId } from "../kernel/ids.ts";
import { SEATS_PER_SESSION_MAX } from "../protocol/terms.ts";
import { distinct, whole, word } from "./shape.ts";

/** Seats of a hall: their indices are `smallint` in the tables. */
export const SEATS_MAX = 32_768;
export const CATEGORIES_MAX = 64;

export const SHOW_ID = word<ShowId>("show id", /^[A-Za-z0-9_-]{1,40}$/);
/** `<show id>.<22 characters>` (K1). */
const ROUTED_ID = /^[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{22}$/;
export const BOOKING_ID = word<BookingId>("booking id", ROUTED_ID);
export const WAITER_ID = word<WaiterId>("waiter id", ROUTED_ID);
export const SESSION_ID = word<SessionId>("session id", /^[\x21-\x7e]{1,128}$/);
export const OPERATION_ID = word<OperationId>("operation id", /^[A-Za-z0-9_-]{22}$/);
/** Nodes and gateways. */
export const PROCESS_ID = word<string>("process id", /^[A-Za-z0-9_-]{1,64}$/);

export const SEAT = whole(0, SEATS_MAX - 1);
export const SEATS = distinct(SEATS_MAX, 0, SEATS_MAX);
/** Those of one request. */
export const REQUEST_SEATS = distinct(SEATS_MAX, 1, SEATS_PER_SESSION_MAX);
export const QUANTITY = whole(1, SEATS_PER_SESSION_MAX);
export const CATEGORY = whole(0, CATEGORIES_MAX - 1);
export const CATEGORIES = distinct(CATEGORIES_MAX, 1, CATEGORIES_MAX);
