// The payment gateway behind the Stripe PaymentIntents API: the real one, or anything that speaks its subset.
// An authorisation is a PaymentIntent with manual capture, confirmed at once; its id is the reference.
// S1: what the provider said decides (`declined`, `failed`); what it did not say is `unknown`, never a decline.
// S2: timeouts, lost connections, 5xx, 429 and a refused key count as the provider's failures and open the breaker;
//     declines and refused requests do not. While it is open nothing is sent.
// S3: at most CALLS_MAX calls are under way; one more is refused, as when the breaker is open.

import CircuitBreaker from "opossum";
import Stripe from "stripe";
import { createAlignedClock } from "../../shared/platform/clock.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";
import {
  type AuthoriseOutcome,
  type AuthoriseRequest,
  type CancelOutcome,
  type CaptureOutcome,
  FREE_REFERENCE,
  type PaymentGateway,
  paymentKey,
} from "./port.ts";
import { BoundedHttpClient } from "./stripe-adapter-http.ts";

export const CALLS_MAX = 2_048;
/** The breaker opens when, of at least so many calls within the window, more than half failed. */
export const BREAKER_CALLS_MIN = 5;
export const BREAKER_FAILURES_PERCENT = 50;
export const BREAKER_WINDOW_MS = 10_000;
/** After so long one call is let through to see. */
export const BREAKER_RESET_MS = 3_000;
export const SETTLE_TIMEOUT_MS = 10_000;
const OVERLOAD_RETRY_MS = 1_000;
/** Anything else is no token and is not sent: it must not count against the provider. */
const PAYMENT_TOKEN = /^[\x21-\x7e]{1,255}$/;

/** For logs and metrics: nothing is decided by them. */
export type PaymentTrouble =
  | { readonly kind: "breaker"; readonly state: "open" | "closed" }
  | { readonly kind: "failure"; readonly status: number | undefined; readonly message: string };

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
  | { readonly kind: "intent"; readonly id: string; readonly status: Stripe.PaymentIntent.Status }
  | Refused
  /** It is busy with the very same request. */
  | { readonly kind: "under_way" };
type Result = Answer | { readonly kind: "failed" } | { readonly kind: "not_sent" };

/** Thrown into the breaker, so that it counts. */
class ProviderFailure extends Error {
  override readonly name = "ProviderFailure";
  readonly status: number | undefined;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.status = cause instanceof Stripe.errors.StripeError ? cause.statusCode : undefined;
  }
}

export class StripeGateway implements PaymentGateway {
  readonly #stripe: Stripe;
  readonly #http: BoundedHttpClient;
  readonly #breaker: CircuitBreaker<[() => Promise<Stripe.PaymentIntent>], Answer>;
  readonly #now: () => number;
  readonly #onTrouble: (trouble: PaymentTrouble) => void;
  readonly #breakerResetMs: number;
  readonly #settleTimeoutMs: number;
  readonly #underWay = new Set<Promise<Result>>();
  #openedAt = 0;
  #closed = false;

