// Goal: what the provider does becomes the right outcome, in bounded time, and the same order is never paid twice.
// Method: the adapter against the payment simulator over real HTTP, and against raw servers where a peer must misbehave
// below HTTP. Nothing waits for a fixed time: tests wait for conditions, tap for the slow ones.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import t, { type Test } from "tap";
import { type PaymentSimulator, SIMULATOR_KEY, startPaymentSimulator } from "../../demo/payment-simulator/server.ts";
import type { BookingId } from "../../shared/kernel/ids.ts";
import { BREAKER_FAILURES_MIN } from "./breaker.ts";
import type { AuthoriseOutcome, AuthoriseRequest, PaymentGateway } from "./port.ts";
import { CALLS_MAX, type PaymentTrouble, StripeGateway, type StripeGatewayOptions } from "./stripe-adapter.ts";
import { SOCKETS_MAX } from "./stripe-adapter-http.ts";

const REFUSED_WITHIN_MS = 50;

/** Removed after everything that still uses it is closed; tap's own fixtures go before. */
async function folderFor(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "usher-payments-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function simulatorFor(t: Test, options: { lateMs?: number; apiKey?: string } = {}): Promise<PaymentSimulator> {
  const simulator = await startPaymentSimulator({ dataDir: await folderFor(t), port: 0, ...options });
  t.teardown(() => simulator.close());
  return simulator;
}

function gatewayFor(t: Test, url: string, options: Partial<StripeGatewayOptions> = {}): StripeGateway {
  const gateway = new StripeGateway({ url, apiKey: SIMULATOR_KEY, ...options });
  t.teardown(() => gateway.close());
  return gateway;
}

const order = (paymentToken: string, more: Partial<AuthoriseRequest> = {}): AuthoriseRequest => ({
  bookingId: `show-1.${paymentToken.padEnd(22, "x").slice(0, 22)}` as BookingId,
  attempt: 1,
  amount: 1_250,
  currency: "USD",
  purpose: "begin",
  timeoutMs: 5_000,
  paymentToken,
  ...more,
});

interface LedgerIntent {
  readonly id: string;
  readonly booking_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
}

async function intentsOf(simulator: PaymentSimulator): Promise<LedgerIntent[]> {
  const ledger = (await (await fetch(`${simulator.url}/sim/ledger`)).json()) as { intents: LedgerIntent[] };
  return ledger.intents;
}

function referenceOf(outcome: AuthoriseOutcome): string {
  if (outcome.kind !== "authorised") throw new Error(`not authorised: ${JSON.stringify(outcome)}`);
  return outcome.reference;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await nextTick();
}

async function openBreaker(gateway: PaymentGateway): Promise<void> {
  for (let n = 0; n < BREAKER_FAILURES_MIN; n++) {
    await gateway.authorise(order("pm_sim_error", { attempt: n + 1 }));
  }
}

t.test("a payment is authorised, then captured, each once", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const request = order("pm_card_visa");
  const reference = referenceOf(await gateway.authorise(request));
  t.match(await intentsOf(simulator), [
    { id: reference, booking_id: request.bookingId, amount: 1_250, currency: "usd", status: "requires_capture" },
  ]);
  t.equal(await gateway.capture(reference, "capture-1"), "captured");
  t.equal(await gateway.capture(reference, "capture-1"), "captured", "asked again");
  t.equal(await gateway.capture(reference, "capture-2"), "captured", "asked again by somebody without the key");
  t.equal(await gateway.cancel(reference, "cancel-1"), "already_captured");
  t.match(await intentsOf(simulator), [{ id: reference, status: "succeeded" }]);
});

t.test("what was captured is refunded once, however often it is asked; what was not cannot be", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const reference = referenceOf(await gateway.authorise(order("pm_card_visa")));
  t.equal(await gateway.refund(reference, "early"), "failed");
  t.equal(await gateway.capture(reference, "capture-1"), "captured");
  t.equal(await gateway.cancel(reference, "cancel-1"), "already_captured");
  t.equal(await gateway.refund(reference, "refund-1"), "refunded");
  t.equal(await gateway.refund(reference, "refund-1"), "refunded", "the same request");
  t.equal(await gateway.refund(reference, "refund-2"), "refunded", "another: it is given back already");
  t.match(await intentsOf(simulator), [{ amount_received: 1_250, amount_refunded: 1_250 }]);
  t.equal(await gateway.refund("pi_of_nobody", "refund-3"), "failed");
  t.equal(await gateway.refund("free", "refund-4"), "refunded");
  await simulator.close();
  t.equal(await gateway.refund(reference, "refund-1"), "unknown");
});

