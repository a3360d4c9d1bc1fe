// The payment gateway behind the Stripe PaymentIntents API: the real one, or anything that speaks its subset.
// An authorisation is a PaymentIntent with manual capture, confirmed at once; its id is the reference.
// S1: what the provider said decides (`declined`, `failed`); what it did not say is `unknown`, never a decline.
// S2: timeouts, lost connections, 5xx, 429 and a refused key are the provider's failures; declines and refused requests
//     are not. Those of beginnings open the breaker, which refuses beginnings and nothing else (G4).
// S3: at most CALLS_MAX beginnings and SETTLE_CALLS_MAX settling calls are under way; one more is refused. They have
//     connections of their own: beginnings that nobody answers keep no capture waiting.

import Stripe from "stripe";
import type { BookingId } from "../../shared/kernel/ids.ts";
import { createAlignedClock } from "../../shared/platform/clock.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";
import { type Admission, PaymentBreaker } from "./breaker.ts";
import {
  type AuthoriseOutcome,
  type AuthoriseRequest,
  type CancelOutcome,
  type CaptureOutcome,
  type FindOutcome,
  FREE_REFERENCE,
  type PaymentGateway,
  type ProviderPayment,
  paymentKey,
  type RefundOutcome,
} from "./port.ts";
import { BoundedHttpClient } from "./stripe-adapter-http.ts";
import { retrieveIntent, type SearchFor, searchIntents } from "./stripe-search.ts";
import { withoutStackTraces } from "./without-stack-traces.ts";

export const CALLS_MAX = 2_048;
export const SETTLE_CALLS_MAX = 1_024;
/** After so long one call is let through to see. */
export const BREAKER_RESET_MS = 3_000;
export const SETTLE_TIMEOUT_MS = 10_000;
const OVERLOAD_RETRY_MS = 1_000;
/** Anything else is no token and is not sent: it must not count against the provider. */
const PAYMENT_TOKEN = /^[\x21-\x7e]{1,255}$/;

/** For logs and metrics: nothing is decided by them. */
export type PaymentTrouble =
  | { readonly kind: "breaker"; readonly state: "open" | "closed" }
  | {
      readonly kind: "failure";
      /** The call's idempotency key: it begins with the booking's id. */
      readonly key: string;
      readonly bookingId: string;
      readonly status: number | undefined;
      readonly message: string;
    };

export interface StripeGatewayOptions {
  /** `https://api.stripe.com`, or where the simulator is. */
  readonly url: string;
  readonly apiKey: string;
  readonly timers?: Timers;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  readonly onTrouble?: (trouble: PaymentTrouble) => void;
  readonly breakerResetMs?: number;
  /** For one capture or cancel. */
  readonly settleTimeoutMs?: number;
}

/** A refusal by the provider: it answered, and this is what it said. */
type Refused = { readonly kind: "refused"; readonly code: string; readonly intentStatus: string | undefined };
type Answer =
  | { readonly kind: "made"; readonly id: string; readonly status: string }
  | Refused
  /** It is busy with the very same request. */
  | { readonly kind: "under_way" };
type Result = Answer | { readonly kind: "failed" } | { readonly kind: "not_sent" };

/** The provider gave no verdict. */
class ProviderFailure extends Error {
  override readonly name = "ProviderFailure";
  readonly status: number | undefined;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.status = cause instanceof Stripe.errors.StripeError ? cause.statusCode : undefined;
  }
}

/** A client with connections of its own, and what is under way on them. */
class Line {
  readonly stripe: Stripe;
  readonly http: BoundedHttpClient;
  readonly underWay = new Set<Promise<Result>>();

  constructor({ url, apiKey, timers }: StripeGatewayOptions) {
    const { protocol, hostname, port } = new URL(url);
    const secure = protocol === "https:";
    this.http = new BoundedHttpClient(secure, timers ?? systemTimers);
    this.stripe = new Stripe(apiKey, {
      host: hostname,
      port: port === "" ? (secure ? 443 : 80) : Number(port),
      protocol: secure ? "https" : "http",
      httpClient: this.http,
      maxNetworkRetries: 0,
      telemetry: false,
    });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.http.close();
    await Promise.all(this.underWay);
  }
}

/** A payment intent, or a refund. */
interface Made {
  readonly id: string;
  readonly status: string | null;
}

interface Call {
  readonly key: string;
  readonly send: (stripe: Stripe) => Promise<Made>;
}

