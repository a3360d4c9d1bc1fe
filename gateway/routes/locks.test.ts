import t from "tap";
import type { Refusal } from "../../shared/protocol/reply.ts";
import { fakeGateway, SHOW } from "../fake-gateway.ts";

const LOCK = "/v1/bookings/lock";

t.test("a lock answers its seats by label, and both times are the same moment", async (t) => {
  const { ask, allocator, time } = await fakeGateway();
  const response = await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A2", "A1"] } });
  t.equal(response.status, 201);
  const lock = (await response.json()) as Record<string, string>;
  t.equal(response.headers.get("location"), `/v1/bookings/${lock.lock_id}`);
  const expiresAt = new Date(time.now() + 300_000).toISOString();
  t.strictSame(lock, {
    lock_id: lock.lock_id,
    showtime_id: SHOW,
    seats: ["A2", "A1"],
    total: 2400,
    currency: "USD",
    expires_at: expiresAt,
    expiry_timestamp: expiresAt,
  });
  t.match(lock.lock_id, /^show-1\.[A-Za-z0-9_-]{22}$/);
  t.match(allocator.asked.at(-1)?.command, {
    kind: "PlaceHold",
    session: "ann",
    choice: { by: "seats", seats: [1, 0] },
  });
});

t.test("a lock by number carries the category's index and the wishes", async (t) => {
  const { ask, allocator } = await fakeGateway();
  const body = { showtime_id: SHOW, quantity: 3, category: "standard", contiguous: true };
  t.equal((await ask("POST", LOCK, { body })).status, 201);
  t.match(allocator.asked.at(-1)?.command, {
    choice: { by: "quantity", quantity: 3, category: 1, accessible: false, contiguous: true },
  });
});

t.test("the same key answers the same, whatever the order of fields and seats; another body is refused", async (t) => {
  const { ask, problem } = await fakeGateway();
  const first = await (
    await ask("POST", LOCK, { key: "k", body: { showtime_id: SHOW, seat_ids: ["A1", "A2"] } })
  ).text();
  const again = await ask("POST", LOCK, { key: "k", body: `{"seat_ids": ["A2","A1"], "showtime_id":"${SHOW}"}` });
  t.equal(again.status, 201);
  t.equal(await again.text(), first);
  const other = problem(ask("POST", LOCK, { key: "k", body: { showtime_id: SHOW, seat_ids: ["A1"] } }));
  t.match(await other, { http: 422, code: "idempotency_key_reused" });
});

t.test("a key is the session's own, and the show's", async (t) => {
  const { ask, tokenOf, allocator } = await fakeGateway();
  const bob = await tokenOf("bob");
  await ask("POST", LOCK, { key: "k", body: { showtime_id: SHOW, seat_ids: ["A1"] } });
  await ask("POST", LOCK, { key: "k", body: { showtime_id: "show-2", seat_ids: ["A1"] } });
  await ask("POST", LOCK, { key: "k", token: bob, body: { showtime_id: SHOW, seat_ids: ["A2"] } });
  const ids = allocator.asked.map(({ command }) => "operation" in command && command.operation.id);
  t.equal(new Set(ids).size, 3);
});

t.test("the key: either header will do, both must agree, and it must be visible ASCII", async (t) => {
  const { ask, problem } = await fakeGateway();
  const body = { showtime_id: SHOW, seat_ids: ["A1"] };
  const keyed = (headers: Record<string, string>) => problem(ask("POST", LOCK, { key: "", headers, body }));
  t.match(await keyed({}), { http: 400, code: "idempotency_key_required", errors: [{ field: "X-Idempotency-Key" }] });
  const detail = "X-Idempotency-Key: must be the same as Idempotency-Key where both are sent";
  t.match(await keyed({ "x-idempotency-key": "a", "idempotency-key": "b" }), { http: 400, detail });
  t.match(await keyed({ "x-idempotency-key": "a b" }), { http: 400, code: "idempotency_key_invalid" });
  t.match(await keyed({ "x-idempotency-key": "é" }), { http: 400, code: "idempotency_key_invalid" });
  t.match(await keyed({ "x-idempotency-key": "x".repeat(129) }), { http: 400 });
  t.match(await keyed({ "x-idempotency-key": "" }), { http: 400, code: "idempotency_key_invalid" });
  t.match(await keyed({ "idempotency-key": "x".repeat(128) }), { http: 201 });
  t.match(await keyed({ "idempotency-key": "c", "x-idempotency-key": "c" }), { http: 409 });
});

t.test("no session, no lock", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  const body = { showtime_id: SHOW, seat_ids: ["A1"] };
  t.match(await problem(ask("POST", LOCK, { token: "", body })), { http: 401, code: "unauthorized" });
  t.match(await problem(ask("POST", LOCK, { token: "a.b.c", body })), { http: 401, code: "unauthorized" });
  t.equal(allocator.asked.length, 0);
});

