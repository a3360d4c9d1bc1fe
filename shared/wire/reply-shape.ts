// How each reply and update travels. Order and numbers are for ever; see W1 and W2 in shape.ts before changing anything here.

import type {
  BookingView,
  Fault,
  LogEntry,
  Moved,
  OfferView,
  Refusal,
  Reply,
  SeatMapSnapshot,
  ShowUpdate,
  TicketUse,
  WaiterView,
} from "../protocol/reply.ts";
import {
  absent,
  amount,
  COUNT,
  FLAG,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  TRUE,
  text,
  union,
  unreadable,
  whole,
  word,
} from "./shape.ts";
import {
  BOOKING_ID,
  CATEGORIES,
  PROCESS_ID,
  SEAT,
  SEATS,
  SEATS_MAX,
  SESSION_ID,
  SHOW_ID,
  WAITER_ID,
} from "./terms-shape.ts";

/** A show's whole line may leave in one turn. */
const TOUCHED_MAX = 200_000;
const LOG_ENTRIES_MAX = 100_000;
const EVENTS_LENGTH_MAX = 1024 * 1024;
const REASON = text(1_024);
const CURRENCY = text(16);
/** What cannot be told in a hundred years is told as that. */
const WAIT_MS = amount(Number.MAX_VALUE);

const TICKET_USES = list(record<TicketUse>({ seat: SEAT, at: COUNT, gate: text(256) }), 0, SEATS_MAX);

const BOOKING_STATUS = oneOf<BookingView["status"]>({
  held: 1,
  paying: 2,
  booked: 3,
  expired: 4,
  released: 5,
  declined: 6,
  cancelled: 7,
});

const BOOKING = record<BookingView>({
  id: BOOKING_ID,
  showId: SHOW_ID,
  session: SESSION_ID,
  status: BOOKING_STATUS,
  version: COUNT,
  seats: SEATS,
  total: COUNT,
  currency: CURRENCY,
  createdAt: COUNT,
  expiresAt: COUNT,
  bookedAt: optional(COUNT),
  reason: optional(REASON),
  used: optional(TICKET_USES),
});

const WAITER_STATUS = oneOf<WaiterView["status"]>({
  waiting: 1,
  offered: 2,
  accepted: 3,
  declined: 4,
  lapsed: 5,
  cancelled: 6,
  expired: 7,
  hopeless: 8,
  absent: 9,
  closed: 10,
});

const OFFER = record<OfferView>({ seats: SEATS, total: COUNT, currency: CURRENCY, expiresAt: COUNT });

const WAITER = record<WaiterView>({
  id: WAITER_ID,
  showId: SHOW_ID,
  session: SESSION_ID,
  quantity: COUNT,
  categories: CATEGORIES,
  accessible: FLAG,
  contiguous: FLAG,
  status: WAITER_STATUS,
  version: COUNT,
  position: COUNT,
  joinedAt: COUNT,
  expiresAt: COUNT,
  estimatedWaitMs: optional(WAIT_MS),
  offer: optional(OFFER),
  holdId: optional(BOOKING_ID),
});

const SNAPSHOT = record<SeatMapSnapshot>({
  showId: SHOW_ID,
  epoch: COUNT,
  version: COUNT,
  status: word("seat states", /^[0-3]{0,32768}$/),
  queued: COUNT,
});

/**
 * Events are what the log holds, of any version: JSON, so that a kind which this process does not know still passes. Read
 * by people who audit; nothing hot.
 */
const EVENTS: Shape<LogEntry["events"]> = {
  write: (events) => JSON.stringify(events),
  read(wire) {
    if (typeof wire !== "string" || wire.length > EVENTS_LENGTH_MAX) throw unreadable("events");
    const events = parsed(wire);
    if (!Array.isArray(events) || !events.every(isEvent)) throw unreadable("events");
    return events;
  },
  layout: "JSON of events",
};