export class StripeGateway implements PaymentGateway {
  readonly #beginnings: Line;
  readonly #settlements: Line;
  readonly #breaker: PaymentBreaker;
  readonly #onTrouble: (trouble: PaymentTrouble) => void;
  readonly #settleTimeoutMs: number;
  #closed = false;

  constructor(options: StripeGatewayOptions) {
    this.#beginnings = new Line(options);
    this.#settlements = new Line(options);
    const onTrouble = options.onTrouble ?? (() => undefined);
    this.#onTrouble = onTrouble;
    this.#settleTimeoutMs = options.settleTimeoutMs ?? SETTLE_TIMEOUT_MS;
    this.#breaker = new PaymentBreaker({
      now: options.now ?? createAlignedClock().reading,
      resetMs: options.breakerResetMs ?? BREAKER_RESET_MS,
      onChange: (state) => onTrouble({ kind: "breaker", state }),
    });
  }

  async authorise(request: AuthoriseRequest): Promise<AuthoriseOutcome> {
    if (request.amount === 0) return { kind: "authorised", reference: FREE_REFERENCE };
    if (!PAYMENT_TOKEN.test(request.paymentToken)) return { kind: "declined", reason: "invalid_payment_method" };
    const key = paymentKey(request.bookingId, request.attempt);
    const send = (stripe: Stripe): Promise<Made> =>
      stripe.paymentIntents.create(
        {
          amount: request.amount,
          currency: request.currency.toLowerCase(),
          payment_method: request.paymentToken,
          // Otherwise Stripe asks for a page to return to.
          automatic_payment_methods: { enabled: true, allow_redirects: "never" },
          capture_method: "manual",
          confirm: true,
          // Nobody is there to authenticate: such a card is a decline.
          error_on_requires_action: true,
          metadata: { booking_id: request.bookingId, attempt: request.attempt },
        },
        { idempotencyKey: key, timeout: Math.max(1, Math.floor(request.timeoutMs)) },
      );
    const result = await (request.purpose === "begin" ? this.#begin({ key, send }) : this.#settle({ key, send }));
    switch (result.kind) {
      case "made":
        return authorisationOf(result.id, result.status);
      case "refused":
        return { kind: "declined", reason: result.code };
      case "not_sent":
        return { kind: "refused_now", retryAfterMs: Math.max(1, this.retryAfterMs()) };
      case "under_way":
      case "failed":
        return { kind: "unknown" };
    }
  }

  async capture(reference: string, idempotencyKey: string): Promise<CaptureOutcome> {
    if (reference === FREE_REFERENCE) return "captured";
    const result = await this.#settle({
      key: idempotencyKey,
      send: (stripe) =>
        stripe.paymentIntents.capture(reference, {}, { idempotencyKey, timeout: this.#settleTimeoutMs }),
    });
    const status = statusOf(result);
    if (status === "succeeded") return "captured";
    return result.kind === "refused" || status === "canceled" ? "failed" : "unknown";
  }

  async cancel(reference: string, idempotencyKey: string): Promise<CancelOutcome> {
    if (reference === FREE_REFERENCE) return "cancelled";
    const result = await this.#settle({
      key: idempotencyKey,
      send: (stripe) => stripe.paymentIntents.cancel(reference, {}, { idempotencyKey, timeout: this.#settleTimeoutMs }),
    });
    const status = statusOf(result);
    if (status === "canceled") return "cancelled";
    if (status === "succeeded") return "already_captured";
    return result.kind === "refused" ? "failed" : "unknown";
  }

  async refund(reference: string, idempotencyKey: string): Promise<RefundOutcome> {
    if (reference === FREE_REFERENCE) return "refunded";
    const result = await this.#settle({
      key: idempotencyKey,
      send: (stripe) =>
        stripe.refunds.create({ payment_intent: reference }, { idempotencyKey, timeout: this.#settleTimeoutMs }),
    });
    if (result.kind === "refused") return result.code === "charge_already_refunded" ? "refunded" : "failed";
    if (result.kind !== "made") return "unknown";
    return result.status === "failed" || result.status === "canceled" ? "failed" : "refunded";
  }

  find(bookingId: BookingId, attempt: number): Promise<FindOutcome> {
    return this.#read({ bookingId, attempt, timeoutMs: this.#settleTimeoutMs }, searchIntents);
  }

  look(reference: string, bookingId: BookingId, attempt: number): Promise<FindOutcome> {
    const what = { bookingId, attempt, timeoutMs: this.#settleTimeoutMs };
    return this.#read(what, (stripe) => retrieveIntent(stripe, reference, what));
  }

  async #read(
    what: SearchFor,
    ask: (stripe: Stripe, what: SearchFor) => Promise<ProviderPayment[]>,
  ): Promise<FindOutcome> {
    let payments: readonly ProviderPayment[] = [];
    const send = async (stripe: Stripe): Promise<Made> => {
      payments = await ask(stripe, what);
      return { id: what.bookingId, status: null };
    };
    const { kind } = await this.#settle({ key: paymentKey(what.bookingId, what.attempt), send });
    if (kind === "made") return { kind: "found", payments };
    return kind === "refused" ? { kind: "failed" } : { kind: "unknown" };
  }

  available(): boolean {
    return this.#hasRoom() && this.#breaker.admits();
  }

  mayBegin(): boolean {
    return this.#hasRoom() && this.#breaker.promise();
  }

  retryAfterMs(): number {
    return this.available() ? 0 : this.#breaker.retryAfterMs() || OVERLOAD_RETRY_MS;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#beginnings.close(), this.#settlements.close()]);
  }

  #hasRoom(): boolean {
    return !this.#closed && this.#beginnings.underWay.size < CALLS_MAX;
  }

  /** Never rejects. */
  async #begin(call: Call): Promise<Result> {
    const admission = this.available() ? this.#breaker.admit() : undefined;
    return admission === undefined ? { kind: "not_sent" } : this.#send(this.#beginnings, call, admission);
  }

  /** Never rejects. */
  async #settle(call: Call): Promise<Result> {
    if (this.#closed || this.#settlements.underWay.size >= SETTLE_CALLS_MAX) return { kind: "not_sent" };
    return this.#send(this.#settlements, call);
  }

  async #send(line: Line, call: Call, admission?: Admission): Promise<Result> {
    const result = this.#resultOf(line, call, admission);
    line.underWay.add(result);
    try {
      return await result;
    } finally {
      line.underWay.delete(result);
    }
  }

  async #resultOf({ stripe }: Line, { key, send }: Call, admission: Admission | undefined): Promise<Result> {
    const ended = (isFailure: boolean): void => {
      // A call that we ended ourselves says nothing about the provider.
      if (admission !== undefined && !this.#closed) this.#breaker.ended(admission, key, isFailure);
    };
    try {
      const answer = await answerOf(() => send(stripe));
      ended(false);
      return answer;
    } catch (error) {
      const { status, message } = error instanceof ProviderFailure ? error : new ProviderFailure(error);
      const bookingId = key.slice(0, key.indexOf(":"));
      this.#onTrouble({ kind: "failure", key, bookingId, status, message });
      ended(true);
      // A refused key is settled: the provider did nothing.
      return status === 401 || status === 403 ? { kind: "not_sent" } : { kind: "failed" };
    }
  }
}

