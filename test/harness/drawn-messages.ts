// Drawn commands, replies and updates for fast-check: every kind has an entry, or it does not compile.

import fc from "fast-check";
import type { BookingId, OperationId, SessionId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Command, SeatChoice } from "../../shared/protocol/command.ts";
import type { BookingView, Fault, Moved, Refusal, Reply, ShowUpdate, WaiterView } from "../../shared/protocol/reply.ts";

type Drawn<T> = fc.Arbitrary<T>;

/** As our own code makes them, with the usual prototype. */
const objects = <T extends object>(fields: { [F in keyof T]: Drawn<T[F]> }): Drawn<T> =>
  fc.record(fields, { noNullPrototype: true }) as Drawn<T>;

const idText = (minLength: number, maxLength: number): Drawn<string> =>
  fc.stringMatching(new RegExp(`^[A-Za-z0-9_-]{${minLength},${maxLength}}$`));
const count = fc.oneof(fc.nat(200), fc.nat(), fc.maxSafeNat());
const seat = fc.nat(32_767);
const seats = (minLength: number, maxLength: number): Drawn<number[]> =>
  fc.uniqueArray(fc.oneof(fc.nat(300), seat), { minLength, maxLength });
const prose = fc
  .oneof(fc.string({ maxLength: 80 }), fc.string({ unit: "binary", maxLength: 200 }))
  .map((text) => text.replaceAll("\0", ""));
const maybe = <T>(drawn: Drawn<T>): Drawn<T | undefined> => fc.option(drawn, { nil: undefined });

export const drawnShowId = idText(1, 40) as Drawn<ShowId>;
const routedId = fc.tuple(idText(1, 40), idText(22, 22)).map(([show, tail]) => `${show}.${tail}`);
const bookingId = routedId as Drawn<BookingId>;
const waiterId = routedId as Drawn<WaiterId>;
const session = fc.stringMatching(/^[\x21-\x7e]{1,60}$/) as Drawn<SessionId>;
const operation = objects({ id: idText(22, 22) as Drawn<OperationId>, requestHash: count });
const quantity = fc.integer({ min: 1, max: 10 });
const categories = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 16 });
const fault: Drawn<Fault> = objects({
  code: fc.constantFrom(
    "store_unavailable",
    "overloaded",
    "payment_unavailable",
    "show_quarantined",
    "allocators_unreachable",
    "outcome_pending",
  ),
  outcome: fc.constantFrom("none", "unknown"),
  retryAfterMs: fc.oneof(fc.nat(60_000), fc.double({ min: 0, max: 60_000, noNaN: true }).map(Math.abs)),
});

const choice: Drawn<SeatChoice> = fc.oneof(
  objects({ by: fc.constant("seats" as const), seats: seats(1, 10) }),
  objects({
    by: fc.constant("quantity" as const),
    quantity,
    category: maybe(fc.nat(63)),
    accessible: fc.boolean(),
    contiguous: fc.boolean(),
  }),
);

/** `fields` and the kind. */
const of = <D extends string, K extends string, T extends object>(
  by: D,
  kind: K,
  fields: { [F in keyof T]: Drawn<T[F]> },
) => objects({ [by]: fc.constant(kind), ...fields }) as unknown as Drawn<Record<D, K> & T>;

const command = <K extends Command["kind"]>(kind: K, fields: object): Drawn<Extract<Command, { kind: K }>> =>
  of("kind", kind, fields as Record<string, Drawn<unknown>>) as unknown as Drawn<Extract<Command, { kind: K }>>;

const ofBooking = { session, operation, bookingId };
const ofWaiter = { session, operation, waiterId };

