// How Stripe writes it down: payment intents, refunds and errors, in the subset of fields this simulator speaks.
// A reply is a status and a body; transport belongs to server.ts.

import type { Intent, IntentStatus, Refund } from "./book.ts";

export interface Reply {
  readonly status: number;
  readonly body: string;
  /** The stored answer to a key that was used before. */
  readonly replayed?: boolean;
}

export interface ErrorFields {
  readonly type: "invalid_request_error" | "card_error" | "idempotency_error" | "api_error";
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
  readonly decline_code?: string;
  readonly payment_intent?: object;
}

export const errorReply = (status: number, error: ErrorFields): Reply => ({ status, body: JSON.stringify({ error }) });

export const invalid = (message: string, param?: string, code?: string): Reply =>
  errorReply(400, {
    type: "invalid_request_error",
    message,
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { code }),
  });

export const missing = (what: string, id: string, param: string, status: 400 | 404): Reply =>
  errorReply(status, {
    type: "invalid_request_error",
    code: "resource_missing",
    message: `No such ${what}: '${id}'`,
    param,
  });

/** The intent as it stands, or as it stood when it was in state `as`. */
export function intentObject(intent: Readonly<Intent>, as: IntentStatus = intent.status): object {
  const object = {
    id: intent.id,
    object: "payment_intent",
    amount: intent.amount,
    amount_capturable: as === "requires_capture" ? intent.amount : 0,
    amount_received: as === "succeeded" ? intent.amountReceived : 0,
    capture_method: "manual",
    confirmation_method: "automatic",
    created: Math.floor(intent.createdAtMs / 1000),
    currency: intent.currency,
    livemode: false,
    metadata: intent.metadata,
    payment_method: as === "requires_payment_method" ? null : intent.token,
    payment_method_types: ["card"],
    status: as,
  };
  return as === "requires_payment_method"
    ? { ...object, last_payment_error: { ...cardError(), type: "card_error" } }
    : object;
}

export const intentReply = (intent: Readonly<Intent>, as?: IntentStatus): Reply => ({
  status: 200,
  body: JSON.stringify(intentObject(intent, as)),
});

const cardError = (declineCode = "generic_decline") => ({
  code: "card_declined",
  decline_code: declineCode,
  message: "Your card was declined.",
});

export const declinedReply = (intent: Readonly<Intent>, declineCode: string): Reply =>
  errorReply(402, {
    type: "card_error",
    ...cardError(declineCode),
    payment_intent: intentObject(intent, "requires_payment_method"),
  });

export const unexpectedState = (intent: Readonly<Intent>, verb: string, allowed: string): Reply =>
  errorReply(400, {
    type: "invalid_request_error",
    code: "payment_intent_unexpected_state",
    message: `This PaymentIntent could not be ${verb} because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be ${verb}: ${allowed}.`,
    payment_intent: intentObject(intent),
  });

export const refundReply = (refund: Refund, currency: string): Reply => ({
  status: 200,
  body: JSON.stringify({
    id: refund.id,
    object: "refund",
    amount: refund.amount,
    created: Math.floor(refund.createdAtMs / 1000),
    currency,
    payment_intent: refund.intentId,
    status: "succeeded",
  }),
});
