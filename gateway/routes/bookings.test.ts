// Confirming and reading bookings over HTTP: every outcome of a payment, and long polls that lose no wake-up.

import t from "tap";
import type { BookingId } from "../../shared/kernel/ids.ts";
import type { BookingStatus, BookingView, Refusal, Reply } from "../../shared/protocol/reply.ts";
import { settled } from "../../waitlist/poll/fake-time.ts";
import { type FakeGateway, fakeGateway, SHOW } from "../fake-gateway.ts";

const CONFIRM = "/v1/bookings/confirm";

async function heldBooking({ ask, problem }: FakeGateway): Promise<BookingId> {
  const held = await problem(ask("POST", "/v1/bookings/lock", { body: { showtime_id: SHOW, seat_ids: ["A1", "A2"] } }));
  return held.lock_id as BookingId;
}

t.test("a confirm answers the booking, once and for its key", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator, time } = gateway;
  const id = await heldBooking(gateway);
  const body = { lock_id: id, payment_token: "pm_card_visa", contact: { email: "ann@example.org" } };
  const booked = await problem(ask("POST", CONFIRM, { key: "k", body }));
  const now = new Date(time.now()).toISOString();
  t.match(booked, {
    http: 200,
    booking_id: id,
    lock_id: id,
    showtime_id: SHOW,
    status: "booked",
    seats: ["A1", "A2"],
    total: 2400,
    currency: "USD",
    created_at: now,
    booked_at: now,
    reason: null,
  });
  t.equal("tickets" in booked, false);
  const command = { kind: "ConfirmBooking", paymentToken: "pm_card_visa", contactEmail: "ann@example.org" };
  t.match(allocator.asked.at(-1)?.command, command);
  t.match(await problem(ask("POST", CONFIRM, { key: "k", body })), booked);
  const other = { lock_id: id, payment_token: "pm_other" };
  t.match(await problem(ask("POST", CONFIRM, { key: "k", body: other })), { code: "idempotency_key_reused" });
});

t.test("every outcome of a booking has its answer", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const id = await heldBooking(gateway);
  const body = { lock_id: id, payment_token: "pm_card_visa" };
  const held = allocator.showOf(SHOW).bookings.get(id) as BookingView;
  const booking = (status: BookingStatus): Reply => ({ kind: "booking", booking: { ...held, status }, replayed: true });
  const refused = (refusal: Refusal): Reply => ({ kind: "refused", refusal });
  const cases: [reply: Reply, http: number, more: object][] = [
    [booking("booked"), 200, { status: "booked" }],
    [booking("paying"), 202, { status: "paying" }],
    [refused({ code: "payment_declined", reason: "card_declined" }), 402, { reason: "card_declined" }],
    [refused({ code: "hold_expired", status: "expired" }), 410, { booking_status: "expired" }],
    [refused({ code: "hold_expired", status: "cancelled" }), 410, { booking_status: "cancelled" }],
    [booking("declined"), 500, { code: "internal_error" }],
  ];
  for (const [reply, http, more] of cases) {
    allocator.override = () => reply;
    const response = await ask("POST", CONFIRM, { body });
    t.match(await problem(response.clone()), { http, ...more });
    if (http !== 202) continue;
    t.equal(response.headers.get("location"), `/v1/bookings/${id}`);
    t.equal(response.headers.get("retry-after"), "1");
  }
  allocator.override = () => ({
    kind: "fault",
    fault: { code: "payment_unavailable", outcome: "none", retryAfterMs: 5_000 },
  });
  t.match(await problem(ask("POST", CONFIRM, { body })), { http: 503, code: "payment_unavailable", retry_after_s: 5 });
});

