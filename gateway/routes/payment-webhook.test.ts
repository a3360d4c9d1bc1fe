// Goal: only what the payment gateway signed, a moment ago, reaches a show, and what it says is never believed.
// Method: deliveries signed by the Stripe client's own helper, to an app with this one route over a fake allocator.

import { Registry } from "prom-client";
import Stripe from "stripe";
import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Command } from "../../shared/protocol/command.ts";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { createGateway } from "../app.ts";
import { FakeAllocator } from "../fake-allocator.ts";
import { Sessions } from "../http/session.ts";
import { paymentWebhookEndpoint, SIGNATURE_AGE_MAX_S, WEBHOOK_BODY_LIMIT_BYTES } from "./payment-webhook.ts";

const SHOW = "show-1" as ShowId;
const BOOKING = `${SHOW}.${"b".repeat(22)}`;
const SECRET = "whsec_new";

interface Delivery {
  readonly body?: string;
  readonly secret?: string;
  readonly atMs?: number;
  readonly signature?: string | undefined;
}

function setUp(secrets: readonly string[] = [SECRET]) {
  const time = new FakeTime();
  time.nowMs = 1_800_000_000_000;
  const allocator = new FakeAllocator(10, time.now);
  const metrics = new Registry();
  const { app } = createGateway({
    endpoints: [paymentWebhookEndpoint({ allocator, metrics, clock: time, secrets })],
    sessions: new Sessions({ sessionKey: new Uint8Array(32).fill(1), clock: time }),
    log: silentLog(),
    metrics,
    clock: time,
    version: "0",
  });
  const asked: Command[] = [];
  allocator.override = (_: ShowId, command: Command) => {
    asked.push(command);
    return { kind: "done" };
  };
  const deliver = async (delivery: Delivery = {}) => {
    const { body = eventOf(), secret = SECRET, atMs = time.nowMs } = delivery;
    const timestamp = Math.floor(atMs / 1000);
    const signed = Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp });
    const signature = "signature" in delivery ? delivery.signature : signed;
    const headers = new Headers({ "content-type": "application/json; charset=utf-8" });
    if (signature !== undefined) headers.set("stripe-signature", signature);
    const response = await app.request("/v1/payments/webhook", { method: "POST", headers, body });
    const retryAfter = response.headers.get("retry-after");
    return { ...((await response.json()) as Record<string, unknown>), http: response.status, retryAfter };
  };
  const counts = async () => {
    const { values } = (await metrics.getMetricsAsJSON()).find(
      ({ name }) => name === "usher_payment_webhooks_total",
    ) ?? {
      values: [],
    };
    return Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]));
  };
  return { time, allocator, asked, deliver, counts };
}

const eventOf = (type = "payment_intent.succeeded", metadata: object = { booking_id: BOOKING, attempt: "2" }): string =>
  JSON.stringify({
    id: "evt_1",
    object: "event",
    type,
    data: { object: { id: "pi_1", status: "succeeded", metadata } },
  });

t.test(
  "a signed event makes the show ask the payment gateway, each time; of what it says nothing is taken",
  async (t) => {
    const { asked, deliver, counts } = setUp();
    for (const type of ["payment_intent.succeeded", "payment_intent.canceled", "payment_intent.succeeded"]) {
      t.match(await deliver({ body: eventOf(type) }), { http: 200, received: true }, type);
    }
    const check = { kind: "CheckPayment", bookingId: BOOKING, attempt: 2, reference: "pi_1" };
    t.same(asked, [check, check, check]);
    t.same(await counts(), { asked: 3 });
  },
);

t.test("of several secrets any will do, of others none", async (t) => {
  const { asked, deliver } = setUp([SECRET, "whsec_old"]);
  t.match(await deliver({ secret: "whsec_old" }), { http: 200 });
  t.match(await deliver({ secret: SECRET }), { http: 200 });
  t.match(await deliver({ secret: "whsec_other" }), { http: 400, code: "signature_invalid" });
  t.equal(asked.length, 2);
});

t.test("what is not signed as it should be is refused, says why, and reaches nobody", async (t) => {
  const { time, asked, deliver, counts } = setUp([SECRET, "whsec_old"]);
  const tooOld = time.nowMs - (SIGNATURE_AGE_MAX_S + 1) * 1_000;
  const wrong: [Delivery, RegExp][] = [
    [{ signature: undefined }, /is required/],
    [{ signature: "" }, /is required/],
    [{ signature: "nonsense" }, /time `t`/],
    [{ signature: "t=1800000000,v0=abc" }, /scheme `v1`/],
    [{ signature: "t=1800000000,v1=abc" }, /does not fit/],
    [{ secret: "whsec_other" }, /does not fit/],
    [{ atMs: tooOld }, /300 s old/],
    [{ atMs: tooOld, secret: "whsec_old" }, /300 s old/],
  ];
  for (const [delivery, message] of wrong) {
    const refused = { http: 400, code: "signature_invalid", errors: [{ field: "Stripe-Signature", message }] };
    t.match(await deliver(delivery), refused, String(message));
  }
  const signature = Stripe.webhooks.generateTestHeaderString({
    payload: eventOf(),
    secret: SECRET,
    timestamp: time.nowMs / 1000,
  });
  t.match(await deliver({ body: `${eventOf()} `, signature }), { http: 400 }, "one byte more than was signed");
  t.match(await deliver({ atMs: time.nowMs - SIGNATURE_AGE_MAX_S * 1_000 }), { http: 200 }, "as old as it may be");
  t.equal(asked.length, 1);
  t.same(await counts(), { refused: wrong.length + 1, asked: 1 });
});

t.test("what is signed and not ours is heard and ignored", async (t) => {
  const { allocator, asked, deliver, counts } = setUp();
  const foreign = [
    eventOf("charge.refunded"),
    eventOf("payment_intent.succeeded", {}),
    eventOf("payment_intent.succeeded", { booking_id: "order 7", attempt: "1" }),
    eventOf("payment_intent.succeeded", { booking_id: BOOKING }),
    ...["0", "-1", "1.5", "1e9", "x", ""].map((attempt) => eventOf(undefined, { booking_id: BOOKING, attempt })),
    JSON.stringify({ object: "v2.core.event", type: "payment_intent.succeeded" }),
    "null",
    "[]",
  ];
  for (const body of foreign) t.match(await deliver({ body }), { http: 200, received: true }, body);
  t.equal(asked.length, 0);
  allocator.override = () => ({ kind: "refused", refusal: { code: "not_found" } });
  t.match(await deliver(), { http: 200, received: true }, "a booking nobody has");
  t.same(await counts(), { ignored: foreign.length, unknown_booking: 1 });
  t.match(await deliver({ body: "{" }), { http: 400, code: "malformed_json" });
  t.match(await deliver({ body: "x".repeat(WEBHOOK_BODY_LIMIT_BYTES + 1) }), { http: 413, code: "body_too_large" });
});

t.test("a show that cannot be asked now wants to hear it again", async (t) => {
  const { allocator, deliver, counts } = setUp();
  for (const code of ["store_unavailable", "overloaded", "outcome_pending"] as const) {
    allocator.override = () => ({ kind: "fault", fault: { code, outcome: "none", retryAfterMs: 1_500 } });
    t.match(await deliver(), { http: 503, code, retryAfter: "2" });
  }
  t.same(await counts(), { failed: 3 });
});

t.test("where nothing is signed there is no webhook", async (t) => {
  const { asked, deliver } = setUp([]);
  t.match(await deliver(), { http: 404, code: "not_found", detail: /PAYMENT_WEBHOOK_SECRET/ });
  t.equal(asked.length, 0);
});