t.test("an authorisation is cancelled once and then stays so", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const reference = referenceOf(await gateway.authorise(order("pm_sim_duplicate")));
  t.equal(await gateway.cancel(reference, "cancel-1"), "cancelled");
  t.equal(await gateway.cancel(reference, "cancel-2"), "cancelled");
  t.equal(await gateway.capture(reference, "capture-1"), "failed");
  t.equal(await gateway.capture("pi_of_nobody", "capture-2"), "failed");
  t.equal(await gateway.cancel("pi_of_nobody", "cancel-3"), "failed");
});

t.test("what the provider refuses is declined, with its reason", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const declined = { kind: "declined", reason: "generic_decline" };
  t.same(await gateway.authorise(order("pm_card_chargeDeclined")), declined);
  t.same(await gateway.authorise(order("pm_card_chargeDeclined")), declined, "asked again");
  t.same(await gateway.authorise(order("pm_nobody")), { kind: "declined", reason: "resource_missing" });
  for (const token of ["", "\0", "pm card", "\ud800", "x".repeat(256)]) {
    const bookingId = "show-1.aaaaaaaaaaaaaaaaaaaaaa" as BookingId;
    const outcome = await gateway.authorise(order(token, { bookingId }));
    t.same(outcome, { kind: "declined", reason: "invalid_payment_method" }, JSON.stringify(token));
  }
  t.same(await gateway.authorise(order("pm_card_visa", { amount: 1e11 })), {
    kind: "declined",
    reason: "amount_too_large",
  });
  await gateway.authorise(order("pm_card_visa"));
  const other = order("pm_card_visa", { amount: 1 });
  t.same(await gateway.authorise(other), { kind: "unknown" }, "of the key's first request this says nothing");
});

t.test("a free order never reaches the provider", async (t) => {
  const gateway = gatewayFor(t, "http://127.0.0.1:1");
  t.same(await gateway.authorise(order("pm_nobody", { amount: 0 })), { kind: "authorised", reference: "free" });
  t.equal(await gateway.capture("free", "capture-1"), "captured");
  t.equal(await gateway.cancel("free", "cancel-1"), "cancelled");
});

t.test("the identical request is one payment, one after the other and at once", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const first = referenceOf(await gateway.authorise(order("pm_card_visa")));
  t.equal(referenceOf(await gateway.authorise(order("pm_card_visa"))), first);
  const second = order("pm_card_visa", { attempt: 2 });
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => gateway.authorise(second)));
  const references = new Set(outcomes.filter((o) => o.kind === "authorised").map(referenceOf));
  t.equal(references.size, 1);
  t.ok(outcomes.every((o) => o.kind === "authorised" || o.kind === "unknown"));
  t.equal((await intentsOf(simulator)).length, 2, "another attempt is another payment");
});

t.test("no answer in time is unknown; asking again finds what happened", async (t) => {
  const simulator = await simulatorFor(t, { lateMs: 200 });
  const gateway = gatewayFor(t, simulator.url);
  t.same(await gateway.authorise(order("pm_sim_timeout", { timeoutMs: 30 })), { kind: "unknown" });
  t.same(await intentsOf(simulator), [], "nothing happened");

  const late = order("pm_sim_late", { timeoutMs: 30 });
  t.same(await gateway.authorise(late), { kind: "unknown" });
  t.match(await intentsOf(simulator), [{ status: "processing" }]);
  let outcome: AuthoriseOutcome = { kind: "unknown" };
  await until(async () => {
    outcome = await gateway.authorise({ ...late, timeoutMs: 5_000 });
    return outcome.kind !== "unknown";
  });
  t.match(await intentsOf(simulator), [{ id: referenceOf(outcome), status: "requires_capture" }]);
});

t.test("a slow payment is waited for; meanwhile asking again is unknown, and nothing is paid twice", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const slow = gateway.authorise(order("pm_sim_slow_300"));
  await until(async () => (await intentsOf(simulator)).length === 1);
  t.same(await gateway.authorise(order("pm_sim_slow_300")), { kind: "unknown" });
  t.equal((await slow).kind, "authorised");
  t.equal((await intentsOf(simulator)).length, 1);
});

t.test("a call that waits for a connection is bounded too", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const calls = Array.from({ length: SOCKETS_MAX + 50 }, (_, n) =>
    gateway.authorise(order("pm_sim_timeout", { attempt: n, timeoutMs: 200 })),
  );
  const outcomes = await Promise.all(calls);
  t.ok(outcomes.every((outcome) => outcome.kind === "unknown"));
});

