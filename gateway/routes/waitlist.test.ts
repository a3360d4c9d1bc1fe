// The line over HTTP: joining, waiting, offers and every refusal; long polls that lose no wake-up.

import t from "tap";
import type { BookingId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Refusal, Reply, WaiterStatus } from "../../shared/protocol/reply.ts";
import { settled } from "../../waitlist/poll/fake-time.ts";
import { type FakeGateway, fakeGateway, SHOW } from "../fake-gateway.ts";

const JOIN = `/v1/shows/${SHOW}/waitlist`;
const LOCK = "/v1/bookings/lock";
const SEAT_COUNT = 30;

/** Somebody else holds every seat, so that there is something to wait for. */
async function fullShow(limits: Parameters<typeof fakeGateway>[0] = {}): Promise<FakeGateway> {
  const gateway = await fakeGateway(limits);
  const { seats } = gateway.allocator.showOf(SHOW);
  for (let seat = 0; seat < SEAT_COUNT; seat += 1) seats[seat] = 1;
  return gateway;
}

async function joined({ ask, problem }: FakeGateway, quantity = 2, token?: string): Promise<WaiterId> {
  const who = token === undefined ? {} : { token };
  const waiter = await problem(ask("POST", JOIN, { ...who, body: { quantity } }));
  return waiter.waiter_id as WaiterId;
}

t.test("joining answers the whole waiter and where to hear how it goes", async (t) => {
  const { ask, allocator, time, problem } = await fullShow();
  const body = { quantity: 3, categories: ["standard"], accessible: true, contiguous: true };
  const response = await ask("POST", JOIN, { key: "k", body });
  t.equal(response.status, 201);
  const waiter = (await response.json()) as Record<string, unknown>;
  t.strictSame(waiter, {
    waiter_id: waiter.waiter_id,
    show_id: SHOW,
    quantity: 3,
    categories: ["standard"],
    accessible: true,
    contiguous: true,
    state: "waiting",
    version: 1,
    position: 1,
    estimated_wait_s: 62,
    joined_at: new Date(time.now()).toISOString(),
    expires_at: new Date(time.now() + 3_600_000).toISOString(),
    lock_id: null,
    offer: null,
    reason: null,
  });
  t.match(waiter.waiter_id, /^show-1\.[A-Za-z0-9_-]{22}$/);
  t.equal(response.headers.get("location"), `/v1/waitlist/${waiter.waiter_id}`);
  t.match(allocator.asked.at(-1)?.command, {
    kind: "JoinWaitlist",
    session: "ann",
    quantity: 3,
    categories: [1],
    accessible: true,
    contiguous: true,
  });
  t.match(await problem(ask("POST", JOIN, { key: "k", body })), { http: 201, waiter_id: waiter.waiter_id });
  const other = problem(ask("POST", JOIN, { key: "k", body: { ...body, quantity: 2 } }));
  t.match(await other, { http: 422, code: "idempotency_key_reused" });
});

t.test("all categories named, in any order, are the same request as none", async (t) => {
  const { ask, allocator, problem } = await fullShow();
  const first = await problem(ask("POST", JOIN, { key: "k", body: { quantity: 1 } }));
  t.match(first, { http: 201, categories: ["premium", "standard"], accessible: false, contiguous: false });
  t.match(allocator.asked.at(-1)?.command, { categories: [0, 1] });
  const body = { categories: ["standard", "premium"], accessible: false, quantity: 1 };
  t.match(await problem(ask("POST", JOIN, { key: "k", body })), { http: 201, waiter_id: first.waiter_id });
});

