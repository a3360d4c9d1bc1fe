// How each command travels. Order and numbers are for ever; see W1 and W2 in shape.ts before changing anything here.

import type { Command, Operation, SeatChoice } from "../protocol/command.ts";
import { COUNT, FLAG, optional, record, text, union, whole } from "./shape.ts";
import {
  BOOKING_ID,
  CATEGORIES,
  CATEGORY,
  OPERATION_ID,
  QUANTITY,
  REQUEST_SEATS,
  SEAT,
  SEATS,
  SESSION_ID,
  WAITER_ID,
} from "./terms-shape.ts";

const OPERATION = record<Operation>({ id: OPERATION_ID, requestHash: COUNT });

const SEAT_CHOICE = union<SeatChoice, "by">("by", {
  seats: [1, { seats: REQUEST_SEATS }],
  quantity: [2, { quantity: QUANTITY, accessible: FLAG, contiguous: FLAG, category: optional(CATEGORY) }],
});

const OF_BOOKING = { session: SESSION_ID, operation: OPERATION, bookingId: BOOKING_ID };
const OF_WAITER = { session: SESSION_ID, operation: OPERATION, waiterId: WAITER_ID };

export const COMMAND = union<Command, "kind">("kind", {
  PlaceHold: [1, { session: SESSION_ID, operation: OPERATION, choice: SEAT_CHOICE }],
  ExtendHold: [2, OF_BOOKING],
  ReleaseHold: [3, OF_BOOKING],
  ConfirmBooking: [4, { ...OF_BOOKING, paymentToken: text(1_024), contactEmail: optional(text(320)) }],
  CancelBooking: [5, OF_BOOKING],
  ReadBooking: [6, { session: SESSION_ID, bookingId: BOOKING_ID }],
  UseTicket: [7, { operation: OPERATION, bookingId: BOOKING_ID, seat: SEAT, gate: text(256) }],
  JoinWaitlist: [
    8,
    {
      session: SESSION_ID,
      operation: OPERATION,
      quantity: QUANTITY,
      categories: CATEGORIES,
      accessible: FLAG,
      contiguous: FLAG,
    },
  ],
  ReadWaiter: [9, { session: SESSION_ID, waiterId: WAITER_ID }],
  LowerWaiter: [10, { ...OF_WAITER, quantity: QUANTITY }],
  LeaveWaitlist: [11, OF_WAITER],
  AcceptOffer: [12, { ...OF_WAITER, seats: optional(REQUEST_SEATS) }],
  DeclineOffer: [13, OF_WAITER],
  ReadSeatMap: [14, {}],
  BlockSeats: [15, { operation: OPERATION, seats: SEATS }],
  UnblockSeats: [16, { operation: OPERATION, seats: SEATS }],
  RefreshTerms: [17, {}],
  ReadLog: [18, { after: COUNT, limit: whole(0, 100_000) }],
  CheckPayment: [19, { bookingId: BOOKING_ID, attempt: COUNT, reference: text(1_024) }],
});
