// Goal: the simulator answers as Stripe does where Usher relies on it, and is bounded where it must not answer.
// Method: plain fetch against the server in process; time by hand where minutes pass.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setImmediate as nextTick } from "node:timers/promises";
import t, { type Test } from "tap";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { Book } from "./book.ts";
import { HELD_MS_MAX, HELD_REQUESTS_MAX, HeldRequests } from "./held-requests.ts";
import { LedgerFile } from "./ledger-file.ts";
import { PaymentApi } from "./payment-api.ts";
import { type PaymentSimulatorOptions, SIMULATOR_KEY, startPaymentSimulator } from "./server.ts";

interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: Stripe's documents, looked at by path in the assertions
  readonly body: any;
}

type Form = Readonly<Record<string, string>>;

const VISA: Form = {
  amount: "1250",
  currency: "USD",
  payment_method: "pm_card_visa",
  capture_method: "manual",
  confirm: "true",
  "metadata[booking_id]": "show-1.abc",
};

class Client {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async post(path: string, form: Form = {}, key?: string, signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${SIMULATOR_KEY}`,
        "content-type": "application/x-www-form-urlencoded",
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      body: new URLSearchParams(form),
      ...(signal === undefined ? {} : { signal }),
    });
    return this.#read(response);
  }

  async get(path: string): Promise<Answer> {
    return this.#read(await fetch(this.url + path, { headers: { authorization: `Bearer ${SIMULATOR_KEY}` } }));
  }

  create(token = "pm_card_visa", key?: string, signal?: AbortSignal): Promise<Answer> {
    return this.post("/v1/payment_intents", { ...VISA, payment_method: token }, key, signal);
  }

  async until(field: string, value: number): Promise<void> {
    while ((await this.get("/sim/health")).body[field] !== value) await nextTick();
  }

  async #read(response: Response): Promise<Answer> {
    const replayed = response.headers.get("idempotent-replayed") === "true";
    return { status: response.status, replayed, body: await response.json() };
  }
}

/** Timers that go off when the test says so. */
class ManualTimers implements Timers {
  nowMs = 1_000_000;
  #waiting: { handle: TimerHandle; atMs: number; callback: () => void }[] = [];

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const handle = {};
    this.#waiting.push({ handle, atMs: this.nowMs + delayMs, callback });
    return handle;
  }

  clearTimeout(handle: TimerHandle | undefined): void {
    this.#waiting = this.#waiting.filter((timer) => timer.handle !== handle);
  }

  setImmediate(callback: () => void): TimerHandle {
    return setImmediate(callback);
  }

  clearImmediate(handle: TimerHandle | undefined): void {
    clearImmediate(handle as NodeJS.Immediate | undefined);
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (const timer of this.#waiting.filter(({ atMs }) => atMs <= this.nowMs)) {
      this.clearTimeout(timer.handle);
      timer.callback();
    }
  }
}

async function folderFor(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "usher-simulator-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function clientFor(t: Test, options: Partial<PaymentSimulatorOptions> = {}): Promise<Client> {
  const simulator = await startPaymentSimulator({ dataDir: await folderFor(t), port: 0, ...options });
  t.teardown(() => simulator.close());
  return new Client(simulator.url);
}

t.test("an intent as Stripe writes it", async (t) => {
  const client = await clientFor(t);
  const created = await client.post("/v1/payment_intents", VISA);
  t.equal(created.status, 200);
  t.match(created.body, {
    id: /^pi_sim_[0-9a-f]+_1$/,
    object: "payment_intent",
    amount: 1250,
    amount_capturable: 1250,
    amount_received: 0,
    currency: "usd",
    status: "requires_capture",
    capture_method: "manual",
    metadata: { booking_id: "show-1.abc" },
    payment_method: "pm_card_visa",
    livemode: false,
    created: Number,
  });
  t.same((await client.get(`/v1/payment_intents/${created.body.id}`)).body, created.body);
  const captured = await client.post(`/v1/payment_intents/${created.body.id}/capture`);
  t.match(captured.body, { status: "succeeded", amount_received: 1250, amount_capturable: 0 });
});

t.test("without the key nothing is answered", async (t) => {
  const client = await clientFor(t, { apiKey: "sk_test_other" });
  const refused = await client.create();
  t.equal(refused.status, 401);
  t.match(refused.body, { error: { type: "invalid_request_error", message: "Invalid API Key provided." } });
  t.equal((await client.get("/sim/health")).body.intents, 0);
});

t.test("bad requests name the parameter and change nothing", async (t) => {
  const client = await clientFor(t);
  const bad: [change: Form, param: string][] = [
    [{ amount: "" }, "amount"],
    [{ amount: "0" }, "amount"],
    [{ amount: "-5" }, "amount"],
    [{ amount: "12.5" }, "amount"],
    [{ amount: "1e3" }, "amount"],
    [{ amount: "100000000" }, "amount"],
    [{ currency: "euro" }, "currency"],
    [{ capture_method: "automatic" }, "capture_method"],
    [{ confirm: "false" }, "confirm"],
    [{ payment_method: "pm_nobody" }, "payment_method"],
    [{ payment_method: "pm_sim_slow_" }, "payment_method"],
    [{ payment_method: "pm_sim_slow_60001" }, "payment_method"],
  ];
  for (const [change, param] of bad) {
    const answer = await client.post("/v1/payment_intents", { ...VISA, ...change });
    t.equal(answer.status, 400, JSON.stringify(change));
    t.match(answer.body, { error: { type: "invalid_request_error", param } }, JSON.stringify(change));
  }
  t.match((await client.create("pm_nobody")).body.error, {
    code: "resource_missing",
    message: "No such PaymentMethod: 'pm_nobody'",
  });
  t.equal((await client.post("/v1/payment_intents", { ...VISA, x: "x".repeat(20_000) })).status, 400);
  t.equal((await client.create("pm_card_visa", "k".repeat(256))).status, 400);
  t.equal((await client.get("/v1/customers")).status, 404);
  t.equal((await client.get("/v1/payment_intents/pi_nobody")).status, 404);
  t.equal((await client.post("/v1/payment_intents/pi_nobody/capture")).status, 404);
  t.equal((await client.post("/v1/payment_intents/pi_nobody/confirm")).status, 404);
  t.match((await client.get("/sim/health")).body, { intents: 0, refunds: 0 });
});

t.test("a declined card is a 402 and stays one", async (t) => {
  const client = await clientFor(t);
  const declined = await client.create("pm_card_chargeDeclined", "k1");
  t.equal(declined.status, 402);
  t.match(declined.body.error, {
    type: "card_error",
    code: "card_declined",
    decline_code: "generic_decline",
    payment_intent: { status: "requires_payment_method", payment_method: null },
  });
  const again = await client.create("pm_card_chargeDeclined", "k1");
  t.same(again, { ...declined, replayed: true });
  const id = declined.body.error.payment_intent.id;
  t.match((await client.post(`/v1/payment_intents/${id}/capture`)).body.error.code, "payment_intent_unexpected_state");
  t.match((await client.post(`/v1/payment_intents/${id}/cancel`)).body, { status: "canceled" });
});

t.test("a key tells its first answer again, whatever happened since", async (t) => {
  const client = await clientFor(t);
  const created = await client.create("pm_card_visa", "k1");
  const path = `/v1/payment_intents/${created.body.id}`;
  const captured = await client.post(`${path}/capture`, {}, "k2");
  const refunded = await client.post("/v1/refunds", { payment_intent: created.body.id }, "k3");
  t.same(await client.create("pm_card_visa", "k1"), { ...created, replayed: true });
  t.same(await client.post(`${path}/capture`, {}, "k2"), { ...captured, replayed: true });
  t.same(await client.post("/v1/refunds", { payment_intent: created.body.id }, "k3"), { ...refunded, replayed: true });
  t.match((await client.get("/sim/health")).body, { intents: 1, refunds: 1 });

  const reordered = Object.fromEntries(Object.entries(VISA).reverse());
  t.equal((await client.post("/v1/payment_intents", reordered, "k1")).status, 200, "their order does not count");
  for (const answer of [
    await client.post("/v1/payment_intents", { ...VISA, amount: "1251" }, "k1"),
    await client.post(`${path}/cancel`, {}, "k2"),
    await client.post(`${path}/capture`, { amount_to_capture: "5" }, "k2"),
  ]) {
    t.equal(answer.status, 400);
    t.match(answer.body.error, { type: "idempotency_error" });
  }
});

t.test("a key whose request is still under way is a 409", async (t) => {
  const timers = new ManualTimers();
  const client = await clientFor(t, { timers, now: () => timers.nowMs });
  const slow = client.create("pm_sim_slow_60000", "k1");
  await client.until("processing", 1);
  const second = await client.create("pm_sim_slow_60000", "k1");
  t.equal(second.status, 409);
  t.match(second.body.error, { type: "idempotency_error", code: "idempotency_key_in_use" });
  t.equal((await client.create("pm_sim_slow_1", "k1")).status, 400, "other parameters are told first");
  timers.advance(60_000);
  t.match(await slow, { status: 200, body: { status: "requires_capture" } });
  t.match(await client.create("pm_sim_slow_60000", "k1"), { status: 200, replayed: true });
});

t.test("a key of the same moment is a 409 until the first is on disk", async (t) => {
  const book = new Book();
  const file = await LedgerFile.open(join(await folderFor(t), "ledger.jsonl"), () => undefined);
  t.teardown(() => file.close());
  const timers = new ManualTimers();
  const api = new PaymentApi({ book, file, timers, now: () => timers.nowMs, lateMs: 1, onEvent: () => undefined });
  const request = { path: "/v1/payment_intents", key: "k1", body: VISA };
  t.match(api.create(request), { status: 200 });
  t.match(api.create(request), { status: 409 });
  await file.durable();
  t.match(api.create(request), { status: 200, replayed: true });
  const id = [...book.intents()][0]?.id ?? "";
  t.match(api.capture(id, { path: "capture", key: "k2", body: {} }), { status: 200 });
  t.match(api.cancel(id, { path: "cancel", key: "k3", body: {} }), { status: 400 }, "the capture was first");
  t.match(api.capture(id, { path: "capture", key: "k2", body: {} }), { status: 409 });
  t.equal(book.intentCount, 1);
});

t.test("captures, cancels and refunds keep to the states", async (t) => {
  const client = await clientFor(t);
  const a = (await client.create()).body.id;
  const path = `/v1/payment_intents/${a}`;
  t.equal((await client.post("/v1/refunds", { payment_intent: a })).status, 400, "nothing to refund yet");
  t.equal((await client.post(`${path}/capture`, { amount_to_capture: "1251" })).status, 400);
  t.equal((await client.post(`${path}/capture`, { amount_to_capture: "1000" })).body.amount_received, 1000);
  const twice = await client.post(`${path}/capture`);
  t.match(twice.body.error, { code: "payment_intent_unexpected_state", payment_intent: { status: "succeeded" } });
  t.match((await client.post(`${path}/cancel`)).body.error.payment_intent.status, "succeeded");
  t.match((await client.post("/v1/refunds", { payment_intent: a, amount: "400" })).body, {
    object: "refund",
    amount: 400,
    status: "succeeded",
    payment_intent: a,
  });
  t.equal((await client.post("/v1/refunds", { payment_intent: a, amount: "601" })).status, 400);
  t.equal((await client.post("/v1/refunds", { payment_intent: a })).body.amount, 600, "the rest");
  t.match((await client.post("/v1/refunds", { payment_intent: a })).body.error.code, "charge_already_refunded");
  t.equal((await client.post("/v1/refunds")).status, 400);

  const b = (await client.create()).body.id;
  t.match((await client.post(`/v1/payment_intents/${b}/cancel`)).body, { status: "canceled", amount_capturable: 0 });
  t.match((await client.post(`/v1/payment_intents/${b}/capture`)).body.error.payment_intent.status, "canceled");
  t.same((await client.get("/sim/ledger")).body, {
    intents: [
      {
        id: a,
        booking_id: "show-1.abc",
        idempotency_key: null,
        amount: 1250,
        amount_received: 1000,
        amount_refunded: 1000,
        currency: "usd",
        status: "succeeded",
        metadata: { booking_id: "show-1.abc" },
      },
      {
        id: b,
        booking_id: "show-1.abc",
        idempotency_key: null,
        amount: 1250,
        amount_received: 0,
        amount_refunded: 0,
        currency: "usd",
        status: "canceled",
        metadata: { booking_id: "show-1.abc" },
      },
    ],
    refunds: [
      { id: /./, payment_intent: a, amount: 400 },
      { id: /./, payment_intent: a, amount: 600 },
    ].map((refund, n) => ({ ...refund, id: `re_sim_${a.split("_")[2]}_${n + 1}` })),
  });
});

t.test("a ledger of several chunks is one document", async (t) => {
  const dataDir = await folderFor(t);
  const lines: object[] = [{ ledger: "abc", format: 1 }];
  for (let n = 0; n < 2_500; n++) {
    lines.push({
      do: "create",
      id: `pi_${n}`,
      amount: 1,
      currency: "usd",
      token: "t",
      metadata: {},
      at: n,
      status: "requires_capture",
    });
  }
  await writeFile(join(dataDir, "ledger.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const { intents, refunds } = (await (await clientFor(t, { dataDir })).get("/sim/ledger")).body;
  t.same(
    intents.map((intent: { id: string }) => intent.id),
    Array.from({ length: 2_500 }, (_, n) => `pi_${n}`),
  );
  t.same(refunds, []);
});

t.test("late: no answer, and yet it happens; the client that left finds it", async (t) => {
  const timers = new ManualTimers();
  const client = await clientFor(t, { timers, now: () => timers.nowMs, lateMs: 7_000 });
  const left = new AbortController();
  const late = client.create("pm_sim_late", "k1", left.signal);
  await client.until("processing", 1);
  left.abort();
  await t.rejects(late);
  timers.advance(6_999);
  t.equal((await client.create("pm_sim_late", "k1")).status, 409);
  timers.advance(1);
  t.match(await client.create("pm_sim_late", "k1"), {
    status: 200,
    replayed: true,
    body: { status: "requires_capture" },
  });
});

t.test("an error is a 500 each time, and nothing happened", async (t) => {
  const client = await clientFor(t);
  for (const _ of [1, 2]) {
    const answer = await client.create("pm_sim_error", "k1");
    t.equal(answer.status, 500);
    t.match(answer.body.error, { type: "api_error" });
  }
  t.equal((await client.get("/sim/health")).body.intents, 0);
});

t.test("a request that is never answered ends with its client", async (t) => {
  const client = await clientFor(t);
  const left = new AbortController();
  const held = client.create("pm_sim_timeout", "k1", left.signal);
  await client.until("held", 1);
  left.abort();
  await t.rejects(held);
  await client.until("held", 0);
});

t.test("a request that is never answered ends after a minute", async (t) => {
  const timers = new ManualTimers();
  const client = await clientFor(t, { timers, now: () => timers.nowMs });
  const held = client.create("pm_sim_timeout");
  await client.until("held", 1);
  timers.advance(HELD_MS_MAX - 1);
  t.equal((await client.get("/sim/health")).body.held, 1);
  timers.advance(1);
  await t.rejects(held);
  t.equal((await client.get("/sim/health")).body.held, 0);
});

t.test("there are never too many unanswered requests: the oldest goes", async (t) => {
  const held = new HeldRequests(new ManualTimers());
  const streams = Array.from({ length: HELD_REQUESTS_MAX + 2 }, () => new PassThrough());
  for (const stream of streams.slice(0, HELD_REQUESTS_MAX)) held.hold(stream);
  t.notOk(streams.some((stream) => stream.destroyed));
  for (const stream of streams.slice(HELD_REQUESTS_MAX)) held.hold(stream);
  t.same(
    streams.flatMap((stream, n) => (stream.destroyed ? [n] : [])),
    [0, 1],
  );
  t.equal(held.size, HELD_REQUESTS_MAX);
  held.close();
  t.equal(held.size, 0);
  t.ok(streams.every((stream) => stream.destroyed));
});

t.test("closing ends the unanswered and the slow", async (t) => {
  const simulator = await startPaymentSimulator({ dataDir: await folderFor(t), port: 0 });
  const client = new Client(simulator.url);
  const waiting = [client.create("pm_sim_timeout"), client.create("pm_sim_slow_60000")];
  const settled = Promise.allSettled(waiting);
  await client.until("held", 1);
  await client.until("processing", 1);
  await simulator.close();
  t.ok((await settled).every(({ status }) => status === "rejected"));
});

t.test("a port that is taken is said plainly, and the folder is free again", async (t) => {
  const client = await clientFor(t);
  const dataDir = await folderFor(t);
  const port = Number(new URL(client.url).port);
  await t.rejects(startPaymentSimulator({ dataDir, port }), { name: "StartFault", code: "port_taken" });
  const simulator = await startPaymentSimulator({ dataDir, port: 0 });
  await simulator.close();
});