t.test("more calls than may be under way are refused", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const calls = Array.from({ length: CALLS_MAX }, (_, n) =>
    gateway.authorise(order("pm_sim_timeout", { attempt: n, timeoutMs: 60_000 })),
  );
  t.equal(gateway.available(), false);
  t.ok(gateway.retryAfterMs() > 0);
  t.match(await gateway.authorise(order("pm_card_visa")), { kind: "refused_now", retryAfterMs: Number });
  await gateway.close();
  t.ok((await Promise.all(calls)).every((outcome) => outcome.kind === "unknown"));
});

t.test("the breaker opens after a few failures, refuses at once, and recovers", async (t) => {
  const simulator = await simulatorFor(t);
  const trouble: PaymentTrouble[] = [];
  const gateway = gatewayFor(t, simulator.url, { breakerResetMs: 150, onTrouble: (what) => trouble.push(what) });
  t.equal(gateway.available(), true);
  t.equal(gateway.retryAfterMs(), 0);
  await openBreaker(gateway);
  t.equal(gateway.available(), false);
  t.ok(gateway.retryAfterMs() > 0 && gateway.retryAfterMs() <= 150, `${gateway.retryAfterMs()} ms`);

  const started = performance.now();
  t.match(await gateway.authorise(order("pm_card_visa")), {
    kind: "refused_now",
    retryAfterMs: Number,
  });
  t.ok(performance.now() - started < REFUSED_WITHIN_MS);
  t.same(await intentsOf(simulator), [], "nothing was sent");

  t.equal(await gateway.capture("pi_1", "capture-1"), "failed", "what settles is sent all the same");
  t.equal(await gateway.cancel("pi_1", "cancel-1"), "failed");
  t.equal((await gateway.authorise(order("pm_sim_error", { purpose: "settle" }))).kind, "unknown");

  await until(() => gateway.available());
  t.equal((await gateway.authorise(order("pm_sim_error", { purpose: "settle" }))).kind, "unknown");
  t.equal(gateway.available(), true, "a repeat is no probe");
  t.equal(gateway.retryAfterMs(), 0, "probing");
  t.equal((await gateway.authorise(order("pm_sim_error", { attempt: 99 }))).kind, "unknown");
  t.equal(gateway.available(), false, "the probe failed: open again");

  await until(() => gateway.available());
  const probe = gateway.authorise(order("pm_sim_slow_50"));
  t.equal(gateway.available(), false, "one probe at a time");
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "refused_now");
  t.equal((await probe).kind, "authorised");
  t.equal(gateway.available(), true);
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "authorised");
  const states = trouble.flatMap((what) => (what.kind === "breaker" ? [what.state] : []));
  t.same(states, ["open", "open", "closed"]);
});

t.test("one stuck payment leaves the others alone, however often it is asked about", async (t) => {
  const simulator = await simulatorFor(t);
  const trouble: PaymentTrouble[] = [];
  const gateway = gatewayFor(t, simulator.url, { onTrouble: (what) => trouble.push(what) });
  const stuck = order("pm_sim_error");
  for (let n = 0; n < 4 * BREAKER_FAILURES_MIN; n++) {
    await gateway.authorise({ ...stuck, purpose: n === 0 ? "begin" : "settle" });
  }
  for (let n = 0; n < BREAKER_FAILURES_MIN; n++) await gateway.authorise(stuck);
  t.equal(gateway.available(), true);
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "authorised");
  t.match(trouble[0], { kind: "failure", bookingId: stuck.bookingId, key: `${stuck.bookingId}:1`, status: 500 });
});

t.test("beginnings that nobody answers keep no capture waiting for a connection", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url, { settleTimeoutMs: 5_000 });
  const reference = referenceOf(await gateway.authorise(order("pm_card_visa")));
  const stuck = Array.from({ length: SOCKETS_MAX + 10 }, (_, n) =>
    gateway.authorise(order("pm_sim_timeout", { attempt: n, timeoutMs: 60_000 })),
  );
  t.equal(await gateway.capture(reference, "capture-1"), "captured");
  await gateway.close();
  await Promise.all(stuck);
});

t.test("timeouts open the breaker, declines do not", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  for (let n = 0; n < 4 * BREAKER_FAILURES_MIN; n++) {
    await gateway.authorise(order(n % 2 === 0 ? "pm_card_chargeDeclined" : "pm_nobody", { attempt: n }));
  }
  t.equal(gateway.available(), true);
  const other = gatewayFor(t, simulator.url);
  for (let n = 0; n < BREAKER_FAILURES_MIN; n++)
    await other.authorise(order("pm_sim_timeout", { attempt: n, timeoutMs: 20 }));
  t.equal(other.available(), false);
});

