// Cancelling a booking over HTTP: once, by its session, and every refusal with what to do next.

import t from "tap";
import type { BookingId } from "../../shared/kernel/ids.ts";
import type { Refusal } from "../../shared/protocol/reply.ts";
import { type FakeGateway, fakeGateway, SHOW } from "../fake-gateway.ts";

async function bookedBooking({ ask, problem, allocator }: FakeGateway): Promise<BookingId> {
  const held = await problem(ask("POST", "/v1/bookings/lock", { body: { showtime_id: SHOW, seat_ids: ["A1", "A2"] } }));
  const id = held.lock_id as BookingId;
  allocator.settle(SHOW, id, { status: "booked" });
  return id;
}

t.test("a booking is cancelled, once and for its key; its seats are free", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const id = await bookedBooking(gateway);
  const path = `/v1/bookings/${id}/cancel`;
  const cancelled = {
    http: 200,
    booking_id: id,
    status: "cancelled",
    reason: "cancelled_by_holder",
    seats: ["A1", "A2"],
  };
  t.match(await problem(ask("POST", path, { key: "k" })), cancelled);
  t.match(allocator.asked.at(-1)?.command, { kind: "CancelBooking", bookingId: id });
  const { version, seats } = allocator.showOf(SHOW);
  t.same(seats.slice(0, 2), [0, 0]);
  t.match(await problem(ask("POST", path, { key: "k", body: {} })), cancelled, "again, with an empty object");
  t.match(await problem(ask("POST", path, { key: "other" })), cancelled, "with another key");
  t.equal(allocator.showOf(SHOW).version, version);
  const reused = await problem(ask("DELETE", `/v1/bookings/lock/${id}`, { key: "k" }));
  t.match(reused, { http: 422, code: "idempotency_key_reused" });
});

t.test("it takes a key, its session, and nothing in the body", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, tokenOf, allocator } = gateway;
  const id = await bookedBooking(gateway);
  const path = `/v1/bookings/${id}/cancel`;
  t.match(await problem(ask("POST", path, { token: await tokenOf("bob") })), { http: 404, code: "not_found" });
  const asked = allocator.asked.length;
  t.match(await problem(ask("POST", path, { token: "" })), { http: 401 });
  t.match(await problem(ask("POST", path, { body: { refund: 1 } })), { http: 422, errors: [{ field: "refund" }] });
  for (const bad of ["nothing", `${id}x`, `nothing.${"x".repeat(22)}`]) {
    t.match(await problem(ask("POST", `/v1/bookings/${bad}/cancel`)), { http: 404, code: "not_found" }, bad);
  }
  t.equal(allocator.asked.length, asked);
});

t.test("what cannot be cancelled says why, and what to do", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const id = await bookedBooking(gateway);
  const cases: [refusal: Refusal, http: number, more: object][] = [
    [{ code: "not_booked" }, 409, { detail: /DELETE \/v1\/bookings\/lock/ }],
    [{ code: "payment_in_progress" }, 409, { retryable: true, retry_after_s: 2 }],
    [{ code: "hold_expired", status: "expired" }, 410, { booking_status: "expired" }],
    [{ code: "cancellation_closed", until: 1e12 }, 409, { cancellable_until: "2001-09-09T01:46:40.000Z" }],
    [{ code: "ticket_used", uses: [{ seat: 0, at: 1e12, gate: "north" }] }, 409, { seats: ["A1"] }],
  ];
  for (const [refusal, http, more] of cases) {
    allocator.override = () => ({ kind: "refused", refusal });
    t.match(await problem(ask("POST", `/v1/bookings/${id}/cancel`)), { http, code: refusal.code, ...more });
  }
});