t.test("bad bodies name the field, and the show is not asked", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  const seats = (seat_ids: unknown) => ({ showtime_id: SHOW, seat_ids });
  const number = (more: object) => ({ showtime_id: SHOW, quantity: 2, ...more });
  const cases: [body: unknown, field: string, more?: object][] = [
    [seats([]), "seat_ids"],
    [seats("A1"), "seat_ids"],
    [seats([1]), "seat_ids.0"],
    [seats(Array.from({ length: 11 }, (_, i) => `B${i}`)), "seat_ids"],
    [seats(["A1", "A1"]), "seat_ids.1", { seats: ["A1"] }],
    [seats(["A1", "Z99", "Q1"]), "seat_ids.1", { seats: ["Z99", "Q1"] }],
    [seats(["A1", null]), "seat_ids.1"],
    [{ ...seats(["A1"]), quantity: 1 }, "quantity"],
    [{ ...seats(["A1"]), contiguous: true }, "contiguous"],
    [{ ...seats(["A1"]), waiter_id: 7 }, "waiter_id"],
    [{ ...seats([]), waiter_id: "w" }, "seat_ids"],
    [{ showtime_id: SHOW, waiter_id: "" }, "waiter_id"],
    [{ showtime_id: SHOW, waiter_id: null }, "waiter_id"],
    [{ showtime_id: SHOW, waiter_id: "x".repeat(129) }, "waiter_id"],
    [number({ waiter_id: "w" }), "quantity"],
    [{ showtime_id: SHOW, waiter_id: "w", category: "premium" }, "category"],
    [{ showtime_id: SHOW, waiter_id: "w", contiguous: false }, "contiguous"],
    [{ showtime_id: SHOW, waiter_id: "w", accessible: true }, "accessible"],
    [{ ...seats(["A1"]), price: 1 }, "price"],
    [{ seat_ids: ["A1"] }, "showtime_id"],
    [{ showtime_id: 7, seat_ids: ["A1"] }, "showtime_id"],
    [{ showtime_id: SHOW }, "seat_ids"],
    [number({ quantity: 0 }), "quantity"],
    [number({ quantity: 11 }), "quantity"],
    [number({ quantity: 1.5 }), "quantity"],
    [number({ quantity: "2" }), "quantity"],
    [`{"showtime_id":"${SHOW}","quantity":1e400}`, "quantity"],
    [`{"showtime_id":"${SHOW}","quantity":1,"__proto__":{"quantity":2}}`, "__proto__"],
    [`{"showtime_id":"${SHOW}","seat_ids":["A\\u0000"]}`, "seat_ids.0"],
    [`{"showtime_id":"${SHOW}","seat_ids":["\\udc00"]}`, "seat_ids.0"],
    [number({ category: "balcony" }), "category"],
    [number({ category: 1 }), "category"],
    [number({ contiguous: "yes" }), "contiguous"],
    [number({ accessible: 1 }), "accessible"],
    [[], "body"],
    ["null", "body"],
    ['"text"', "body"],
  ];
  for (const [body, field, more] of cases) {
    const found = await problem(ask("POST", LOCK, { body }));
    t.match(found, { http: 422, code: "validation_failed", ...more }, JSON.stringify(body));
    t.equal((found.errors as { field: string }[])[0]?.field, field, JSON.stringify(body));
  }
  t.equal(allocator.asked.length, 0);
});

t.test("a show that is not there", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  for (const showtime_id of ["nothing", "no such id!", "x".repeat(41)]) {
    const found = await problem(ask("POST", LOCK, { body: { showtime_id, seat_ids: ["A1"] } }));
    t.match(found, { http: 404, code: "not_found", detail: "There is no such show." }, "shows belong to nobody");
    // Before anything else that is wrong with the body.
    for (const body of [{ quantity: 0 }, { seat_ids: [] }, { quantity: 1, other: 1 }, {}]) {
      const wrong = await problem(ask("POST", LOCK, { body: { showtime_id, ...body } }));
      t.match(wrong, { http: 404, code: "not_found" }, `${showtime_id} ${JSON.stringify(body)}`);
    }
  }
  for (const showtime_id of ["", 7, null, "x".repeat(129)]) {
    const found = await problem(ask("POST", LOCK, { body: { showtime_id, seat_ids: ["A1"] } }));
    t.match(found, { http: 422, errors: [{ field: "showtime_id" }] });
  }
  t.equal(allocator.asked.length, 0);
});