export const drawnCommands: { readonly [K in Command["kind"]]: Drawn<Extract<Command, { kind: K }>> } = {
  PlaceHold: command("PlaceHold", { session, operation, choice }),
  ExtendHold: command("ExtendHold", ofBooking),
  ReleaseHold: command("ReleaseHold", ofBooking),
  ConfirmBooking: command("ConfirmBooking", { ...ofBooking, paymentToken: prose, contactEmail: maybe(prose) }),
  CancelBooking: command("CancelBooking", ofBooking),
  ReadBooking: command("ReadBooking", { session, bookingId }),
  UseTicket: command("UseTicket", { operation, bookingId, seat, gate: prose }),
  CheckPayment: command("CheckPayment", { bookingId, attempt: count, reference: prose }),
  JoinWaitlist: command("JoinWaitlist", {
    ...{ session, operation, quantity, categories },
    ...{ accessible: fc.boolean(), contiguous: fc.boolean() },
  }),
  ReadWaiter: command("ReadWaiter", { session, waiterId }),
  LowerWaiter: command("LowerWaiter", { ...ofWaiter, quantity }),
  LeaveWaitlist: command("LeaveWaitlist", ofWaiter),
  AcceptOffer: command("AcceptOffer", { ...ofWaiter, seats: maybe(seats(1, 10)) }),
  DeclineOffer: command("DeclineOffer", ofWaiter),
  ReadSeatMap: command("ReadSeatMap", {}),
  BlockSeats: command("BlockSeats", { operation, seats: seats(0, 60) }),
  UnblockSeats: command("UnblockSeats", { operation, seats: seats(0, 60) }),
  RefreshTerms: command("RefreshTerms", {}),
  ReadLog: command("ReadLog", { after: count, limit: fc.nat(100_000) }),
};
export const drawnCommand: Drawn<Command> = fc.oneof(...(Object.values(drawnCommands) as Drawn<Command>[]));

const uses = fc.array(objects({ seat, at: count, gate: prose }), { maxLength: 10 });
const bookingStatus = fc.constantFrom<BookingView["status"]>(
  ...(["held", "paying", "booked", "expired", "released", "declined", "cancelled"] as const),
);
const waiterStatus = fc.constantFrom<WaiterView["status"]>(
  ...(["waiting", "offered", "accepted", "declined", "lapsed", "cancelled"] as const),
  ...(["expired", "hopeless", "absent", "closed"] as const),
);
const currency = fc.constantFrom("EUR", "USD", "INR");

const booking: Drawn<BookingView> = objects({
  id: bookingId,
  showId: drawnShowId,
  session,
  status: bookingStatus,
  version: count,
  seats: seats(1, 10),
  total: count,
  currency,
  createdAt: count,
  expiresAt: count,
  bookedAt: maybe(count),
  reason: maybe(prose),
  used: maybe(uses),
});

const waiter: Drawn<WaiterView> = objects({
  id: waiterId,
  showId: drawnShowId,
  session,
  quantity,
  categories,
  accessible: fc.boolean(),
  contiguous: fc.boolean(),
  status: waiterStatus,
  version: count,
  position: count,
  estimatedWaitMs: maybe(fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(Math.abs))),
  joinedAt: count,
  expiresAt: count,
  offer: maybe(objects({ seats: seats(1, 10), total: count, currency, expiresAt: count })),
  holdId: maybe(bookingId),
});

const event = fc
  .tuple(fc.string(), fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.jsonValue({ maxDepth: 3 })))
  .map(([kind, rest]) => JSON.parse(JSON.stringify({ ...rest, kind })) as { kind: string });

const refusal = <C extends Refusal["code"]>(code: C, fields: object = {}): Drawn<Extract<Refusal, { code: C }>> =>
  of("code", code, fields as Record<string, Drawn<unknown>>) as unknown as Drawn<Extract<Refusal, { code: C }>>;
const free = { free: count };

