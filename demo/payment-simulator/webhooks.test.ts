// Goal: webhooks are Stripe's: signed so that its own client accepts them, delivered again until they are heard, and the
// search finds what a key made. Method: a listener that answers as told; time by hand where minutes pass.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import Stripe from "stripe";
import t, { type Test } from "tap";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { type PaymentSimulatorOptions, SIMULATOR_KEY, startPaymentSimulator } from "./server.ts";
import { FIRST_PAUSE_MS, TRIES_MAX, WAITING_MAX, Webhooks } from "./webhooks.ts";

const SECRET = "whsec_test";

interface Heard {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Answers each delivery with the next of `statuses`, and 200 when there is none left. */
async function listener(t: Test, ...statuses: number[]): Promise<{ url: string; heard: Heard[] }> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    request.on("end", () => {
      heard.push({ headers: request.headers, text });
      response.writeHead(statuses.shift() ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTick();
}

async function simulator(t: Test, options: Partial<PaymentSimulatorOptions>) {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-webhooks-"));
  const server = await startPaymentSimulator({ dataDir, port: 0, ...options });
  t.teardown(async () => {
    await server.close();
    await rm(dataDir, { recursive: true });
  });
  const authorization = `Bearer ${SIMULATOR_KEY}`;
  const post = (path: string, form: Record<string, string> = {}) =>
    fetch(server.url + path, { method: "POST", headers: { authorization }, body: new URLSearchParams(form) });
  const pay = (token: string, bookingId = "show-1.abc", attempt = "1") =>
    post("/v1/payment_intents", {
      amount: "1250",
      currency: "USD",
      payment_method: token,
      capture_method: "manual",
      confirm: "true",
      "metadata[booking_id]": bookingId,
      "metadata[attempt]": attempt,
    });
  const search = async (query: string, more = "") => {
    const path = `/v1/payment_intents/search?query=${encodeURIComponent(query)}${more}`;
    return (await fetch(server.url + path, { headers: { authorization } })).json() as Promise<Record<string, unknown>>;
  };
  return { server, post, pay, search };
}

const typesOf = (heard: readonly Heard[]): string[] => heard.map(({ text }) => JSON.parse(text).type as string).sort();

t.test("what becomes of a payment is told, signed as Stripe's client wants it", async (t) => {
  const { url, heard } = await listener(t);
  const { pay, post } = await simulator(t, { webhook: { url, secret: SECRET } });
  const { id } = (await (await pay("pm_card_visa")).json()) as { id: string };
  await post(`/v1/payment_intents/${id}/capture`);
  await pay("pm_card_chargeDeclined");
  await until(() => heard.length === 3);
  t.same(typesOf(heard), [
    "payment_intent.amount_capturable_updated",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
  ]);
  for (const { headers, text } of heard) {
    const event = Stripe.webhooks.constructEvent(text, headers["stripe-signature"] as string, SECRET);
    t.match(event.data.object, { object: "payment_intent", metadata: { booking_id: "show-1.abc", attempt: "1" } });
  }
  const [first] = heard;
  t.throws(() => Stripe.webhooks.constructEvent(`${first?.text} `, first?.headers["stripe-signature"] ?? "", SECRET));
});

t.test("a duplicate is told twice, with one id; a late success once it is one", async (t) => {
  const { url, heard } = await listener(t);
  const { server, pay } = await simulator(t, { lateMs: 1 });
  server.sendWebhooksTo({ url, secret: SECRET });
  await pay("pm_sim_duplicate");
  await until(() => heard.length === 2);
  t.equal(new Set(heard.map(({ text }) => JSON.parse(text).id)).size, 1);
  heard.length = 0;
  const gone = new AbortController();
  t.teardown(() => gone.abort());
  void pay("pm_sim_late").catch(() => undefined);
  await until(() => heard.length === 2);
  t.same(typesOf(heard), ["payment_intent.amount_capturable_updated", "payment_intent.processing"]);
});

t.test("who does not hear is told again, with growing pauses and a fresh signature, and at last no more", async (t) => {
  const time = new FakeTime();
  const deaf = await listener(t, ...new Array<number>(TRIES_MAX).fill(503));
  const target = { url: deaf.url, secret: SECRET };
  const webhooks = new Webhooks({ timers: time, now: time.now, target });
  webhooks.send({ id: "evt_1", type: "payment_intent.succeeded", object: {}, copies: 1 });
  for (let tries = 1; tries < TRIES_MAX; tries += 1) {
    const pauseMs = FIRST_PAUSE_MS * 2 ** (tries - 1);
    await until(() => time.armed.some(({ at }) => at === time.nowMs + pauseMs));
    await time.pass(pauseMs - 1);
    t.equal(deaf.heard.length, tries);
    await time.pass(1);
  }
  await until(() => webhooks.counts.givenUp === 1);
  t.equal(deaf.heard.length, TRIES_MAX);
  t.equal(new Set(deaf.heard.map(({ headers }) => headers["stripe-signature"])).size, TRIES_MAX);
  t.equal(webhooks.waiting, 0);
  t.equal(time.armed.length, 0);
  webhooks.send({ id: "evt_2", type: "payment_intent.succeeded", object: {}, copies: 1 });
  await until(() => webhooks.counts.delivered === 1);
  await webhooks.close();
});

t.test("so many wait, no more; closing ends them all", async (t) => {
  const time = new FakeTime();
  const nobody = new Webhooks({ timers: time, now: time.now, target: { url: "http://127.0.0.1:9/", secret: SECRET } });
  for (let n = 0; n < WAITING_MAX + 5; n += 1) nobody.send({ id: `evt_${n}`, type: "x", object: {}, copies: 1 });
  t.equal(nobody.waiting, WAITING_MAX);
  t.equal(nobody.counts.givenUp, 5);
  await nobody.close();
  t.equal(nobody.waiting, 0);
  t.equal(time.armed.length, 0);
  nobody.send({ id: "evt_x", type: "x", object: {}, copies: 1 });
  t.equal(nobody.waiting, 0);
});

t.test("the search finds a booking's payments by metadata, in pages, and nothing else", async (t) => {
  const { pay, search } = await simulator(t, {});
  for (const attempt of ["1", "1", "1", "2"]) await pay("pm_card_visa", "show-1.abc", attempt);
  await pay("pm_card_visa", "show-1.abd");
  const query = "metadata['booking_id']:'show-1.abc' AND metadata['attempt']:'1'";
  const first = await search(query, "&limit=2");
  t.match(first, { object: "search_result", has_more: true, data: [{ status: "requires_capture" }, {}] });
  const second = await search(query, `&limit=2&page=${String(first.next_page)}`);
  t.match(second, { has_more: false, next_page: null, data: [{ metadata: { attempt: "1" } }] });
  t.same((await search("metadata['booking_id']:'show-1.nobody'")).data, []);
  for (const bad of ["", "amount>1", "metadata['attempt']:'1'", `${query} OR x`]) {
    t.match(await search(bad), { error: { param: "query" } }, bad);
  }
  t.match(await search(query, "&limit=101"), { error: { param: "limit" } });
  t.match(await search(query, "&page=x"), { error: { param: "page" } });
});
