import t from "tap";
import { type Asking, fakeGateway, SHOW } from "../fake-gateway.ts";

const BASE = `/v1/admin/shows/${SHOW}`;

async function adminGateway() {
  const gateway = await fakeGateway();
  const admin = await gateway.tokenOf("root", "admin");
  const ask = (method: string, path: string, asking: Asking = {}) =>
    gateway.problem(gateway.ask(method, path, { token: admin, ...asking }));
  return { ...gateway, ask };
}

t.test("block and unblock, by label, once for a key", async (t) => {
  const { ask, allocator } = await adminGateway();
  const body = { seats: ["A1", "B2"] };
  t.match(await ask("POST", `${BASE}/block`, { key: "k", body }), { http: 200, show_id: SHOW, seats: ["A1", "B2"] });
  t.match(await ask("POST", `${BASE}/block`, { key: "k", body }), { http: 200 });
  t.equal(allocator.showOf(SHOW).version, 1);
  t.match(await ask("GET", `/v1/shows/${SHOW}/seatmap`), { counts: { blocked: 2, free: 28 } });
  t.match(await ask("POST", `${BASE}/unblock`, { key: "k", body }), { http: 422, code: "idempotency_key_reused" });
  t.match(await ask("POST", `${BASE}/unblock`, { body }), { http: 200 });
  await ask("POST", "/v1/bookings/lock", { body: { showtime_id: SHOW, seat_ids: ["A1"] } });
  const taken = await ask("POST", `${BASE}/block`, { body });
  t.match(taken, { http: 409, code: "seats_taken", seats: ["A1"], free: 29 });
});

t.test("only for admins, and only with a key", async (t) => {
  const { ask, tokenOf, allocator } = await adminGateway();
  const body = { seats: ["A1"] };
  for (const path of ["/block", "/unblock"]) {
    t.match(await ask("POST", BASE + path, { token: await tokenOf("ann"), body }), { http: 403, code: "forbidden" });
    t.match(await ask("POST", BASE + path, { token: await tokenOf("g", "gate"), body }), { http: 403 });
    t.match(await ask("POST", BASE + path, { token: "", body }), { http: 401 });
    t.match(await ask("POST", BASE + path, { key: "", body }), { http: 400, code: "idempotency_key_required" });
  }
  t.match(await ask("GET", `${BASE}/log`, { token: "" }), { http: 401 });
  t.equal(allocator.asked.length, 0);
});

t.test("bad bodies name the field", async (t) => {
  const { ask, allocator } = await adminGateway();
  const cases: [body: unknown, field: string, more?: object][] = [
    [{}, "seats"],
    [{ seats: [] }, "seats"],
    [{ seats: "A1" }, "seats"],
    [{ seats: [7] }, "seats.0"],
    [{ seats: ["A1", "A1"] }, "seats.1", { seats: ["A1"] }],
    [{ seats: ["X1"] }, "seats.0", { seats: ["X1"] }],
    [{ seats: ["A1"], reason: "x" }, "reason"],
  ];
  for (const [body, field, more] of cases) {
    const found = await ask("POST", `${BASE}/block`, { body });
    t.match(found, { http: 422, errors: [{ field }], ...more }, JSON.stringify(body));
  }
  t.match(await ask("POST", "/v1/admin/shows/nothing/block", { body: { seats: ["A1"] } }), { http: 404 });
  t.equal(allocator.asked.length, 0);
});

t.test("the log speaks in labels and times, page by page, and gives no secret away", async (t) => {
  const { ask } = await adminGateway();
  for (const seat of ["A1", "A2", "A3"]) {
    await ask("POST", "/v1/bookings/lock", { body: { showtime_id: SHOW, seat_ids: [seat] } });
  }
  const first = await ask("GET", `${BASE}/log?limit=2`);
  t.match(first, { http: 200, show_id: SHOW, next_after: 2, entries: [{ seq: 1, epoch: 1 }, { seq: 2 }] });
  const [entry] = first.entries as { at: string; events: Record<string, unknown>[] }[];
  t.match(entry?.at, /^2027-.*Z$/);
  const [event] = entry?.events ?? [];
  t.match(event, { kind: "HoldPlaced", seats: ["A1"], expires_at: /^2027-.*Z$/ });
  t.equal("request_hash" in (event ?? {}), false);
  const second = await ask("GET", `${BASE}/log?limit=2&after=2`);
  t.match(second, { entries: [{ seq: 3 }], next_after: null });
  for (const query of ["limit=0", "limit=1001", "after=-1", "after=x"]) {
    t.match(await ask("GET", `${BASE}/log?${query}`), { http: 422, errors: [{ field: query.split("=")[0] }] }, query);
  }
});

t.test("the log says who joined a line for what", async (t) => {
  const { ask, allocator } = await adminGateway();
  const joined = { kind: "WaiterJoined", waiterId: `${SHOW}.w`, quantity: 2, categories: [0, 1], requestHash: 1 };
  allocator.showOf(SHOW).log.push({ seq: 1, epoch: 1, at: 0, events: [joined] });
  const { entries } = await ask("GET", `${BASE}/log`);
  const [entry] = entries as { events: object[] }[];
  const categories = ["premium", "standard"];
  t.strictSame(entry?.events, [{ kind: "WaiterJoined", waiter_id: `${SHOW}.w`, quantity: 2, categories }]);
});