t.test("bad confirms name the field", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  const lock_id = `${SHOW}.${"x".repeat(22)}`;
  const payment_token = "pm_card_visa";
  const cases: [body: unknown, field: string][] = [
    [{ payment_token }, "lock_id"],
    [{ lock_id: 1, payment_token }, "lock_id"],
    [{ lock_id }, "payment_token"],
    [{ lock_id, payment_token: "" }, "payment_token"],
    [{ lock_id, payment_token: "a b" }, "payment_token"],
    [{ lock_id, payment_token: "x".repeat(256) }, "payment_token"],
    [{ lock_id, payment_token, total: 0 }, "total"],
    [{ lock_id, payment_token, contact: "ann" }, "contact"],
    [{ lock_id, payment_token, contact: {} }, "contact.email"],
    [{ lock_id, payment_token, contact: { email: "ann" } }, "contact.email"],
    [{ lock_id, payment_token, contact: { email: `${"a".repeat(250)}@b.org` } }, "contact.email"],
    [{ lock_id, payment_token, contact: { email: "a@b.org", phone: "1" } }, "contact.phone"],
  ];
  for (const [body, field] of cases) {
    const found = await problem(ask("POST", CONFIRM, { body }));
    t.match(found, { http: 422, code: "validation_failed", errors: [{ field }] }, JSON.stringify(body));
  }
  t.equal(allocator.asked.length, 0);
  for (const id of ["nothing", "show-1.short", `nothing.${"x".repeat(22)}`, lock_id]) {
    const found = await problem(ask("POST", CONFIRM, { body: { lock_id: id, payment_token } }));
    t.match(found, { http: 404, code: "not_found" }, id);
  }
});

t.test("a booking is its session's alone, and a malformed id is nobody's", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, tokenOf, allocator } = gateway;
  const id = await heldBooking(gateway);
  const one = await ask("GET", `/v1/bookings/${id}`);
  t.equal(one.headers.get("cache-control"), "no-store");
  t.match(await problem(one), { http: 200, booking_id: id, status: "held", version: 1 });
  const asked = allocator.asked.length;
  t.match(await problem(ask("GET", `/v1/bookings/${id}`, { token: await tokenOf("bob") })), { http: 404 });
  t.match(await problem(ask("GET", `/v1/bookings/${id}`, { token: "" })), { http: 401 });
  t.equal(allocator.asked.length, asked + 1);
  for (const bad of ["nothing", `${id}x`, `%00.${"x".repeat(22)}`, `nothing.${"x".repeat(22)}`]) {
    t.match(await problem(ask("GET", `/v1/bookings/${bad}`)), { http: 404, code: "not_found" }, bad);
  }
  t.equal(allocator.asked.length, asked + 1);
});

t.test("bad waits name the parameter", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem } = gateway;
  const id = await heldBooking(gateway);
  for (const [query, field] of [
    ["wait=31", "wait"],
    ["wait=-1", "wait"],
    ["wait=1.5", "wait"],
    ["wait=soon", "wait"],
    ["wait=1e1", "wait"],
    ["wait=1&wait=2", "wait"],
    ["wait=1&after=x", "after"],
    ["wait=1&after=9999999999999999", "after"],
    ["after=%00", "after"],
  ] as const) {
    t.match(await problem(ask("GET", `/v1/bookings/${id}?${query}`)), { http: 422, errors: [{ field }] }, query);
  }
});

t.test("a long poll answers at once when there is news", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem } = gateway;
  const id = await heldBooking(gateway);
  t.match(await problem(ask("GET", `/v1/bookings/${id}?wait=30&after=0`)), { http: 200, version: 1 });
  t.match(await problem(ask("GET", `/v1/bookings/${id}?wait=30`)), { http: 200, version: 1 }, "without `after`");
  t.match(await problem(ask("GET", `/v1/bookings/${id}?wait=0&after=1`)), { http: 200, version: 1 }, "without a wait");
  const unknown = `${SHOW}.${"x".repeat(22)}`;
  t.match(await problem(ask("GET", `/v1/bookings/${unknown}?wait=30&after=1`)), { http: 404 });
});