const isEvent = (value: unknown): value is { readonly kind: string } =>
  typeof value === "object" && value !== null && typeof (value as { kind?: unknown }).kind === "string";

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const LOG = list(record<LogEntry>({ seq: COUNT, epoch: COUNT, at: COUNT, events: EVENTS }), 0, LOG_ENTRIES_MAX);

const FREE = { free: COUNT };

const REFUSAL = union<Refusal, "code">("code", {
  not_found: [1, {}],
  sales_closed: [2, {}],
  not_admitted: [3, {}],
  hold_limit: [4, { held: COUNT }],
  show_full: [5, FREE],
  waitlist_active: [6, FREE],
  retry_held: [7, FREE],
  seats_taken: [8, { seats: SEATS, free: COUNT }],
  single_gap: [9, { stranded: SEAT, block: SEATS }],
  no_contiguous_block: [10, FREE],
  already_extended: [11, { expiresAt: COUNT }],
  hold_expired: [12, { status: BOOKING_STATUS }],
  payment_in_progress: [13, {}],
  payment_declined: [14, { reason: optional(REASON) }],
  already_booked: [15, {}],
  not_booked: [16, {}],
  cancellation_closed: [17, { until: COUNT }],
  ticket_used: [18, { uses: TICKET_USES }],
  ticket_cancelled: [19, {}],
  already_waiting: [20, { waiterId: WAITER_ID }],
  seats_available: [21, FREE],
  waitlist_full: [22, {}],
  no_offer: [23, {}],
  offer_lapsed: [24, { status: WAITER_STATUS, holdId: optional(BOOKING_ID) }],
  offer_open: [25, {}],
  waiter_finished: [26, { status: WAITER_STATUS }],
  quantity_not_lower: [27, { quantity: COUNT }],
  wrong_swap: [28, { quantity: COUNT, seats: SEATS }],
  idempotency_key_reused: [29, {}],
});

const FAULT = record<Fault>({
  code: oneOf<Fault["code"]>({
    store_unavailable: 1,
    overloaded: 2,
    payment_unavailable: 3,
    show_quarantined: 4,
    outcome_pending: 5,
    allocators_unreachable: 6,
  }),
  outcome: oneOf<Fault["outcome"]>({ none: 1, unknown: 2 }),
  retryAfterMs: amount(86_400_000),
});

/** A show's answer, or a node's that does not own the show. */
export type NodeReply = Reply | Moved;

export const NODE_REPLY = union<NodeReply, "kind">("kind", {
  booking: [1, { booking: BOOKING, replayed: FLAG }],
  waiter: [2, { waiter: WAITER, replayed: FLAG }],
  snapshot: [3, { snapshot: SNAPSHOT }],
  seats: [4, { seats: SEATS }],
  log: [5, { entries: LOG }],
  done: [6, {}],
  refused: [7, { refusal: REFUSAL }],
  fault: [8, { fault: FAULT }],
  moved: [9, { view: COUNT, owner: optional(PROCESS_ID), isUncertain: absent(TRUE) }],
});

const STATE = whole(0, 3);

/** Flat: seat, state, seat, state … */
const CHANGES: Shape<ShowUpdate["changes"]> = {
  write: (changes) => changes.flat(),
  read(wire) {
    if (!Array.isArray(wire) || wire.length % 2 !== 0 || wire.length > 2 * SEATS_MAX) throw unreadable("changes");
    return Array.from({ length: wire.length / 2 }, (_, i) => [SEAT.read(wire[2 * i]), STATE.read(wire[2 * i + 1])]);
  },
  layout: "[seat, state, …]",
};

export const UPDATE = record<ShowUpdate>({
  showId: SHOW_ID,
  epoch: COUNT,
  previous: COUNT,
  version: COUNT,
  changes: CHANGES,
  queued: COUNT,
  touched: list(text(128), 0, TOUCHED_MAX),
  isReload: absent(TRUE),
});