t.test("bad bodies name the field, and the show is not asked", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const wanting = (more: object) => ({ quantity: 2, ...more });
  const joins: [body: unknown, field: string][] = [
    [{}, "quantity"],
    [{ quantity: 0 }, "quantity"],
    [{ quantity: 11 }, "quantity"],
    [{ quantity: 1.5 }, "quantity"],
    [{ quantity: "2" }, "quantity"],
    [{ quantity: null }, "quantity"],
    ['{"quantity":1e400}', "quantity"],
    [wanting({ categories: [] }), "categories"],
    [wanting({ categories: "standard" }), "categories"],
    [wanting({ categories: ["standard", "standard"] }), "categories.1"],
    [wanting({ categories: ["standard", "balcony"] }), "categories.1"],
    [wanting({ categories: ["constructor"] }), "categories.0"],
    [wanting({ categories: [1] }), "categories.0"],
    [wanting({ categories: [""] }), "categories.0"],
    [wanting({ categories: Array.from({ length: 17 }, (_, i) => `c${i}`) }), "categories"],
    ['{"quantity":2,"categories":["a\\u0000"]}', "categories.0"],
    ['{"quantity":2,"categories":["\\ud800"]}', "categories.0"],
    [wanting({ accessible: 1 }), "accessible"],
    [wanting({ contiguous: "yes" }), "contiguous"],
    [wanting({ seat_ids: ["A1"] }), "seat_ids"],
    ['{"quantity":2,"__proto__":{"quantity":3}}', "__proto__"],
    [[], "body"],
    ["null", "body"],
    ["", "body"],
  ];
  const waiter = `/v1/waitlist/${SHOW}.${"x".repeat(22)}`;
  const cases: [method: string, path: string, body: unknown, field: string][] = [
    ...joins.map(([body, field]): [string, string, unknown, string] => ["POST", JOIN, body, field]),
    ["PATCH", waiter, {}, "quantity"],
    ["PATCH", waiter, "", "body"],
    ["PATCH", waiter, { quantity: 0 }, "quantity"],
    ["PATCH", waiter, { quantity: 1, categories: ["standard"] }, "categories"],
    ["DELETE", waiter, { reason: "late" }, "reason"],
    ["POST", `${waiter}/offer/decline`, { seat_ids: ["A1"] }, "seat_ids"],
    ["POST", `${waiter}/offer/accept`, { seat_ids: [] }, "seat_ids"],
    ["POST", `${waiter}/offer/accept`, { seat_ids: [1] }, "seat_ids.0"],
    ["POST", `${waiter}/offer/accept`, { seat_ids: ["A1", "A1"] }, "seat_ids.1"],
    ["POST", `${waiter}/offer/accept`, { seat_ids: ["A1", "Z9"] }, "seat_ids.1"],
    ["POST", `${waiter}/offer/accept`, { quantity: 1 }, "quantity"],
  ];
  for (const [method, path, body, field] of cases) {
    const found = await problem(ask(method, path, { body }));
    const name = `${method} ${path} ${JSON.stringify(body)}`;
    t.match(found, { http: 422, code: "validation_failed" }, name);
    t.equal((found.errors as { field: string }[])[0]?.field, field, name);
  }
  t.match(await problem(ask("POST", JOIN, { body: "{" })), { http: 400, code: "malformed_json" });
  const large = { quantity: 1, categories: ["x".repeat(17 * 1024)] };
  t.match(await problem(ask("POST", JOIN, { body: large })), { http: 413, code: "body_too_large" });
  const text = { body: '{"quantity":1}', headers: { "content-type": "text/plain" } };
  t.match(await problem(ask("POST", JOIN, text)), { http: 415, code: "unsupported_media_type" });
  t.match(await problem(ask("POST", JOIN, { key: "", body: { quantity: 1 } })), { code: "idempotency_key_required" });
  t.match(await problem(ask("POST", JOIN, { token: "", body: { quantity: 1 } })), { http: 401 });
  t.equal(allocator.asked.length, 0);
});

t.test("a show that is not there comes before what is wrong with the body", async (t) => {
  const { ask, problem, allocator } = await fullShow();
  for (const show of ["nothing", "no%20such", "x".repeat(41), "%00"]) {
    for (const body of [{ quantity: 1 }, { quantity: 0 }, {}]) {
      const found = await problem(ask("POST", `/v1/shows/${show}/waitlist`, { body }));
      t.match(found, { http: 404, code: "not_found" }, `${show} ${JSON.stringify(body)}`);
    }
  }
  t.equal(allocator.asked.length, 0);
});

