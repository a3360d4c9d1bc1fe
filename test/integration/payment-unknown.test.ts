// Goal: nobody is charged without a seat when the payment gateway never says what became of a payment, says it too late,
// or says it more than once. Method: the payment simulator over HTTP, its ledger against the bookings to the unit, after
// look-ups, payments that resurface, webhooks and restarts.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { PaymentGateway } from "../../allocator/payments/port.ts";
import { StripeGateway } from "../../allocator/payments/stripe-adapter.ts";
import { auditMoney } from "../../cli/audit-money.ts";
import { startSingleNode } from "../../cli/single-node.ts";
import { SIMULATOR_KEY, startPaymentSimulator } from "../../demo/payment-simulator/server.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { CheckPayment } from "../../shared/protocol/command.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  bySeats,
  confirm,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  type TestNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const PAY_TTL_MS = 400;
/** After a confirm has answered that it is still paying. */
const LATE_MS = 3_000;
/** Long after the deadline of a payment, and long before anybody would look up one that is known. */
const LOOK_UP_AFTER_MS = 2_500;
const SECRET = "whsec_test";

const pg = await startTestPostgres(t);

async function house(t: Test) {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool)) as [ShowId];
  const dataDir = await mkdtemp(join(tmpdir(), "usher-unknown-"));
  const simulator = await startPaymentSimulator({ dataDir, port: 0 });
  t.teardown(async () => {
    await simulator.close();
    await rm(dataDir, { recursive: true });
  });
  const node = (name: string, gateway: PaymentGateway, paymentLookUpAfterMs = LOOK_UP_AFTER_MS) =>
    startNode(t, database, name, { payments: gateway, rules: { payTtlMs: PAY_TTL_MS }, paymentLookUpAfterMs });
  return { database, showId, dataDir, simulator, node };
}

interface Calls {
  readonly authorised: string[];
  readonly found: string[];
}

/** Waits 200 ms for an authorisation; `isDeaf`: whatever is answered is not heard. */
function provider(url: string, isDeaf = false): PaymentGateway & Calls {
  const real = new StripeGateway({ url, apiKey: SIMULATOR_KEY, breakerResetMs: 300 });
  const calls: Calls = { authorised: [], found: [] };
  return {
    ...calls,
    authorise: async (request) => {
      calls.authorised.push(request.bookingId);
      const outcome = await real.authorise({ ...request, timeoutMs: isDeaf ? request.timeoutMs : 200 });
      return isDeaf ? { kind: "unknown" } : outcome;
    },
    capture: (...asked) => real.capture(...asked),
    cancel: (...asked) => real.cancel(...asked),
    refund: (...asked) => real.refund(...asked),
    find: (bookingId, attempt) => {
      calls.found.push(bookingId);
      return real.find(bookingId, attempt);
    },
    look: (...asked) => real.look(...asked),
    available: () => true,
    mayBegin: () => true,
    retryAfterMs: () => 0,
    close: () => real.close(),
  };
}

async function began(node: TestNode, showId: ShowId, seat: number, token: string): Promise<BookingId> {
  const session: SessionId = newSession();
  const { id } = bookingIn(await askUntilAnswered(() => node.port, showId, placeHold(bySeats(seat), session)));
  void node.port.ask(showId, confirm(id, session, { token }), ASK_MS);
  return id;
}

async function wordsOf({ pool }: TestDatabase): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ id: string; word: string }>(
    "SELECT show_id || '.' || id AS id, status || ' ' || (payment->>'state') AS word FROM booking WHERE payment IS NOT NULL",
  );
  return Object.fromEntries(rows.map(({ id, word }) => [id, word]));
}

const untilWord = (database: TestDatabase, id: BookingId, word: string): Promise<void> =>
  until(`${id} is ${word}`, async () => (await wordsOf(database))[id] === word);

async function balanced(t: Test, { pool }: TestDatabase, dataDir: string, totals: object): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, []);
  t.match(await auditMoney(pool, dataDir), { problems: [], totals });
}