t.test("a long poll waits for the change, and else for its time", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator, time } = gateway;
  const id = await heldBooking(gateway);
  const waiting = problem(ask("GET", `/v1/bookings/${id}?wait=30&after=1`));
  await settled();
  await time.pass(10_000);
  allocator.settle(SHOW, id, { status: "expired" });
  t.match(await waiting, { http: 200, status: "expired", version: 2 });
  const late = problem(ask("GET", `/v1/bookings/${id}?wait=5&after=2`));
  await settled();
  await time.pass(5_100);
  t.match(await late, { http: 200, status: "expired", version: 2 });
  t.same(time.armed, []);
});

t.test("a change that commits after the reading and before the parking is not lost", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const id = await heldBooking(gateway);
  let isFirst = true;
  allocator.override = (showId, command): Reply | undefined => {
    if (!isFirst || command.kind !== "ReadBooking") return undefined;
    isFirst = false;
    const old = allocator.answer(showId, command);
    allocator.settle(SHOW, id, { status: "booked" });
    return old;
  };
  // No time passes in this test: only a wake-up can end the wait.
  t.match(await problem(ask("GET", `/v1/bookings/${id}?wait=30&after=1`)), { http: 200, status: "booked" });
});

t.test("a wake-up that was lost with its show's owner is made good when the show is loaded anew", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const id = await heldBooking(gateway);
  t.match(await problem(ask("GET", `/v1/shows/${SHOW}/seatmap`)), { epoch: 1, version: 1 });
  const waiting = problem(ask("GET", `/v1/bookings/${id}?wait=30&after=1`));
  await settled();
  // Committed, and the owner died before it told anybody.
  const show = allocator.showOf(SHOW);
  const booking = show.bookings.get(id) as BookingView;
  show.bookings.set(id, { ...booking, status: "expired", version: 2 });
  for (const seat of booking.seats) show.seats[seat] = 0;
  Object.assign(show, { epoch: 2, version: 2 });
  allocator.emit({
    showId: SHOW,
    epoch: 2,
    previous: 2,
    version: 2,
    changes: [],
    queued: 0,
    isReload: true,
    touched: [],
  });
  // No time passes in this test: only a wake-up can end the wait.
  t.match(await waiting, { http: 200, status: "expired", version: 2 });
  t.match(await problem(ask("GET", `/v1/shows/${SHOW}/seatmap`)), { epoch: 2, version: 2, status: /^0+$/ });
});

t.test("a client that goes away frees its place; a full lot says so; a drained gateway answers", async (t) => {
  const gateway = await fakeGateway({ parkedPollsMax: 1 });
  const { ask, problem, time } = gateway;
  const id = await heldBooking(gateway);
  const path = `/v1/bookings/${id}?wait=30&after=1`;
  const leaving = new AbortController();
  const first = ask("GET", path, { signal: leaving.signal });
  await settled();
  t.match(await problem(ask("GET", path)), { http: 503, code: "overloaded", retryable: true });
  leaving.abort();
  await first;
  const second = problem(ask("GET", path));
  await settled();
  gateway.gateway.drain();
  t.match(await second, { http: 200, version: 1 });
  t.same(time.armed, []);
});

t.test("a page's cursor is checked", async (t) => {
  const { ask, problem } = await fakeGateway();
  t.match(await problem(ask("GET", "/v1/bookings")), { http: 200, bookings: [], next_cursor: null });
  for (const query of [
    "cursor=x",
    "cursor=",
    "cursor=%F0%9F%8E%AC",
    `cursor=${Buffer.from("1:x").toString("base64url")}`,
  ]) {
    t.match(await problem(ask("GET", `/v1/bookings?${query}`)), { http: 422, errors: [{ field: "cursor" }] }, query);
  }
  t.match(await problem(ask("GET", "/v1/bookings?limit=51")), { http: 422, errors: [{ field: "limit" }] });
});