t.test("every refusal has its status, and says what to do next", async (t) => {
  const { ask, problem, allocator } = await fullShow();
  const other = `${SHOW}.${"w".repeat(22)}` as WaiterId;
  const lapsed = (status: WaiterStatus, holdId?: BookingId): Refusal => ({ code: "offer_lapsed", status, holdId });
  const ended = (status: WaiterStatus): Refusal => ({ code: "waiter_finished", status });
  const hold = `${SHOW}.${"h".repeat(22)}` as BookingId;
  const cases: [refusal: Refusal, status: number, retryable: boolean, detail: RegExp, more?: object][] = [
    [{ code: "seats_available", free: 4 }, 409, false, /POST \/v1\/bookings\/lock/, { free: 4 }],
    [{ code: "show_full", free: 0 }, 409, false, /^This show is sold out; choose another one\.$/, { free: 0 }],
    [{ code: "already_waiting", waiterId: other }, 409, false, /GET \/v1\/waitlist\/show-1\.w/, { waiter_id: other }],
    [{ code: "hold_limit", held: 9 }, 409, false, /10 seats.*has 9/, { held: 9 }],
    [{ code: "sales_closed" }, 409, false, /another one/],
    [{ code: "not_admitted" }, 403, false, /join its queue/],
    [{ code: "waitlist_full" }, 503, true, /try again later/, { retry_after_s: 60 }],
    [{ code: "waitlist_active", free: 2 }, 409, false, /POST \/v1\/shows\/show-1\/waitlist, or wait for/, { free: 2 }],
    [{ code: "retry_held", free: 3 }, 409, true, /POST \/v1\/shows\/show-1\/waitlist/, { retry_after_s: 5 }],
    [{ code: "no_offer" }, 409, true, /GET \/v1\/waitlist\/\{waiter_id\}\?wait=30/, { retry_after_s: 5 }],
    [lapsed("lapsed"), 410, false, /not taken in time.*join again/, { waiter_state: "lapsed", lock_id: undefined }],
    [
      lapsed("accepted", hold),
      410,
      false,
      /GET \/v1\/bookings\/show-1\.h/,
      { waiter_state: "accepted", lock_id: hold },
    ],
    [{ code: "offer_open" }, 409, false, /accept or decline/],
    [ended("expired"), 409, false, /an hour; join again/, { waiter_state: "expired" }],
    [ended("hopeless"), 409, false, /fewer/, { waiter_state: "hopeless" }],
    [
      { code: "quantity_not_lower", quantity: 3 },
      422,
      false,
      /quantity.*3.*leave and join again/,
      { errors: [{ field: "quantity" }] },
    ],
    [
      { code: "wrong_swap", quantity: 2, seats: [0, 1] },
      422,
      false,
      /A1, A2 are not\. The offer stands/,
      { seats: ["A1", "A2"], errors: [{ field: "seat_ids" }] },
    ],
    [
      { code: "wrong_swap", quantity: 2, seats: [] },
      422,
      false,
      /must name 2, as many as are offered/,
      { seats: undefined, errors: [{ field: "seat_ids" }] },
    ],
  ];
  for (const [refusal, status, retryable, detail, more] of cases) {
    allocator.override = () => ({ kind: "refused", refusal });
    const response = await ask("POST", JOIN, { body: { quantity: 1 } });
    const found = await problem(response.clone());
    const { code } = refusal;
    t.match(found, { http: status, status, code, type: `urn:usher:problem:${code}`, retryable, detail, ...more }, code);
    const retryAfter = found.retry_after_s === undefined ? null : String(found.retry_after_s);
    t.equal(response.headers.get("retry-after"), retryAfter, code);
  }
});

