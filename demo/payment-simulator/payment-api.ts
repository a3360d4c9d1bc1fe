// What each request does to the book: validation, idempotency, the tokens' behaviours, the answer.
// Every change is one ledger record, appended and applied in the same breath; the server answers only after a sync.
// A1: the same key with the same request tells the stored answer, with another request 400, while the first is still
//     under way 409.
// A2: an intent that is `processing` becomes `requires_capture` when it is due, also across a restart, whether or not
//     anybody still listens.
// A3: at most PROCESSING_MAX intents are processing at a time.

import { createHash } from "node:crypto";
import { assertNever } from "../../shared/kernel/assert.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { type Book, INTENTS_MAX, type Intent, type KeyedAnswer, type LedgerRecord, type RequestKey } from "./book.ts";
import type { LedgerFile } from "./ledger-file.ts";
import { behaviourOf } from "./payment-tokens.ts";
import {
  declinedReply,
  errorReply,
  intentReply,
  invalid,
  missing,
  type Reply,
  refundReply,
  unexpectedState,
} from "./stripe-json.ts";

export const PROCESSING_MAX = 10_000;
/** Stripe's own limits. */
const AMOUNT_MAX = 99_999_999;
const KEY_LENGTH_MAX = 255;
const METADATA_KEYS_MAX = 50;

/** `body`: the decoded form. */
export interface ApiRequest {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: Readonly<Record<string, string | string[] | undefined>>;
}

/** `never`: the request is to stay without an answer. */
export type ApiAnswer = Reply | Promise<Reply> | "never";

export interface PaymentApiParts {
  readonly book: Book;
  readonly file: LedgerFile;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timers: Timers;
  /** A change that Stripe has an event for, once it is on disk; `intent` as it is then. */
  readonly onEvent: (type: string, intent: Readonly<Intent>) => void;
  /** How long after the request a `pm_sim_late` succeeds. */
  readonly lateMs: number;
}

export class PaymentApi {
  readonly #book: Book;
  readonly #file: LedgerFile;
  readonly #now: () => number;
  readonly #timers: Timers;
  readonly #lateMs: number;
  readonly #onEvent: PaymentApiParts["onEvent"];
  /** Keys whose record is not on disk yet. */
  readonly #underWay = new Set<string>();
  readonly #due = new Map<string, TimerHandle>();
  readonly #listeners = new Map<string, (reply: Reply) => void>();