t.test("a key the provider refuses: nothing was done, nobody is declined", async (t) => {
  const simulator = await simulatorFor(t, { apiKey: "sk_test_another" });
  const trouble: PaymentTrouble[] = [];
  const gateway = gatewayFor(t, simulator.url, { onTrouble: (what) => trouble.push(what) });
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "refused_now");
  t.match(trouble, [{ kind: "failure", status: 401 }]);
});

t.test("a provider that is gone is unknown; when it is back on its port, calls go through", async (t) => {
  const dataDir = await folderFor(t);
  const first = await startPaymentSimulator({ dataDir, port: 0 });
  const gateway = gatewayFor(t, first.url);
  const reference = referenceOf(await gateway.authorise(order("pm_card_visa")));
  await first.close();
  t.same(await gateway.authorise(order("pm_card_visa")), { kind: "unknown" });
  t.equal(await gateway.capture(reference, "capture-1"), "unknown");
  t.equal(await gateway.cancel(reference, "cancel-1"), "unknown");
  const second = await startPaymentSimulator({ dataDir, port: Number(new URL(first.url).port) });
  t.teardown(() => second.close());
  t.equal(referenceOf(await gateway.authorise(order("pm_card_visa"))), reference);
  t.equal(await gateway.capture(reference, "capture-1"), "captured");
});

t.test("closing ends what is under way as unknown, and refuses what comes after", async (t) => {
  const simulator = await simulatorFor(t);
  const gateway = gatewayFor(t, simulator.url);
  const waiting = gateway.authorise(order("pm_sim_timeout", { timeoutMs: 60_000 }));
  await until(async () => {
    const health = (await (await fetch(`${simulator.url}/sim/health`)).json()) as { held: number };
    return health.held === 1;
  });
  await gateway.close();
  t.same(await waiting, { kind: "unknown" });
  t.equal(gateway.available(), false);
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "refused_now");
});

/** A server that does to each request what it is told; `served` counts them over all connections. */
async function rawServer(t: Test, serve: (socket: Socket, served: number) => void): Promise<string> {
  let served = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      if (chunk.includes("POST ")) serve(socket, served++);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

const answer = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const AUTHORISED = answer(
  "200 OK",
  JSON.stringify({ id: "pi_1", object: "payment_intent", status: "requires_capture" }),
);

t.test("a kept connection that was closed meanwhile is replaced, once", async (t) => {
  const url = await rawServer(t, (socket, served) => {
    if (served === 0 || served === 2) socket.write(AUTHORISED);
    else socket.resetAndDestroy();
  });
  const gateway = gatewayFor(t, url);
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "authorised", "opens the connection");
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "authorised", "reset, then repeated");
  t.equal((await gateway.authorise(order("pm_card_visa"))).kind, "unknown", "reset twice");
});

t.test("answers that are no verdict are unknown", async (t) => {
  const answers: Readonly<Record<string, string>> = {
    "a proxy's page": "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>",
    "half a body": AUTHORISED.slice(0, -10),
    "not JSON": answer("200 OK", "pi_1"),
    "nothing at all": "",
    "no HTTP": "SSH-2.0-OpenSSH_9.2\r\n",
    "still processing": answer("200 OK", JSON.stringify({ id: "pi_1", status: "processing" })),
    "too many requests": answer("429 Too Many Requests", JSON.stringify({ error: { type: "invalid_request_error" } })),
    "out of order": answer("503 Service Unavailable", JSON.stringify({ error: { type: "api_error" } })),
    "a proxy's JSON": answer("502 Bad Gateway", JSON.stringify({ message: "no upstream" })),
    "a proxy that knows no such path": answer("404 Not Found", JSON.stringify({ error: "Not Found" })),
    "a proxy's own kind of error": answer("400 Bad Request", JSON.stringify({ error: { message: "no" } })),
    "something else": answer("200 OK", JSON.stringify({ status: "ok" })),
    "a redirect": answer("307 Temporary Redirect", JSON.stringify({ id: "pi_1", status: "requires_capture" })),
    "the key was used with another request": answer(
      "400 Bad Request",
      JSON.stringify({ error: { type: "idempotency_error", message: "Keys for idempotent requests ..." } }),
    ),
  };
  for (const [name, text] of Object.entries(answers)) {
    const url = await rawServer(t, (socket) => socket.end(text));
    const gateway = gatewayFor(t, url);
    t.same(await gateway.authorise(order("pm_card_visa")), { kind: "unknown" }, name);
    t.equal(await gateway.capture("pi_1", "capture-1"), "unknown", name);
    t.equal(await gateway.cancel("pi_1", "cancel-1"), "unknown", name);
    if (name !== "still processing") t.equal(await gateway.refund("pi_1", "refund-1"), "unknown", name);
  }
});