t.test("faults reach the client on every route", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const path = `/v1/waitlist/${await joined(gateway)}`;
  const routes: [method: string, path: string, body?: unknown][] = [
    ["POST", JOIN, { quantity: 1 }],
    ["GET", path],
    ["GET", `${path}?wait=30&after=1`],
    ["PATCH", path, { quantity: 1 }],
    ["DELETE", path],
    ["POST", `${path}/offer/accept`],
    ["POST", `${path}/offer/decline`],
  ];
  const fault = { code: "overloaded", outcome: "none", retryAfterMs: 2_000 } as const;
  allocator.override = () => ({ kind: "fault", fault });
  for (const [method, each, body] of routes) {
    const found = await problem(ask(method, each, { body }));
    t.match(found, { http: 503, code: "overloaded", retry_after_s: 2 }, `${method} ${each}`);
  }
});

t.test("a waiter is its session's alone, and a malformed id is nobody's", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, tokenOf, allocator } = gateway;
  const id = await joined(gateway);
  allocator.offer(SHOW, id, [0, 1]);
  const token = await tokenOf("bob");
  const routes: [method: string, more: string, body?: unknown][] = [
    ["GET", ""],
    ["GET", "?wait=30&after=2"],
    ["PATCH", "", { quantity: 1 }],
    ["DELETE", ""],
    ["POST", "/offer/accept"],
    ["POST", "/offer/accept", { seat_ids: ["A3", "A4"] }],
    ["POST", "/offer/decline"],
  ];
  for (const [method, more, body] of routes) {
    const theirs = await problem(ask(method, `/v1/waitlist/${id}${more}`, { token, body }));
    t.match(theirs, { http: 404, code: "not_found", detail: /no such waiter/ }, `${method} ${more}`);
    t.match(await problem(ask(method, `/v1/waitlist/${id}${more}`, { token: "", body })), { http: 401 });
    const asked = allocator.asked.length;
    for (const bad of ["nothing", `${id}x`, `%00.${"x".repeat(22)}`, `nothing.${"x".repeat(22)}`]) {
      const found = await problem(ask(method, `/v1/waitlist/${bad}${more}`, { body }));
      t.match(found, { http: 404, code: "not_found" }, `${method} ${bad}${more}`);
    }
    t.equal(allocator.asked.length, asked, "no show is asked about an id that is none");
  }
  const lock = problem(ask("POST", LOCK, { token, body: { showtime_id: SHOW, waiter_id: id } }));
  t.match(await lock, { http: 404, code: "not_found" });
  t.match(await problem(ask("GET", `/v1/waitlist/${id}`)), { state: "offered", offer: { seats: ["A1", "A2"] } });
});

t.test("positions are those of the line; fewer seats keep the place", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, tokenOf } = gateway;
  const [bob, cid] = [await tokenOf("bob"), await tokenOf("cid")];
  await joined(gateway, 1, bob);
  const id = await joined(gateway, 3);
  await joined(gateway, 1, cid);
  const path = `/v1/waitlist/${id}`;
  t.match(await problem(ask("GET", path)), { http: 200, position: 2, quantity: 3, version: 2 });
  const lowered = await problem(ask("PATCH", path, { key: "k", body: { quantity: 2 } }));
  t.match(lowered, { http: 200, waiter_id: id, quantity: 2, position: 2, version: 4 });
  t.match(await problem(ask("PATCH", path, { key: "k", body: { quantity: 2 } })), lowered, "once for its key");
  t.match(await problem(ask("PATCH", path, { key: "k", body: { quantity: 1 } })), { code: "idempotency_key_reused" });
  const more = await problem(ask("PATCH", path, { body: { quantity: 3 } }));
  t.match(more, { http: 422, code: "quantity_not_lower", errors: [{ field: "quantity" }] });
  t.match(await problem(ask("POST", JOIN, { body: { quantity: 1 } })), { code: "already_waiting", waiter_id: id });
});