  constructor(parts: PaymentApiParts) {
    this.#book = parts.book;
    this.#file = parts.file;
    this.#now = parts.now;
    this.#timers = parts.timers;
    this.#lateMs = parts.lateMs;
    this.#onEvent = parts.onEvent;
    for (const intent of this.#book.processing) this.#authoriseWhenDue(intent);
  }

  create(request: ApiRequest): ApiAnswer {
    const by = requestKeyOf(request);
    if (by !== undefined && "status" in by) return by;
    const told = by === undefined ? undefined : this.#toldBefore(by);
    if (told !== undefined) return told;
    const wish = paymentOf(request.body);
    if ("status" in wish) return wish;
    const behaviour = behaviourOf(wish.token);
    if (behaviour === undefined) return missing("PaymentMethod", wish.token, "payment_method", 400);
    if (behaviour.kind === "never") return "never";
    if (behaviour.kind === "error") {
      return errorReply(500, { type: "api_error", message: "An unexpected error occurred." });
    }
    if (this.#book.intentCount >= INTENTS_MAX) return overloaded("This simulator's ledger is full; use a new folder.");

    const at = this.#now();
    const fields = {
      ...wish,
      id: `pi_sim_${this.#file.name}_${this.#book.intentCount + 1}`,
      at,
      ...(by === undefined ? {} : { by }),
    };
    switch (behaviour.kind) {
      case "succeeds":
        this.#write({ do: "create", ...fields, status: "requires_capture" });
        return intentReply(this.#intent(fields.id));
      case "declined":
        this.#write({ do: "create", ...fields, status: "requires_payment_method" });
        return declinedReply(this.#intent(fields.id), behaviour.declineCode);
      case "slow":
      case "late": {
        if (this.#book.processing.size >= PROCESSING_MAX) return overloaded("Too many payments are processing.");
        const delayMs = behaviour.kind === "slow" ? behaviour.delayMs : this.#lateMs;
        this.#write({ do: "create", ...fields, status: "processing", dueAt: at + delayMs });
        this.#authoriseWhenDue(this.#intent(fields.id));
        if (behaviour.kind === "late") return "never";
        return new Promise((resolve) => this.#listeners.set(fields.id, resolve));
      }
      default:
        return assertNever(behaviour);
    }
  }

  retrieve(id: string): Reply {
    const intent = this.#book.intent(id);
    return intent === undefined ? missing("payment_intent", id, "intent", 404) : intentReply(intent);
  }

  capture(id: string, request: ApiRequest): Reply {
    return this.#change(id, request, (intent, by) => {
      if (intent.status !== "requires_capture") return unexpectedState(intent, "captured", "requires_capture");
      const text = request.body.amount_to_capture;
      const amount = text === undefined ? intent.amount : wholeNumber(text);
      if (amount === undefined || amount < 1 || amount > intent.amount) {
        return invalid("Invalid amount_to_capture.", "amount_to_capture", "parameter_invalid_integer");
      }
      this.#write({ do: "capture", id, amount, ...by });
      return intentReply(intent);
    });
  }

  cancel(id: string, request: ApiRequest): Reply {
    return this.#change(id, request, (intent, by) => {
      if (intent.status !== "requires_capture" && intent.status !== "requires_payment_method") {
        return unexpectedState(intent, "canceled", "requires_payment_method, requires_capture");
      }
      this.#write({ do: "cancel", id, ...by });
      return intentReply(intent);
    });
  }

  refund(request: ApiRequest): Reply {
    const id = request.body.payment_intent;
    if (typeof id !== "string")
      return invalid("Missing required param: payment_intent.", "payment_intent", "parameter_missing");
    return this.#change(id, request, (intent, by) => {
      const left = intent.amountReceived - intent.amountRefunded;
      const text = request.body.amount;
      const amount = text === undefined ? left : wholeNumber(text);
      if (intent.amountReceived === 0)
        return invalid(`PaymentIntent ${id} does not have a successful charge to refund.`, "payment_intent");
      if (left === 0)
        return invalid(`Charge of ${id} has already been refunded.`, "payment_intent", "charge_already_refunded");
      if (amount === undefined || amount < 1 || amount > left) {
        return invalid(`Refund amount must be from 1 to the unrefunded amount ${left}.`, "amount");
      }
      const refundId = `re_sim_${this.#file.name}_${this.#book.refundCount + 1}`;
      this.#write({ do: "refund", id: refundId, intent: id, amount, at: this.#now(), ...by });
      return this.#refundReply(refundId);
    });
  }

  /** Ends every timer; whoever still listens hears nothing more. */
  close(): void {
    for (const handle of this.#due.values()) this.#timers.clearTimeout(handle);
    this.#due.clear();
    this.#listeners.clear();
  }

  #change(
    id: string,
    request: ApiRequest,
    decide: (intent: Readonly<Intent>, by: { by?: RequestKey }) => Reply,
  ): Reply {
    const by = requestKeyOf(request);
    if (by !== undefined && "status" in by) return by;
    const told = by === undefined ? undefined : this.#toldBefore(by);
    if (told !== undefined) return told;
    const intent = this.#book.intent(id);
    if (intent === undefined) return missing("payment_intent", id, "intent", 404);
    return decide(intent, by === undefined ? {} : { by });
  }

  /** The answer this key already has; `undefined` for a new key. */
  #toldBefore(by: RequestKey): Reply | undefined {
    const answer = this.#book.answerOf(by.key);
    if (answer === undefined) return undefined;
    if (answer.hash !== by.hash) {
      return errorReply(400, {
        type: "idempotency_error",
        message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${by.key}' if you meant to execute a different request.`,
      });
    }
    const processing = answer.made === "create" && this.#book.intent(answer.id)?.status === "processing";
    if (processing || this.#underWay.has(by.key)) {
      return errorReply(409, {
        type: "idempotency_error",
        code: "idempotency_key_in_use",
        message: `There is currently another in-progress request using this idempotency key: ${by.key}.`,
      });
    }
    return { ...this.#tell(answer), replayed: true };
  }

  #tell(answer: KeyedAnswer): Reply {
    switch (answer.made) {
      case "create": {
        const intent = this.#intent(answer.id);
        const behaviour = behaviourOf(intent.token);
        return behaviour?.kind === "declined"
          ? declinedReply(intent, behaviour.declineCode)
          : intentReply(intent, "requires_capture");
      }
      case "capture":
        return intentReply(this.#intent(answer.id), "succeeded");
      case "cancel":
        return intentReply(this.#intent(answer.id), "canceled");
      case "refund":
        return this.#refundReply(answer.id);
      case "authorise":
        throw new Error("nobody's key authorises");
      default:
        return assertNever(answer.made);
    }
  }

  #write(record: LedgerRecord): void {
    this.#file.append(record);
    this.#book.apply(record);
    this.#announce(record);
    const key = "by" in record ? record.by?.key : undefined;
    if (key === undefined) return;
    this.#underWay.add(key);
    const end = () => this.#underWay.delete(key);
    this.#file.durable().then(end, end);
  }