export const drawnRefusals: { readonly [C in Refusal["code"]]: Drawn<Extract<Refusal, { code: C }>> } = {
  not_found: refusal("not_found"),
  sales_closed: refusal("sales_closed"),
  not_admitted: refusal("not_admitted"),
  hold_limit: refusal("hold_limit", { held: count }),
  show_full: refusal("show_full", free),
  waitlist_active: refusal("waitlist_active", free),
  retry_held: refusal("retry_held", free),
  seats_taken: refusal("seats_taken", { seats: seats(1, 10), free: count }),
  single_gap: refusal("single_gap", { stranded: seat, block: seats(0, 10) }),
  no_contiguous_block: refusal("no_contiguous_block", free),
  already_extended: refusal("already_extended", { expiresAt: count }),
  hold_expired: refusal("hold_expired", { status: bookingStatus }),
  payment_in_progress: refusal("payment_in_progress"),
  payment_declined: refusal("payment_declined", { reason: maybe(prose) }),
  already_booked: refusal("already_booked"),
  not_booked: refusal("not_booked"),
  cancellation_closed: refusal("cancellation_closed", { until: count }),
  ticket_used: refusal("ticket_used", { uses }),
  ticket_cancelled: refusal("ticket_cancelled"),
  already_waiting: refusal("already_waiting", { waiterId }),
  seats_available: refusal("seats_available", free),
  waitlist_full: refusal("waitlist_full"),
  no_offer: refusal("no_offer"),
  offer_lapsed: refusal("offer_lapsed", { status: waiterStatus, holdId: maybe(bookingId) }),
  offer_open: refusal("offer_open"),
  waiter_finished: refusal("waiter_finished", { status: waiterStatus }),
  quantity_not_lower: refusal("quantity_not_lower", { quantity: count }),
  wrong_swap: refusal("wrong_swap", { quantity: count, seats: seats(0, 10) }),
  idempotency_key_reused: refusal("idempotency_key_reused"),
};

type NodeReply = Reply | Moved;
const reply = <K extends NodeReply["kind"]>(kind: K, fields: object): Drawn<Extract<NodeReply, { kind: K }>> =>
  of("kind", kind, fields as Record<string, Drawn<unknown>>) as unknown as Drawn<Extract<NodeReply, { kind: K }>>;

export const drawnReplies: { readonly [K in NodeReply["kind"]]: Drawn<Extract<NodeReply, { kind: K }>> } = {
  booking: reply("booking", { booking, replayed: fc.boolean() }),
  waiter: reply("waiter", { waiter, replayed: fc.boolean() }),
  snapshot: reply("snapshot", {
    snapshot: objects({
      showId: drawnShowId,
      epoch: count,
      version: count,
      status: fc.stringMatching(/^[0-3]{0,300}$/),
      queued: count,
    }),
  }),
  seats: reply("seats", { seats: seats(0, 60) }),
  log: reply("log", {
    entries: fc.array(objects({ seq: count, epoch: count, at: count, events: fc.array(event, { maxLength: 4 }) }), {
      maxLength: 5,
    }),
  }),
  done: reply("done", {}),
  refused: reply("refused", { refusal: fc.oneof(...(Object.values(drawnRefusals) as Drawn<Refusal>[])) }),
  fault: reply("fault", { fault }),
  moved: fc.oneof(
    reply("moved", { owner: maybe(idText(1, 40)), view: count }),
    reply("moved", { owner: maybe(idText(1, 40)), view: count, isUncertain: fc.constant(true as const) }),
  ),
};
export const drawnReply: Drawn<NodeReply> = fc.oneof(...(Object.values(drawnReplies) as Drawn<NodeReply>[]));

const reload = { isReload: true } as const;
export const drawnUpdate: Drawn<ShowUpdate> = fc
  .tuple(
    objects({
      showId: drawnShowId,
      epoch: count,
      previous: count,
      version: count,
      changes: fc.array(fc.tuple(seat, fc.nat(3)), { maxLength: 40 }),
      queued: count,
      touched: fc.array(routedId, { maxLength: 20 }),
    }),
    fc.boolean(),
  )
  .map(([update, isReload]) => (isReload ? { ...update, ...reload } : update));