t.test("leaving can be repeated, and then there is nothing to change", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, time } = gateway;
  const id = await joined(gateway);
  const path = `/v1/waitlist/${id}`;
  const left = await problem(ask("DELETE", path, { key: "k" }));
  t.match(left, { http: 200, waiter_id: id, state: "cancelled", position: 0, estimated_wait_s: null, offer: null });
  t.match(left.reason, /You left the line/);
  t.match(await problem(ask("DELETE", path, { key: "k" })), { http: 200, state: "cancelled" });
  t.match(await problem(ask("DELETE", path)), { http: 200, state: "cancelled", version: left.version });
  const change = problem(ask("PATCH", path, { body: { quantity: 1 } }));
  t.match(await change, { http: 409, code: "waiter_finished", waiter_state: "cancelled" });
  const accept = problem(ask("POST", `${path}/offer/accept`));
  t.match(await accept, { http: 410, code: "offer_lapsed", waiter_state: "cancelled" });
  t.match(await problem(ask("GET", path)), { http: 200, state: "cancelled" });
  t.not(await joined(gateway), id, "and it may join again");
  t.same(time.armed, []);
});

t.test("an offer is shown, and accepting it answers a lock", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator, time } = gateway;
  const id = await joined(gateway);
  const path = `/v1/waitlist/${id}`;
  t.match(await problem(ask("POST", `${path}/offer/accept`)), { http: 409, code: "no_offer" });
  allocator.offer(SHOW, id, [0, 1]);
  t.match(await problem(ask("GET", path)), {
    state: "offered",
    offer: { seats: ["A1", "A2"], total: 2400, currency: "USD", expires_at: new Date(time.now() + 120_000).toJSON() },
    position: 0,
    reason: null,
  });
  t.match(await problem(ask("PATCH", path, { body: { quantity: 1 } })), { http: 409, code: "offer_open" });
  const response = await ask("POST", `${path}/offer/accept`, { key: "k" });
  t.equal(response.status, 201);
  const lock = (await response.json()) as Record<string, unknown>;
  const expiresAt = new Date(time.now() + 300_000).toISOString();
  t.strictSame(lock, {
    lock_id: lock.lock_id,
    showtime_id: SHOW,
    seats: ["A1", "A2"],
    total: 2400,
    currency: "USD",
    expires_at: expiresAt,
    expiry_timestamp: expiresAt,
  });
  t.equal(response.headers.get("location"), `/v1/bookings/${lock.lock_id}`);
  const { lock_id } = lock;
  const reason = `The offer was taken; its hold is ${lock_id}: GET /v1/bookings/${lock_id} says what became of it.`;
  t.match(await problem(ask("GET", path)), { state: "accepted", lock_id, offer: null, reason });
  for (const late of ["accept", "decline"]) {
    const found = await problem(ask("POST", `${path}/offer/${late}`));
    t.match(found, { http: 410, code: "offer_lapsed", waiter_state: "accepted", lock_id, detail: reason });
  }
  t.match(await problem(ask("GET", `/v1/bookings/${lock.lock_id}`)), { http: 200, status: "held" });
});

t.test("one key on either route is one acceptance", async (t) => {
  for (const seat_ids of [undefined, ["A3", "A2"]]) {
    const gateway = await fullShow();
    const { ask, problem, allocator } = gateway;
    const id = await joined(gateway);
    allocator.offer(SHOW, id, [0, 1]);
    allocator.showOf(SHOW).seats[2] = 0;
    const swap = seat_ids === undefined ? {} : { seat_ids };
    const byLock = { showtime_id: SHOW, waiter_id: id, ...swap };
    const first = await problem(ask("POST", `/v1/waitlist/${id}/offer/accept`, { key: "k", body: swap }));
    t.match(first, { http: 201, seats: seat_ids ?? ["A1", "A2"] });
    const version = allocator.showOf(SHOW).version;
    t.same(await problem(ask("POST", LOCK, { key: "k", body: byLock })), first);
    const reordered = { showtime_id: SHOW, waiter_id: id, seat_ids: ["A2", "A3"] };
    if (seat_ids !== undefined) t.same(await problem(ask("POST", LOCK, { key: "k", body: reordered })), first);
    t.equal(allocator.showOf(SHOW).version, version, "nothing happened");
    const commands = allocator.asked.map(({ command }) => command).filter(({ kind }) => kind === "AcceptOffer");
    t.same(commands.at(0), { ...commands.at(1) });
    const otherwise = { showtime_id: SHOW, waiter_id: id, seat_ids: ["A1"] };
    t.match(await problem(ask("POST", LOCK, { key: "k", body: otherwise })), { code: "idempotency_key_reused" });
  }
});