  #announce(record: LedgerRecord): void {
    const type = eventOf(record);
    if (type === undefined) return;
    const tell = () => this.#onEvent(type, this.#intent(record.id));
    // What is not on disk is not told; the file says so itself.
    this.#file.durable().then(tell, () => undefined);
  }

  #authoriseWhenDue(intent: Readonly<Intent>): void {
    const delayMs = Math.max(0, (intent.dueAtMs ?? 0) - this.#now());
    const onDue = () => {
      this.#due.delete(intent.id);
      this.#write({ do: "authorise", id: intent.id });
      this.#listeners.get(intent.id)?.(intentReply(intent));
      this.#listeners.delete(intent.id);
    };
    this.#due.set(intent.id, this.#timers.setTimeout(onDue, delayMs));
  }

  #intent(id: string): Readonly<Intent> {
    const intent = this.#book.intent(id);
    if (intent === undefined) throw new Error(`${id} is not in the book`);
    return intent;
  }

  #refundReply(id: string): Reply {
    const refund = this.#book.refund(id);
    if (refund === undefined) throw new Error(`${id} is not in the book`);
    return refundReply(refund, this.#intent(refund.intentId).currency);
  }
}

function eventOf(record: LedgerRecord): string | undefined {
  switch (record.do) {
    case "create":
      if (record.status === "processing") return "payment_intent.processing";
      return record.status === "requires_capture"
        ? "payment_intent.amount_capturable_updated"
        : "payment_intent.payment_failed";
    case "authorise":
      return "payment_intent.amount_capturable_updated";
    case "capture":
      return "payment_intent.succeeded";
    case "cancel":
      return "payment_intent.canceled";
    case "refund":
      return undefined;
    default:
      return assertNever(record);
  }
}

interface PaymentWish {
  readonly amount: number;
  readonly currency: string;
  readonly token: string;
  readonly metadata: Readonly<Record<string, string>>;
}

function paymentOf(body: ApiRequest["body"]): PaymentWish | Reply {
  const amount = wholeNumber(body.amount);
  if (amount === undefined)
    return invalid("Missing or invalid integer: amount.", "amount", "parameter_invalid_integer");
  if (amount < 1)
    return invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer");
  if (amount > AMOUNT_MAX) return invalid(`Amount must be no more than ${AMOUNT_MAX}.`, "amount", "amount_too_large");
  const currency = body.currency;
  if (typeof currency !== "string" || !/^[a-z]{3}$/i.test(currency)) return invalid("Invalid currency.", "currency");
  if (body.capture_method !== "manual")
    return invalid("This simulator knows capture_method=manual only.", "capture_method");
  if (body.confirm !== "true") return invalid("This simulator knows confirm=true only.", "confirm");
  const token = body.payment_method;
  if (typeof token !== "string")
    return invalid("Missing required param: payment_method.", "payment_method", "parameter_missing");

  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(body)) {
    const key = /^metadata\[(\w{1,40})\]$/.exec(name)?.[1];
    if (key !== undefined && typeof value === "string") metadata[key] = value;
  }
  if (Object.keys(metadata).length > METADATA_KEYS_MAX) return invalid("Too many metadata keys.", "metadata");
  return { amount, currency: currency.toLowerCase(), token, metadata };
}

function wholeNumber(text: string | string[] | undefined): number | undefined {
  return typeof text === "string" && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

function requestKeyOf(request: ApiRequest): RequestKey | Reply | undefined {
  const { key } = request;
  if (key === undefined) return undefined;
  if (key.length === 0 || key.length > KEY_LENGTH_MAX) {
    return invalid(`Idempotency-Key must have 1 to ${KEY_LENGTH_MAX} characters.`, "Idempotency-Key");
  }
  // The parameters count, not the order they are written in.
  const parameters = Object.entries(request.body).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256")
    .update(JSON.stringify([request.path, parameters]))
    .digest("base64url")
    .slice(0, 22);
  return { key, hash };
}

const overloaded = (message: string): Reply =>
  errorReply(429, { type: "invalid_request_error", code: "rate_limit", message });
