// E-tickets over HTTP: codes for who booked, keys for everybody, and one `valid` a ticket for the gates.

import { generateKeyPairSync } from "node:crypto";
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from "jose";
import t from "tap";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import { qrPng, qrSvg } from "../../shared/tickets/qr-code.ts";
import { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import { type FakeGateway, fakeGateway, SHOW } from "../fake-gateway.ts";

const VERIFY = "/v1/tickets/verify";

interface Ticket {
  readonly seat: string;
  readonly token: string;
  readonly svg: string;
  readonly png: string;
  readonly used_at: string | null;
}

async function booked({ ask, problem }: FakeGateway, seats = ["A1", "A2"]) {
  const lock = await problem(ask("POST", "/v1/bookings/lock", { body: { showtime_id: SHOW, seat_ids: seats } }));
  const id = lock.lock_id as BookingId;
  const body = { lock_id: id, payment_token: "pm_card_visa" };
  const booking = await problem(ask("POST", "/v1/bookings/confirm", { body }));
  const [first, second] = booking.tickets as Ticket[];
  return { id, booking, first: first as Ticket, second: second as Ticket };
}

/** A gate, and how it asks. */
async function gateOf(gateway: FakeGateway, name = "north") {
  const token = await gateway.tokenOf(`gate-${name}`, "gate");
  return (ticket: string, more: { show?: string; key?: string } = {}) =>
    gateway.problem(
      gateway.ask("POST", VERIFY, {
        token,
        key: more.key,
        body: { token: ticket, show_id: more.show ?? SHOW, gate: name },
      }),
    );
}

t.test("a booking has a ticket a seat, the same wherever it is read", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem } = gateway;
  const { id, booking, first } = await booked(gateway);
  t.match(booking, { http: 200, tickets: [{ seat: "A1", used_at: null }, { seat: "A2" }] });
  t.equal(first.svg, `/v1/bookings/${id}/tickets/A1.svg`);
  t.equal(first.png, `/v1/bookings/${id}/tickets/A1.png`);
  const read = await problem(ask("GET", `/v1/bookings/${id}`));
  t.same(read.tickets, booking.tickets);
  gateway.allocator.settle(SHOW, id, { status: "cancelled" });
  t.same((await problem(ask("GET", `/v1/bookings/${id}`))).tickets, []);
});

t.test("the published key verifies a ticket, and is nobody's secret", async (t) => {
  const gateway = await fakeGateway();
  const { first } = await booked(gateway);
  const response = await gateway.ask("GET", "/v1/tickets/keys", { token: "" });
  t.equal(response.headers.get("cache-control"), "public, max-age=3600");
  const keys = (await response.json()) as JSONWebKeySet;
  t.notMatch(JSON.stringify(keys), /"d":/);
  const { payload } = await compactVerify(first.token, createLocalJWKSet(keys));
  t.match(JSON.parse(Buffer.from(payload).toString("utf8")), { show_id: SHOW, seat: "A1" });
});

t.test("a code is its session's alone, kept privately, and asked for again at no cost", async (t) => {
  const gateway = await fakeGateway();
  const { ask, tokenOf } = gateway;
  const { first } = await booked(gateway);
  const svg = await ask("GET", first.svg);
  t.equal(svg.headers.get("content-type"), "image/svg+xml");
  t.equal(svg.headers.get("cache-control"), "private, max-age=3600");
  t.equal(await svg.text(), qrSvg(first.token));
  const png = await ask("GET", first.png);
  t.equal(png.headers.get("content-type"), "image/png");
  t.same(Buffer.from(await png.arrayBuffer()), Buffer.from(qrPng(first.token)));
  const etag = svg.headers.get("etag") as string;
  t.not(png.headers.get("etag"), etag);
  const again = await ask("GET", first.svg, { headers: { "if-none-match": etag } });
  t.equal(again.status, 304);
  t.equal(await again.text(), "");
  const bob = await tokenOf("bob");
  t.match(await gateway.problem(ask("GET", first.svg, { token: bob })), { http: 404, code: "not_found" });
  t.match(await gateway.problem(ask("GET", first.svg, { token: "" })), { http: 401 });
});

t.test("there is no code of a seat that is not in it, nor of what is not booked", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, allocator } = gateway;
  const { id, first } = await booked(gateway);
  const at = `/v1/bookings/${id}/tickets`;
  for (const file of ["A3.svg", "Z9.png", "A1.gif", "A1", ".svg", "A1.svg.svg", "%00.svg", "%ff.svg", "a1.svg"]) {
    t.match(await problem(ask("GET", `${at}/${file}`)), { http: 404, code: "not_found" }, file);
  }
  t.match(await problem(ask("GET", `/v1/bookings/${SHOW}.short/tickets/A1.svg`)), { http: 404 });
  for (const status of ["held", "paying", "expired", "released", "declined"] as const) {
    allocator.settle(SHOW, id, { status });
    t.match(await problem(ask("GET", first.svg)), { http: 409, code: "not_booked", booking_status: status });
  }
  allocator.settle(SHOW, id, { status: "cancelled" });
  t.match(await problem(ask("GET", first.png)), { http: 410, code: "ticket_cancelled" });
});