t.test("a lock with waiter_id takes up the offer of that show, and of no other", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const waiter_id = await joined(gateway);
  allocator.offer(SHOW, waiter_id, [0, 1]);
  const asked = allocator.asked.length;
  for (const body of [
    { showtime_id: "show-2", waiter_id },
    { showtime_id: SHOW, waiter_id: "w" },
    { showtime_id: SHOW, waiter_id: `show-2.${"x".repeat(22)}` },
  ]) {
    t.match(await problem(ask("POST", LOCK, { body })), { http: 404, code: "not_found" }, JSON.stringify(body));
  }
  t.equal(allocator.asked.length, asked);
  const taken = await problem(ask("POST", LOCK, { body: { showtime_id: SHOW, waiter_id } }));
  t.match(taken, { http: 201, showtime_id: SHOW, seats: ["A1", "A2"] });
  const again = problem(ask("POST", LOCK, { body: { showtime_id: SHOW, waiter_id } }));
  t.match(await again, { http: 410, code: "offer_lapsed", waiter_state: "accepted" });
});

t.test("a swap is refused with the offer left standing, and speaks in labels", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const waiter = await problem(ask("POST", JOIN, { body: { quantity: 2, categories: ["premium"] } }));
  const id = waiter.waiter_id as WaiterId;
  allocator.offer(SHOW, id, [0, 1]);
  allocator.showOf(SHOW).seats[11] = 0;
  const accept = (...seat_ids: string[]) =>
    problem(ask("POST", `/v1/waitlist/${id}/offer/accept`, { body: { seat_ids } }));
  t.match(await accept("A1"), { http: 422, code: "wrong_swap", seats: undefined, detail: /must name 2/ });
  t.match(await accept("A1", "B2"), { http: 422, code: "wrong_swap", seats: ["B2"], detail: /B2 is not/ });
  t.match(await accept("A1", "A5"), { http: 409, code: "seats_taken", seats: ["A5"], detail: /The offer stands/ });
  allocator.override = () => ({ kind: "refused", refusal: { code: "single_gap", stranded: 3, block: [2, 3] } });
  t.match(await accept("A1", "A3"), { code: "single_gap", stranded: "A4", detail: /A4 would.*The offer stands/ });
  allocator.override = () => ({ kind: "refused", refusal: { code: "waitlist_active", free: 1 } });
  t.match(await accept("A1", "A3"), { http: 409, code: "waitlist_active", detail: /ahead of you.*The offer stands/ });
  allocator.override = undefined;
  t.match(await problem(ask("GET", `/v1/waitlist/${id}`)), { state: "offered", offer: { seats: ["A1", "A2"] } });
  allocator.showOf(SHOW).seats[2] = 0;
  t.match(await accept("A3", "A2"), { http: 201, seats: ["A3", "A2"] });
  t.same(allocator.showOf(SHOW).seats.slice(0, 3), [0, 1, 1], "what was offered and not taken is free");
});

t.test("declining ends the place and frees the seats", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const id = await joined(gateway);
  const path = `/v1/waitlist/${id}/offer/decline`;
  const early = await problem(ask("POST", path));
  t.match(early, { http: 409, code: "no_offer", retryable: true });
  t.ok(String(early.detail).includes(`DELETE /v1/waitlist/${id}.`), "how to leave");
  allocator.offer(SHOW, id, [0, 1]);
  t.match(await problem(ask("POST", path, { key: "k" })), {
    http: 200,
    state: "declined",
    offer: null,
    reason: /join/,
  });
  t.match(await problem(ask("POST", path, { key: "k" })), { http: 200, state: "declined" });
  t.same(allocator.showOf(SHOW).seats.slice(0, 2), [0, 0]);
  const late = problem(ask("POST", `/v1/waitlist/${id}/offer/accept`));
  t.match(await late, { http: 410, code: "offer_lapsed", waiter_state: "declined" });
});

