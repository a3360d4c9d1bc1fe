// The simulator's memory: every payment intent and refund, and what each idempotency key made.
// B1: `apply` is the only writer, in service and at replay, so a restart arrives at the same book.
// B2: what a key made is told again from the intent's unchanging facts, as it was then and not as it is now; an answer
//     costs no memory of its own.
// B3: at most INTENTS_MAX intents; a fuller book refuses new ones (see payment-api.ts).

import { assertNever } from "../../shared/kernel/assert.ts";

/** About 400 bytes each. */
export const INTENTS_MAX = 2_000_000;

export type IntentStatus = "processing" | "requires_payment_method" | "requires_capture" | "succeeded" | "canceled";

export interface Intent {
  readonly id: string;
  /** Minor units. */
  readonly amount: number;
  readonly currency: string;
  readonly token: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly key: string | undefined;
  readonly createdAtMs: number;
  /** While `processing`: when it becomes `requires_capture`. */
  readonly dueAtMs: number | undefined;
  status: IntentStatus;
  amountReceived: number;
  amountRefunded: number;
}

export interface Refund {
  readonly id: string;
  readonly intentId: string;
  readonly amount: number;
  readonly createdAtMs: number;
}

/** The key a request came with, and the fingerprint of its path and parameters. */
export interface RequestKey {
  readonly key: string;
  readonly hash: string;
}

/** A line of the ledger. `by` is absent where the request carried no key. */
export type LedgerRecord =
  | {
      readonly do: "create";
      readonly id: string;
      readonly amount: number;
      readonly currency: string;
      readonly token: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly at: number;
      readonly status: "processing" | "requires_payment_method" | "requires_capture";
      readonly dueAt?: number;
      readonly by?: RequestKey;
    }
  | { readonly do: "authorise"; readonly id: string }
  | { readonly do: "capture"; readonly id: string; readonly amount: number; readonly by?: RequestKey }
  | { readonly do: "cancel"; readonly id: string; readonly by?: RequestKey }
  | {
      readonly do: "refund";
      readonly id: string;
      readonly intent: string;
      readonly amount: number;
      readonly at: number;
      readonly by?: RequestKey;
    };

export interface KeyedAnswer {
  readonly hash: string;
  readonly made: LedgerRecord["do"];
  /** The intent's id, or the refund's. */
  readonly id: string;
}

export class BookError extends Error {
  override readonly name = "BookError";
}

export class Book {
  readonly #intents = new Map<string, Intent>();
  readonly #refunds = new Map<string, Refund>();
  readonly #answers = new Map<string, KeyedAnswer>();
  readonly #processing = new Set<Intent>();
  /** By the booking that its metadata names; mostly one each. */
  readonly #byBooking = new Map<string, Intent | Intent[]>();

  get intentCount(): number {
    return this.#intents.size;
  }

  get refundCount(): number {
    return this.#refunds.size;
  }

  /** Intents that wait for their `dueAtMs`. */
  get processing(): ReadonlySet<Intent> {
    return this.#processing;
  }

  intents(): IterableIterator<Intent> {
    return this.#intents.values();
  }

  refunds(): IterableIterator<Refund> {
    return this.#refunds.values();
  }

  intent(id: string): Readonly<Intent> | undefined {
    return this.#intents.get(id);
  }

  /** In the order they were made. */
  intentsOf(bookingId: string): readonly Readonly<Intent>[] {
    const found = this.#byBooking.get(bookingId) ?? [];
    return Array.isArray(found) ? found : [found];
  }

  refund(id: string): Refund | undefined {
    return this.#refunds.get(id);
  }

  answerOf(key: string): KeyedAnswer | undefined {
    return this.#answers.get(key);
  }

  /** Throws a BookError where the record does not follow from those before it: a damaged ledger. */
  apply(record: LedgerRecord): void {
    switch (record.do) {
      case "create":
        this.#create(record);
        break;
      case "authorise":
        this.#settle(record.id, ["processing"], "requires_capture");
        break;
      case "capture":
        this.#settle(record.id, ["requires_capture"], "succeeded").amountReceived = record.amount;
        break;
      case "cancel":
        this.#settle(record.id, ["requires_capture", "requires_payment_method"], "canceled");
        break;
      case "refund":
        this.#refund(record);
        break;
      default:
        assertNever(record);
    }
    if ("by" in record && record.by !== undefined) {
      this.#answers.set(record.by.key, { hash: record.by.hash, made: record.do, id: record.id });
    }
  }

  #create(record: LedgerRecord & { do: "create" }): void {
    if (this.#intents.has(record.id)) throw new BookError(`${record.id} is created twice`);
    const intent: Intent = {
      id: record.id,
      amount: record.amount,
      currency: record.currency,
      token: record.token,
      metadata: record.metadata,
      key: record.by?.key,
      createdAtMs: record.at,
      dueAtMs: record.dueAt,
      status: record.status,
      amountReceived: 0,
      amountRefunded: 0,
    };
    this.#intents.set(intent.id, intent);
    if (intent.status === "processing") this.#processing.add(intent);
    const { booking_id } = intent.metadata;
    if (booking_id === undefined) return;
    const others = this.#byBooking.get(booking_id);
    if (others === undefined) this.#byBooking.set(booking_id, intent);
    else if (Array.isArray(others)) others.push(intent);
    else this.#byBooking.set(booking_id, [others, intent]);
  }

  #settle(id: string, from: readonly IntentStatus[], to: IntentStatus): Intent {
    const intent = this.#intents.get(id);
    if (intent === undefined) throw new BookError(`${id} does not exist`);
    if (!from.includes(intent.status)) throw new BookError(`${id} is ${intent.status} and cannot become ${to}`);
    intent.status = to;
    this.#processing.delete(intent);
    return intent;
  }

  #refund(record: LedgerRecord & { do: "refund" }): void {
    const intent = this.#intents.get(record.intent);
    if (intent === undefined) throw new BookError(`${record.intent} does not exist`);
    if (intent.amountRefunded + record.amount > intent.amountReceived) {
      throw new BookError(`${intent.id} is refunded more than it received`);
    }
    intent.amountRefunded += record.amount;
    this.#refunds.set(record.id, {
      id: record.id,
      intentId: intent.id,
      amount: record.amount,
      createdAtMs: record.at,
    });
  }
}