async function intentsOf(url: string): Promise<{ id: string; booking_id: string; status: string }[]> {
  const ledger = (await (await fetch(`${url}/sim/ledger`)).json()) as { intents: never[] };
  return ledger.intents;
}

t.test("what nobody ever answers, or answers 500 for ever, is looked up in the end", async (t) => {
  const { database, showId, dataDir, simulator, node } = await house(t);
  const gateway = provider(simulator.url);
  const n1 = await node("n1", gateway);
  const ids = await Promise.all(["pm_sim_timeout", "pm_sim_error"].map((token, i) => began(n1, showId, i, token)));
  for (const id of ids) await untilWord(database, id, "released voiding");
  for (const id of ids) await untilWord(database, id, "released voided");
  t.same([...new Set(gateway.found)].sort(), [...ids].sort());
  t.same(await intentsOf(simulator.url), []);
  await balanced(t, database, dataDir, {});
});

t.test("a new owner judges by when it began: it looks up, asks by no key, and gives back what it finds", async (t) => {
  const { database, showId, dataDir, simulator, node } = await house(t);
  const n1 = await node("n1", provider(simulator.url, true), ASK_MS * 1_000);
  const id = await began(n1, showId, 0, "pm_card_visa");
  await untilWord(database, id, "released voiding");
  await balanced(t, database, dataDir, { USD: { authorised: 1_200, inFlight: 1_200 } });
  n1.crash();
  const gateway = provider(simulator.url);
  await node("n2", gateway, 1);
  await untilWord(database, id, "released voided");
  t.same(gateway.authorised, []);
  t.match(await intentsOf(simulator.url), [{ booking_id: id, status: "canceled" }]);
  await balanced(t, database, dataDir, { USD: { authorised: 1_200, voided: 1_200, captured: 0, inFlight: 0 } });
});

t.test("a payment that resurfaces after its end is given back, once, however often it is hinted at", async (t) => {
  const { database, showId, dataDir, simulator, node } = await house(t);
  const gateway = provider(simulator.url, true);
  // Its search has not heard of what it did.
  const blind: PaymentGateway = { ...gateway, find: async () => ({ kind: "found", payments: [] }) };
  const n1 = await node("n1", blind);
  const id = await began(n1, showId, 0, "pm_card_visa");
  await untilWord(database, id, "released voided");
  const [intent] = await intentsOf(simulator.url);
  t.match(intent, { booking_id: id, status: "requires_capture" });
  t.match((await auditMoney(database.pool, dataDir)).problems, [/requires_capture .* \(released, voided\)/, /USD/]);

  const hint: CheckPayment = { kind: "CheckPayment", bookingId: id, attempt: 1, reference: intent?.id ?? "" };
  t.equal(wordOf(await n1.port.ask(showId, { ...hint, attempt: 2 }, ASK_MS)), "not_found", "nobody began that one");
  const stranger = `${showId}.${"n".repeat(22)}` as BookingId;
  t.equal(wordOf(await n1.port.ask(showId, { ...hint, bookingId: stranger }, ASK_MS)), "not_found");
  t.equal(wordOf(await n1.port.ask(showId, { ...hint, reference: "pi_of_nobody" }, ASK_MS)), "done");
  t.match(await intentsOf(simulator.url), [{ status: "requires_capture" }], "all that changed nothing");

  const hints = await Promise.all(Array.from({ length: 5 }, () => n1.port.ask(showId, hint, ASK_MS)));
  t.same([...new Set(hints.map(wordOf))], ["done"]);
  t.match(await intentsOf(simulator.url), [{ status: "canceled" }]);
  t.equal(wordOf(await n1.port.ask(showId, hint, ASK_MS)), "done");
  await balanced(t, database, dataDir, { USD: { authorised: 1_200, voided: 1_200, captured: 0, inFlight: 0 } });
});