t.test("every end of a place has its reason, for people", async (t) => {
  const ends: WaiterStatus[] = ["declined", "lapsed", "cancelled", "expired", "hopeless", "absent", "closed"];
  const reasons = new Set<unknown>();
  for (const status of ends) {
    const gateway = await fullShow();
    const id = await joined(gateway);
    gateway.allocator.endWaiter(SHOW, id, status);
    const waiter = await gateway.problem(gateway.ask("GET", `/v1/waitlist/${id}`));
    t.match(waiter, {
      http: 200,
      state: status,
      position: 0,
      estimated_wait_s: null,
      reason: /join again|another show/,
    });
    reasons.add(waiter.reason);
  }
  t.equal(reasons.size, ends.length);
});

t.test("what can never be had says what could be, by what was asked", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const anew = ", or choose another show.";
  const joins: [body: object, free: number, detail: string][] = [
    [{ quantity: 1 }, 0, "This show is sold out; choose another one."],
    [{ quantity: 1, contiguous: true }, 0, "This show is sold out; choose another one."],
    [{ quantity: 1, categories: ["premium"] }, 0, `What you named is sold out; ask for other categories${anew}`],
    [{ quantity: 3 }, 1, `So many seats can no longer be had; ask for fewer${anew}`],
    [
      { quantity: 3, categories: ["premium", "standard"] },
      1,
      `So many seats can no longer be had; ask for fewer${anew}`,
    ],
    [
      { quantity: 3, categories: ["standard"] },
      1,
      `So many seats can no longer be had; ask for fewer or for other categories${anew}`,
    ],
    [
      { quantity: 3, contiguous: true },
      3,
      `So many seats side by side can no longer be had; ask without \`contiguous\` or for fewer${anew}`,
    ],
    [
      { quantity: 3, contiguous: true },
      2,
      `So many seats can no longer be had, or not side by side; ask without \`contiguous\` or for fewer${anew}`,
    ],
  ];
  const refusal = (free: number): Reply => ({ kind: "refused", refusal: { code: "show_full", free } });
  for (const [body, free, detail] of joins) {
    allocator.override = () => refusal(free);
    t.match(await problem(ask("POST", JOIN, { body })), { http: 409, code: "show_full", free, detail });
  }
  const locks: [body: object, detail: string][] = [
    [{ quantity: 1 }, "This show is sold out; choose another one."],
    [{ seat_ids: ["A1"] }, "This show is sold out; choose another one."],
    [{ quantity: 2, contiguous: true }, `So many seats can no longer be had; ask for fewer${anew}`],
    [{ quantity: 1, category: "premium" }, `What you named is sold out; ask for other categories${anew}`],
  ];
  for (const [body, detail] of locks) {
    allocator.override = () => refusal(0);
    const found = await problem(ask("POST", LOCK, { body: { showtime_id: SHOW, ...body } }));
    t.match(found, { http: 409, code: "show_full", free: 0, detail });
  }
  allocator.override = undefined;
  const hopeless: [body: object, reason: string][] = [
    [{ quantity: 1 }, "This show is sold out; choose another one."],
    [
      { quantity: 2, categories: ["premium"] },
      `So many seats can no longer become free; join again for fewer or for other categories${anew}`,
    ],
    [
      { quantity: 2, contiguous: true },
      `So many seats can no longer become free, or not side by side; join again without \`contiguous\` or for fewer${anew}`,
    ],
  ];
  for (const [body, reason] of hopeless) {
    const { waiter_id } = await problem(ask("POST", JOIN, { body }));
    allocator.endWaiter(SHOW, waiter_id as WaiterId, "hopeless");
    t.match(await problem(ask("GET", `/v1/waitlist/${waiter_id}`)), { state: "hopeless", reason });
  }
});