  constructor(options: StripeGatewayOptions) {
    const url = new URL(options.url);
    const secure = url.protocol === "https:";
    this.#now = options.now ?? createAlignedClock().reading;
    this.#onTrouble = options.onTrouble ?? (() => undefined);
    this.#breakerResetMs = options.breakerResetMs ?? BREAKER_RESET_MS;
    this.#settleTimeoutMs = options.settleTimeoutMs ?? SETTLE_TIMEOUT_MS;
    this.#http = new BoundedHttpClient(secure, options.timers ?? systemTimers);
    this.#stripe = new Stripe(options.apiKey, {
      host: url.hostname,
      port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
      protocol: secure ? "https" : "http",
      httpClient: this.#http,
      maxNetworkRetries: 0,
      telemetry: false,
    });
    this.#breaker = new CircuitBreaker((call: () => Promise<Stripe.PaymentIntent>) => answerOf(call), {
      // Every call has a deadline of its own.
      timeout: false,
      errorThresholdPercentage: BREAKER_FAILURES_PERCENT,
      volumeThreshold: BREAKER_CALLS_MIN,
      resetTimeout: this.#breakerResetMs,
      rollingCountTimeout: BREAKER_WINDOW_MS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#breaker.on("open", () => {
      this.#openedAt = this.#now();
      this.#onTrouble({ kind: "breaker", state: "open" });
    });
    this.#breaker.on("close", () => this.#onTrouble({ kind: "breaker", state: "closed" }));
  }

  async authorise(request: AuthoriseRequest): Promise<AuthoriseOutcome> {
    if (request.amount === 0) return { kind: "authorised", reference: FREE_REFERENCE };
    if (!PAYMENT_TOKEN.test(request.paymentToken)) return { kind: "declined", reason: "invalid_payment_method" };
    const key = paymentKey(request.bookingId, request.attempt);
    const result = await this.#call(() =>
      this.#stripe.paymentIntents.create(
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
      ),
    );
    switch (result.kind) {
      case "intent":
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
    const result = await this.#call(() =>
      this.#stripe.paymentIntents.capture(reference, {}, { idempotencyKey, timeout: this.#settleTimeoutMs }),
    );
    const status = statusOf(result);
    if (status === "succeeded") return "captured";
    return result.kind === "refused" || status === "canceled" ? "failed" : "unknown";
  }

  async cancel(reference: string, idempotencyKey: string): Promise<CancelOutcome> {
    if (reference === FREE_REFERENCE) return "cancelled";
    const result = await this.#call(() =>
      this.#stripe.paymentIntents.cancel(reference, {}, { idempotencyKey, timeout: this.#settleTimeoutMs }),
    );
    const status = statusOf(result);
    if (status === "canceled") return "cancelled";
    if (status === "succeeded") return "already_captured";
    return result.kind === "refused" ? "failed" : "unknown";
  }

  available(): boolean {
    return !this.#closed && this.#underWay.size < CALLS_MAX && !this.#blocked();
  }

  retryAfterMs(): number {
    if (this.available()) return 0;
    if (!this.#breaker.opened) return OVERLOAD_RETRY_MS;
    return Math.max(1, Math.ceil(this.#openedAt + this.#breakerResetMs - this.#now()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#http.close();
    await Promise.all(this.#underWay);
    this.#breaker.shutdown();
  }

  /** Open, or half open with its one probe out. */
  #blocked(): boolean {
    return this.#breaker.opened || (this.#breaker.halfOpen && !this.#breaker.pendingClose);
  }

  /** Never rejects. */
  async #call(send: () => Promise<Stripe.PaymentIntent>): Promise<Result> {
    if (!this.available()) return { kind: "not_sent" };
    const result = this.#fire(send);
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }

  async #fire(send: () => Promise<Stripe.PaymentIntent>): Promise<Result> {
    try {
      return await this.#breaker.fire(send);
    } catch (error) {
      if (!(error instanceof ProviderFailure)) return { kind: "not_sent" };
      this.#onTrouble({ kind: "failure", status: error.status, message: error.message });
      // A refused key is settled: the provider did nothing.
      return error.status === 401 || error.status === 403 ? { kind: "not_sent" } : { kind: "failed" };
    }
  }
}

/** Throws a ProviderFailure where the provider gave no verdict. */
async function answerOf(call: () => Promise<Stripe.PaymentIntent>): Promise<Answer> {
  try {
    const { id, status } = await withoutStackTraces(call);
    return { kind: "intent", id, status };
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw new ProviderFailure(error);
    switch (error.statusCode) {
      case 400:
      case 402:
      case 404:
        return {
          kind: "refused",
          code: error.decline_code ?? error.code ?? error.rawType ?? "refused",
          intentStatus: error.payment_intent?.status,
        };
      case 409:
        return { kind: "under_way" };
      default:
        throw new ProviderFailure(error);
    }
  }
}

/**
 * The Stripe client takes a stack trace at the start of every call, in case it fails; mapped to TypeScript lines that
 * is a third of the call's cost (authorise + capture: 0.77 ms of CPU with it, 0.53 without). `start` is synchronous up
 * to there.
 */
function withoutStackTraces<T>(start: () => Promise<T>): Promise<T> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return start();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function authorisationOf(reference: string, status: Stripe.PaymentIntent.Status): AuthoriseOutcome {
  switch (status) {
    case "requires_capture":
    case "succeeded":
      return { kind: "authorised", reference };
    case "processing":
      return { kind: "unknown" };
    default:
      return { kind: "declined", reason: status };
  }
}

/** The intent's state, from an answer or from a refusal that names it. */
function statusOf(result: Result): string | undefined {
  if (result.kind === "intent") return result.status;
  return result.kind === "refused" ? result.intentStatus : undefined;
}