t.test("a refund is given when the provider says so, or that it was", async (t) => {
  const said: Readonly<Record<string, string>> = { succeeded: "refunded", pending: "refunded", failed: "failed" };
  for (const [status, outcome] of Object.entries({ ...said, canceled: "failed" })) {
    const url = await rawServer(t, (socket) => socket.end(answer("200 OK", JSON.stringify({ id: "re_1", status }))));
    t.equal(await gatewayFor(t, url).refund("pi_1", "refund-1"), outcome, status);
  }
});

t.test("an answer that trickles is cut off at the deadline", async (t) => {
  const url = await rawServer(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
    const trickle = (): void => {
      if (!socket.destroyed) socket.write("x", () => setTimeout(trickle, 5));
    };
    trickle();
  });
  const gateway = gatewayFor(t, url);
  t.same(await gateway.authorise(order("pm_card_visa", { timeoutMs: 100 })), { kind: "unknown" });
});

t.test("what was made for an attempt is found without the key, and only that", async (t) => {
  const simulator = await simulatorFor(t, { lateMs: 60_000 });
  const gateway = gatewayFor(t, simulator.url);
  const request = order("pm_card_visa");
  const { bookingId } = request;
  const found = (...payments: object[]) => ({ kind: "found", payments });
  t.same(await gateway.find(bookingId, 1), found());
  const reference = referenceOf(await gateway.authorise(request));
  const second = referenceOf(await gateway.authorise({ ...request, attempt: 2 }));
  t.same(await gateway.find(bookingId, 1), found({ reference, state: "open" }));
  t.same(await gateway.look(reference, bookingId, 1), found({ reference, state: "open" }));
  t.same(await gateway.look(second, bookingId, 1), found(), "of another attempt");
  t.same(await gateway.look("pi_of_nobody", bookingId, 1), found());
  await gateway.capture(reference, "capture");
  t.same(await gateway.find(bookingId, 1), found({ reference, state: "open" }), "captured: to be given back too");
  await gateway.cancel(second, "cancel");
  t.same(await gateway.find(bookingId, 2), found({ reference: second, state: "over" }));
  const declined = order("pm_card_chargeDeclined");
  await gateway.authorise(declined);
  t.match(await gateway.find(declined.bookingId, 1), found({ state: "over" }));
  const late = order("pm_sim_late", { timeoutMs: 50 });
  t.same(await gateway.authorise(late), { kind: "unknown" });
  t.match(await gateway.find(late.bookingId, 1), found({ state: "under_way" }));
  await simulator.close();
  t.same(await gateway.find(bookingId, 1), { kind: "unknown" });
  t.same(await gateway.look(reference, bookingId, 1), { kind: "unknown" });
});

t.test("all pages of a search count; a provider without a search says so, and nothing is concluded", async (t) => {
  const { bookingId } = order("pm_card_visa");
  const answers: [status: number, body: object][] = [];
  const asked: string[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(request.url ?? "");
    const [status, body] = answers.shift() ?? [500, {}];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const gateway = gatewayFor(t, `http://127.0.0.1:${(server.address() as { port: number }).port}`);
  const intent = (id: string, metadata: object) => ({
    id,
    object: "payment_intent",
    status: "requires_capture",
    metadata,
  });
  const own = { booking_id: bookingId, attempt: "1" };
  answers.push(
    [200, { data: [intent("pi_1", own), intent("pi_2", { ...own, attempt: "2" })], has_more: true, next_page: "next" }],
    [200, { data: [intent("pi_3", own)], has_more: false, next_page: null }],
  );
  t.match(await gateway.find(bookingId, 1), { payments: [{ reference: "pi_1" }, { reference: "pi_3" }] });
  t.match(asked, [/metadata/, /page=next/]);
  answers.push([400, { error: { type: "invalid_request_error", message: "no search here" } }]);
  t.same(await gateway.find(bookingId, 1), { kind: "failed" });
  answers.push([200, { data: [], has_more: true, next_page: "next" }], [500, {}]);
  t.same(await gateway.find(bookingId, 1), { kind: "unknown" }, "half an answer is none");
});