t.test("bad waits name the parameter", async (t) => {
  const gateway = await fullShow();
  const { ask, problem } = gateway;
  const id = await joined(gateway);
  for (const [query, field] of [
    ["wait=31", "wait"],
    ["wait=-1", "wait"],
    ["wait=0.5", "wait"],
    ["wait=1&wait=2", "wait"],
    ["wait=1&after=x", "after"],
    ["after=%00", "after"],
    ["wiat=30&after=1", "wiat"],
    ["wait=30&after=1&__proto__=1", "__proto__"],
  ] as const) {
    for (const path of [`/v1/waitlist/${id}`, `/v1/bookings/${id}`])
      t.match(await problem(ask("GET", `${path}?${query}`)), { http: 422, errors: [{ field }] }, query);
  }
  const misspelt = problem(ask("GET", `/v1/waitlist/${id}?wiat=30`));
  t.match(await misspelt, { errors: [{ field: "wiat", message: "is not a parameter here" }] });
});

t.test("a long poll answers news at once, else the offer when it comes, else the present", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator, time, tokenOf } = gateway;
  const first = await joined(gateway, 2, await tokenOf("bob"));
  const id = await joined(gateway);
  const poll = (query: string) => problem(ask("GET", `/v1/waitlist/${id}?${query}`));
  t.match(await poll("wait=30&after=0"), { http: 200, version: 2 });
  t.match(await poll("wait=30"), { http: 200, version: 2 }, "without `after`");
  t.match(await poll("wait=0&after=2"), { http: 200, version: 2 }, "without a wait");
  let isAnswered = false;
  const waiting = poll("wait=30&after=2").then((waiter) => {
    isAnswered = true;
    return waiter;
  });
  await settled();
  allocator.endWaiter(SHOW, first, "cancelled");
  await settled();
  t.equal(isAnswered, false, "a new position alone is not news");
  allocator.offer(SHOW, id, [0, 1]);
  t.match(await waiting, { http: 200, state: "offered", version: 4, offer: { seats: ["A1", "A2"] } });
  const late = poll("wait=5&after=4");
  await settled();
  await time.pass(5_100);
  t.match(await late, { http: 200, state: "offered", version: 4 });
  t.same(time.armed, []);
});

t.test("an offer that is made after the reading and before the parking is not lost", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const id = await joined(gateway);
  let isFirst = true;
  allocator.override = (showId, command): Reply | undefined => {
    if (!isFirst || command.kind !== "ReadWaiter") return undefined;
    isFirst = false;
    const old = allocator.answer(showId, command);
    allocator.offer(SHOW, id, [0, 1]);
    return old;
  };
  // No time passes in this test: only a wake-up can end the wait.
  t.match(await problem(ask("GET", `/v1/waitlist/${id}?wait=30&after=1`)), { http: 200, state: "offered" });
});

t.test("an offer whose message was lost with its show's owner is heard when the show is loaded anew", async (t) => {
  const gateway = await fullShow();
  const { ask, problem, allocator } = gateway;
  const id = await joined(gateway);
  const waiting = problem(ask("GET", `/v1/waitlist/${id}?wait=30&after=1`));
  await settled();
  const show = allocator.showOf(SHOW);
  const before = show.line.get(id);
  if (before === undefined) throw new Error("nobody waits");
  show.line.set(id, { ...before, status: "closed", version: 2 });
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
  t.match(await waiting, { http: 200, state: "closed", version: 2 });
});

t.test("a client that goes away frees its place; a full lot says so; a drained gateway answers", async (t) => {
  const gateway = await fullShow({ parkedPollsMax: 1 });
  const { ask, problem, time } = gateway;
  const path = `/v1/waitlist/${await joined(gateway)}?wait=30&after=1`;
  const leaving = new AbortController();
  const first = ask("GET", path, { signal: leaving.signal });
  await settled();
  t.match(await problem(ask("GET", path)), { http: 503, code: "overloaded", retryable: true, retry_after_s: 1 });
  leaving.abort();
  await first;
  const second = problem(ask("GET", path));
  await settled();
  gateway.gateway.drain();
  t.match(await second, { http: 200, state: "waiting", version: 1 });
  const again = problem(ask("GET", path));
  t.match(await again, { http: 503, code: "overloaded", retry_after_s: 1, detail: /stopping.*ask again/ });
  t.same(time.armed, []);
});
