// POST /v1/payments/webhook: the payment gateway says that something became of a payment.
// K1: a hint, never the outcome: whoever owns the show asks the payment gateway itself. So deliveries that come twice,
//     late, in disorder, or that somebody made up change nothing that is not so.
// K2: 200 says that nothing more need be delivered: asked, or not ours. 503 asks for another delivery.
// K3: only what is signed with one of our secrets, less than SIGNATURE_AGE_MAX_S ago, reaches a show.

import { isUtf8 } from "node:buffer";
import { z } from "@hono/zod-openapi";
import { Counter, type Registry } from "prom-client";
import type Stripe from "stripe";
import { assert } from "../../shared/kernel/assert.ts";
import { type BookingId, showOf } from "../../shared/kernel/ids.ts";
import type { Clock } from "../../shared/platform/clock.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import { type Answer, json } from "../http/answer.ts";
import { readBytes } from "../http/body.ts";
import { type Endpoint, endpoint, type Result } from "../http/endpoint.ts";
import { headerOf } from "../http/headers.ts";
import { faultProblem, type Problem } from "../http/problem.ts";
import { ASK_DEADLINE_MS } from "./asking.ts";

export const WEBHOOK_BODY_LIMIT_BYTES = 128 * 1024;
export const SIGNATURE_AGE_MAX_S = 300;
const SIGNATURE_HEADER = "Stripe-Signature";
const ATTEMPT = /^[1-9]\d{0,8}$/;

export interface PaymentWebhookDependencies {
  readonly allocator: AllocatorPort;
  readonly metrics: Registry;
  readonly clock: Clock;
  /** Any of them will do: one replaces the other without a gap. Empty: there is no webhook. */
  readonly secrets: readonly string[];
}

/** What of an event is read. Everything else of it is the payment gateway's word, and not taken. */
const EVENT = z.object({
  type: z.string().startsWith("payment_intent."),
  data: z.object({
    object: z.object({
      id: z.string().min(1).max(255),
      metadata: z.object({
        booking_id: z.string().refine((id): id is BookingId => showOf(id) !== undefined),
        attempt: z.string().regex(ATTEMPT),
      }),
    }),
  }),
});

const NOT_CONFIGURED: Problem = {
  code: "not_found",
  detail: "No payment webhook is expected here; set PAYMENT_WEBHOOK_SECRET to what the payment gateway signs with.",
};

const received = (): Answer => json(200, { received: true });

export function paymentWebhookEndpoint(dependencies: PaymentWebhookDependencies): Endpoint {
  const { secrets, clock } = dependencies;
  const counted = new Counter({
    name: "usher_payment_webhooks_total",
    help: "Deliveries of the payment gateway's webhook, by what became of them.",
    labelNames: ["outcome"],
    registers: [dependencies.metrics],
  });
  return endpoint({
    method: "post",
    path: "/v1/payments/webhook",
    tag: "payments",
    summary: "Hear from the payment gateway",
    description:
      `For the payment gateway: events \`payment_intent.*\` with its \`${SIGNATURE_HEADER}\`, at most ` +
      `${SIGNATURE_AGE_MAX_S} s old. An event is a reason to ask it, never believed by itself; other events are ignored.`,
    access: "public",
    idempotent: false,
    answers: { 200: { description: "Heard", schema: z.object({ received: z.literal(true) }) } },
    problems: [
      "not_found",
      "signature_invalid",
      "malformed_json",
      "unsupported_media_type",
      "body_too_large",
      "store_unavailable",
      "overloaded",
      "outcome_pending",
      "show_quarantined",
    ],
    handle: async ({ context }): Promise<Result> => {
      if (secrets.length === 0) return NOT_CONFIGURED;
      const read = await readBytes(context, WEBHOOK_BODY_LIMIT_BYTES);
      if ("problem" in read) return read.problem;
      const fault = await signatureFault(read.bytes, headerOf(context, "stripe-signature"), secrets, clock.now());
      if (fault !== undefined) {
        counted.inc({ outcome: "refused" });
        return unsigned(fault);
      }
      const value = jsonIn(read.bytes);
      if (value === undefined) return NOT_JSON;
      const event = EVENT.safeParse(value);
      if (!event.success) {
        counted.inc({ outcome: "ignored" });
        return received();
      }
      return hint(dependencies.allocator, event.data.data.object, counted);
    },
  });
}

async function hint(
  allocator: AllocatorPort,
  { id: reference, metadata }: z.infer<typeof EVENT>["data"]["object"],
  counted: Counter<"outcome">,
): Promise<Result> {
  const bookingId = metadata.booking_id;
  const showId = showOf(bookingId);
  assert(showId !== undefined, "the schema lets only ids through that name a show");
  const attempt = Number(metadata.attempt);
  const reply = await allocator.ask(showId, { kind: "CheckPayment", bookingId, attempt, reference }, ASK_DEADLINE_MS);
  if (reply.kind === "fault") {
    counted.inc({ outcome: "failed" });
    return faultProblem(reply.fault);
  }
  // Another installation may share the payment gateway's account: its bookings are not ours to touch.
  counted.inc({ outcome: reply.kind === "done" ? "asked" : "unknown_booking" });
  return received();
}

const unsigned = (message: string): Problem => ({
  code: "signature_invalid",
  detail: `${SIGNATURE_HEADER}: ${message}.`,
  errors: [{ field: SIGNATURE_HEADER, message }],
});

const NOT_JSON: Problem = {
  code: "malformed_json",
  detail: "The body is signed, and no JSON.",
  errors: [{ field: "body", message: "must be well-formed JSON" }],
};

function jsonIn(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

const TOO_OLD = `is more than ${SIGNATURE_AGE_MAX_S} s old; sign each delivery anew, and see that the clocks agree`;

/** What is wrong with it, by the Stripe client's own check; `undefined` when one of the secrets fits. */
async function signatureFault(
  bytes: Buffer,
  header: string | undefined,
  secrets: readonly string[],
  nowMs: number,
): Promise<string | undefined> {
  if (header === undefined || header === "") return "is required";
  const stripe = await stripeClass();
  const { signature } = stripe.webhooks;
  assert(signature !== null, "the Stripe client verifies signatures");
  let fault = "";
  for (const secret of secrets) {
    try {
      signature.verifyHeader(bytes, header, secret, SIGNATURE_AGE_MAX_S, undefined, nowMs);
      return undefined;
    } catch (error) {
      if (!(error instanceof stripe.errors.StripeSignatureVerificationError)) throw error;
      // That it is old is said only of one that fits; the other secrets' word does not count then.
      if (fault !== TOO_OLD) fault = faultIn(error.message);
    }
  }
  return fault;
}

function faultIn(message: string): string {
  if (message.startsWith("Timestamp outside")) return TOO_OLD;
  if (message.startsWith("Unable to extract")) return "must have a time `t` and a signature `v1`";
  if (message.startsWith("No signatures found with")) return "must have a signature of the scheme `v1`";
  return "does not fit the body with any secret known here";
}

/** Once it is needed: the client takes 150 ms to load, and most gateways never hear a webhook. */
const stripeClass = async (): Promise<typeof Stripe> => (await import("stripe")).default;