t.test("a stray that cannot be given back now is no lie: the hint is to come again", async (t) => {
  const { database, showId, simulator, node } = await house(t);
  const gateway = provider(simulator.url);
  let isAway = true;
  const n1 = await node("n1", {
    ...gateway,
    look: async (...asked) => (isAway ? { kind: "unknown" } : gateway.look(...asked)),
  });
  const id = await began(n1, showId, 0, "pm_card_visa");
  await untilWord(database, id, "booked captured");
  // A second payment under the same names, as a provider makes it that has forgotten its keys.
  const twice = await fetch(`${simulator.url}/v1/payment_intents`, {
    method: "POST",
    headers: { authorization: `Bearer ${SIMULATOR_KEY}` },
    body: new URLSearchParams({
      amount: "1200",
      currency: "usd",
      payment_method: "pm_card_visa",
      capture_method: "manual",
      confirm: "true",
      "metadata[booking_id]": id,
      "metadata[attempt]": "1",
    }),
  });
  const { id: reference } = (await twice.json()) as { id: string };
  const hint: CheckPayment = { kind: "CheckPayment", bookingId: id, attempt: 1, reference };
  t.match(await n1.port.ask(showId, hint, ASK_MS), { kind: "fault", fault: { code: "outcome_pending" } });
  isAway = false;
  t.equal(wordOf(await n1.port.ask(showId, hint, ASK_MS)), "done");
  const intents = await intentsOf(simulator.url);
  t.same(intents.map(({ status }) => status).sort(), ["canceled", "succeeded"], "the booking keeps its own");
  t.equal(intents.find(({ status }) => status === "canceled")?.id, reference);
});

t.test("a late success is booked when the webhook says so, long before the request is given up", async (t) => {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool)) as [ShowId];
  const dataDir = await mkdtemp(join(tmpdir(), "usher-unknown-"));
  const simulator = await startPaymentSimulator({ dataDir, port: 0, lateMs: LATE_MS });
  const gateway = new StripeGateway({ url: simulator.url, apiKey: SIMULATOR_KEY });
  const node = await startSingleNode({
    databaseUrl: database.url,
    gateway: { host: "127.0.0.1", port: 0, limits: GATEWAY_LIMITS },
    payments: gateway,
    paymentWebhookSecrets: ["whsec_next", SECRET],
    payTtlMs: 120_000,
    releaseOnDecline: true,
    cancelUntilMs: 3_600_000,
    holdTtlMs: 60_000,
    graceMs: 0,
    offerTtlMs: 10_000,
    version: "0",
    log: silentLog(),
  });
  t.teardown(async () => {
    await node.stop();
    await simulator.close();
    await rm(dataDir, { recursive: true });
  });
  simulator.sendWebhooksTo({ url: `${node.url}/v1/payments/webhook`, secret: SECRET });
  const ask = async (path: string, body: object, token = ""): Promise<Record<string, unknown>> => {
    const headers = {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "x-idempotency-key": path.slice(-7),
    };
    const response = await fetch(node.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    return { http: response.status, ...((await response.json()) as object) };
  };
  const book = async (payment_token: string): Promise<Record<string, unknown>> => {
    const token = String((await ask("/v1/sessions", {})).token);
    const { lock_id } = await ask("/v1/bookings/lock", { showtime_id: showId, quantity: 1 }, token);
    return ask("/v1/bookings/confirm", { lock_id, payment_token }, token);
  };
  t.match(await book("pm_sim_duplicate"), { http: 200, status: "booked" });
  const begunAt = performance.now();
  const late = await book("pm_sim_late");
  t.match(late, { http: 202 });
  await untilWord(database, late.booking_id as BookingId, "booked captured");
  // The request itself would be waited for 10 s.
  const tookMs = performance.now() - begunAt;
  t.ok(tookMs < 9_000, `after ${tookMs.toFixed(0)} ms`);
  await until("all webhooks are delivered", async () => {
    const health = await (await fetch(`${simulator.url}/sim/health`)).json();
    const { webhooks } = health as { webhooks: { waiting: number; delivered: number } };
    // Twice authorised and captured; processing, authorised and captured.
    return webhooks.waiting === 0 && webhooks.delivered === 7;
  });
  t.same(
    (await intentsOf(simulator.url)).map(({ status }) => status),
    ["succeeded", "succeeded"],
    "each was paid once",
  );
  await balanced(t, database, dataDir, { USD: { authorised: 2_400, captured: 2_400, inFlight: 0 } });
});