t.test("every refusal has its status, says whether to ask again, and speaks in labels", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  const cases: [refusal: Refusal, status: number, retryable: boolean, more?: object][] = [
    [{ code: "not_found" }, 404, false],
    [{ code: "sales_closed" }, 409, false],
    [{ code: "not_admitted" }, 403, false],
    [{ code: "hold_limit", held: 9 }, 409, false, { held: 9 }],
    [{ code: "show_full", free: 1 }, 409, false, { free: 1 }],
    [{ code: "waitlist_active", free: 2 }, 409, false, { free: 2 }],
    [{ code: "retry_held", free: 3 }, 409, true, { free: 3, retry_after_s: 5 }],
    [{ code: "seats_taken", seats: [0, 11], free: 4 }, 409, false, { seats: ["A1", "B2"], free: 4 }],
    [{ code: "single_gap", stranded: 2, block: [3, 4] }, 409, false, { stranded: "A3", seats: ["A4", "A5"] }],
    [{ code: "single_gap", stranded: 2, block: [] }, 409, false, { seats: undefined, stranded: "A3" }],
    [{ code: "no_contiguous_block", free: 5 }, 409, false, { free: 5 }],
    [{ code: "already_extended", expiresAt: 0 }, 409, false, { expires_at: "1970-01-01T00:00:00.000Z" }],
    [{ code: "hold_expired", status: "expired" }, 410, false, { booking_status: "expired" }],
    [{ code: "payment_in_progress" }, 409, true, { retry_after_s: 2 }],
    [{ code: "payment_declined", reason: "card_declined" }, 402, false, { reason: "card_declined" }],
    [{ code: "already_booked" }, 409, false],
    [{ code: "idempotency_key_reused" }, 422, false],
  ];
  for (const [refusal, status, retryable, more] of cases) {
    allocator.override = () => ({ kind: "refused", refusal });
    const response = await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A1"] } });
    const found = await problem(response.clone());
    const type = `urn:usher:problem:${refusal.code}`;
    t.match(
      found,
      { http: status, status, code: refusal.code, type, retryable, instance: LOCK, ...more },
      refusal.code,
    );
    t.ok(String(found.detail).length > 10 && found.title, refusal.code);
    const retryAfter = found.retry_after_s === undefined ? null : String(found.retry_after_s);
    t.equal(response.headers.get("retry-after"), retryAfter, refusal.code);
  }
});

t.test("every fault is a 503 with Retry-After; an unknown outcome says to ask with the same key", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  const codes = [
    "store_unavailable",
    "overloaded",
    "payment_unavailable",
    "show_quarantined",
    "outcome_pending",
  ] as const;
  for (const code of codes) {
    for (const outcome of ["none", "unknown"] as const) {
      allocator.override = () => ({ kind: "fault", fault: { code, outcome, retryAfterMs: 1_500 } });
      const response = await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A1"] } });
      t.equal(response.headers.get("retry-after"), "2");
      const found = await problem(response);
      t.match(found, { http: 503, code, retryable: true, retry_after_s: 2 });
      t.equal(/same idempotency key/.test(String(found.detail)), outcome === "unknown");
    }
  }
});

t.test("extend once, release, and only one's own", async (t) => {
  const { ask, problem, tokenOf, time } = await fakeGateway();
  const held = await problem(ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A1", "A2"] } }));
  const path = `${LOCK}/${held.lock_id}`;
  const extended = await problem(ask("POST", `${path}/extend`));
  const expires_at = new Date(time.now() + 600_000).toISOString();
  t.match(extended, { http: 200, booking_id: held.lock_id, status: "held", seats: ["A1", "A2"], expires_at });
  t.match(await problem(ask("POST", `${path}/extend`)), { http: 409, code: "already_extended", expires_at });
  t.match(await problem(ask("POST", `${path}/extend`, { key: "" })), { http: 400, code: "idempotency_key_required" });
  const bob = await tokenOf("bob");
  t.match(await problem(ask("DELETE", path, { token: bob })), { http: 404, code: "not_found" });
  const released = await problem(ask("DELETE", path, { key: "r" }));
  t.match(released, { http: 200, status: "released", booked_at: null, reason: null });
  t.match(await problem(ask("DELETE", path, { key: "r" })), released, "asked again with the same key");
  t.match(await problem(ask("DELETE", path)), { http: 410, code: "hold_expired" });
  const none = await problem(ask("DELETE", `${LOCK}/${SHOW}.${"y".repeat(22)}`));
  t.match(none, { http: 404, detail: "There is no such booking, or it is not yours." });
  for (const id of ["nothing", "show-1.short", `other.${"x".repeat(22)}`, `show-1.${"x".repeat(22)}`, "show-1%00"]) {
    t.match(await problem(ask("DELETE", `${LOCK}/${id}`)), { http: 404, code: "not_found" }, id);
  }
});