const VERDICT_STATUSES = new Set([400, 402, 404]);
/** Not `idempotency_error`: the key was used with another request, by another version of us, and that may have succeeded. */
const VERDICT_TYPES: ReadonlySet<string> = new Set(["card_error", "invalid_request_error"]);

/** Throws a ProviderFailure where the provider gave no verdict. */
async function answerOf(call: () => Promise<Made>): Promise<Answer> {
  try {
    const { id, status } = await withoutStackTraces(call);
    if (typeof id !== "string") throw new ProviderFailure(new Error("what it answered has no id"));
    return { kind: "made", id, status: status ?? "" };
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw new ProviderFailure(error);
    const { statusCode = 0, rawType = "" } = error;
    if (statusCode === 409) return { kind: "under_way" };
    if (!VERDICT_STATUSES.has(statusCode) || !VERDICT_TYPES.has(rawType)) throw new ProviderFailure(error);
    return {
      kind: "refused",
      code: error.decline_code || error.code || rawType,
      intentStatus: error.payment_intent?.status,
    };
  }
}

function authorisationOf(reference: string, status: string): AuthoriseOutcome {
  switch (status) {
    case "requires_capture":
    case "succeeded":
      return { kind: "authorised", reference };
    case "canceled":
    case "requires_action":
    case "requires_confirmation":
    case "requires_payment_method":
      return { kind: "declined", reason: status };
    default:
      return { kind: "unknown" };
  }
}

/** The intent's state, from an answer or from a refusal that names it. */
function statusOf(result: Result): string | undefined {
  if (result.kind === "made") return result.status;
  return result.kind === "refused" ? result.intentStatus : undefined;
}