t.test("one scan of a ticket is valid; the others hear when and where it was", async (t) => {
  const gateway = await fakeGateway();
  const { ask, problem, time } = gateway;
  const { id, first, second } = await booked(gateway);
  const [north, south] = [await gateOf(gateway), await gateOf(gateway, "south")];
  const when = new Date(time.now()).toISOString();
  const valid = {
    http: 200,
    result: "valid",
    booking_id: id,
    show_id: SHOW,
    seat: "A1",
    first_used_at: when,
    first_used_gate: "north",
  };
  t.match(await north(first.token, { key: "scan-1" }), valid);
  time.nowMs += 5_000;
  t.match(await north(first.token, { key: "scan-1" }), valid, "the same key, the same answer");
  t.match(await north(first.token, { key: "scan-2" }), { ...valid, result: "already_used" });
  t.match(await south(first.token, { key: "scan-1" }), { ...valid, result: "already_used" }, "a key is one gate's own");
  t.match(await south(second.token), { result: "valid", seat: "A2", first_used_gate: "south" });
  t.match(await problem(ask("GET", `/v1/bookings/${id}`)), {
    tickets: [{ seat: "A1", used_at: when }, { seat: "A2" }],
  });
});

t.test("what opens nothing says so with 200, and asks no show where the token tells", async (t) => {
  const gateway = await fakeGateway();
  const { allocator } = gateway;
  const { id, first } = await booked(gateway);
  const gate = await gateOf(gateway);
  const nobodys = { result: "invalid", booking_id: null, show_id: null, seat: null, first_used_at: null };
  const before = allocator.asked.length;
  t.match(await gate(first.token, { show: "show-2" }), {
    ...{ http: 200, result: "wrong_show", booking_id: id, show_id: SHOW, seat: "A1", first_used_at: null },
  });
  const foreign = new TicketTokens(generateKeyPairSync("ed25519").privateKey).of(id, SHOW, "A1");
  for (const token of ["", "x", foreign, "x".repeat(10_240), `${first.token}A`, "€", first.token.toUpperCase()]) {
    t.match(await gate(token), { http: 200, ...nobodys }, token.slice(0, 40));
  }
  t.equal(allocator.asked.length, before);
  t.match(await gate(first.token, { key: "k" }), { result: "valid" }, "and none of them used it up");
  allocator.settle(SHOW, id, { status: "cancelled" });
  t.match(await gate(first.token), { http: 200, result: "cancelled", booking_id: id, seat: "A1", first_used_at: null });
});

t.test("a token of ours that names nothing here is invalid", async (t) => {
  const gateway = await fakeGateway();
  const { tokens, allocator } = gateway;
  const gate = await gateOf(gateway);
  const id = (show: string) => `${show}.${"x".repeat(22)}` as BookingId;
  const elsewhere = "elsewhere" as ShowId;
  t.match(await gate(tokens.of(id(SHOW), SHOW, "A1")), { http: 200, result: "invalid", booking_id: null });
  t.match(await gate(tokens.of(id(SHOW), SHOW, "Z99")), { http: 200, result: "invalid" });
  t.match(await gate(tokens.of(id(elsewhere), elsewhere, "A1"), { show: elsewhere }), { http: 200, result: "invalid" });
  const { first } = await booked(gateway);
  const fault: Reply = { kind: "fault", fault: { code: "outcome_pending", outcome: "unknown", retryAfterMs: 1_000 } };
  allocator.override = () => fault;
  t.match(await gate(first.token), { http: 503, code: "outcome_pending" }, "no verdict is not a no");
  allocator.override = () => ({ kind: "refused", refusal: { code: "idempotency_key_reused" } });
  t.match(await gate(first.token), { http: 422, code: "idempotency_key_reused" });
});

t.test("only gates and admins ask, with a key, a show and a name", async (t) => {
  const { ask, problem, tokenOf } = await fakeGateway();
  const body = { token: "x", show_id: SHOW, gate: "north" };
  t.match(await problem(ask("POST", VERIFY, { body })), { http: 403, code: "forbidden" });
  t.match(await problem(ask("POST", VERIFY, { body, token: "" })), { http: 401 });
  const token = await tokenOf("root", "admin");
  t.match(await problem(ask("POST", VERIFY, { body, token })), { http: 200, result: "invalid" });
  t.match(await problem(ask("POST", VERIFY, { body, token, key: "" })), {
    http: 400,
    code: "idempotency_key_required",
  });
  const cases: [body: object, field: string][] = [
    [{ ...body, token: undefined }, "token"],
    [{ ...body, token: 1 }, "token"],
    [{ ...body, token: "a\0b" }, "token"],
    [{ ...body, show_id: "a b" }, "show_id"],
    [{ ...body, show_id: null }, "show_id"],
    [{ ...body, gate: "" }, "gate"],
    [{ ...body, gate: "a\nb" }, "gate"],
    [{ ...body, gate: "x".repeat(65) }, "gate"],
    [{ ...body, seat: "A1" }, "seat"],
  ];
  for (const [wrong, field] of cases) {
    const found = await problem(ask("POST", VERIFY, { body: wrong, token }));
    t.match(found, { http: 422, code: "validation_failed", errors: [{ field }] }, JSON.stringify(wrong));
  }
});
