// `GET /sim/ledger`: the whole ledger for an audit, streamed, so that two million intents need no two-gigabyte string.

import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Book, Intent, Refund } from "./book.ts";

const ROWS_PER_CHUNK = 1_000;

/**
 * `{intents: [{id, booking_id, idempotency_key, amount, amount_received, amount_refunded, currency, status, metadata}],
 *   refunds: [{id, payment_intent, amount}]}`, in the order they were made.
 */
export function writeLedger(book: Book, response: ServerResponse): void {
  if (response.destroyed) return;
  response.writeHead(200, { "content-type": "application/json" });
  // A reader who leaves in the middle is nobody's fault.
  pipeline(Readable.from(ledgerText(book)), response).catch(() => undefined);
}

function* ledgerText(book: Book): Generator<string> {
  yield '{"intents":[';
  yield* rows(book.intents(), intentRow);
  yield '],"refunds":[';
  yield* rows(book.refunds(), refundRow);
  yield "]}\n";
}

function* rows<T>(items: Iterable<T>, render: (item: T) => object): Generator<string> {
  let chunk: string[] = [];
  let separator = "";
  for (const item of items) {
    chunk.push(JSON.stringify(render(item)));
    if (chunk.length < ROWS_PER_CHUNK) continue;
    yield separator + chunk.join(",");
    separator = ",";
    chunk = [];
  }
  if (chunk.length > 0) yield separator + chunk.join(",");
}

const intentRow = (intent: Intent) => ({
  id: intent.id,
  booking_id: intent.metadata.booking_id ?? null,
  idempotency_key: intent.key ?? null,
  amount: intent.amount,
  amount_received: intent.amountReceived,
  amount_refunded: intent.amountRefunded,
  currency: intent.currency,
  status: intent.status,
  metadata: intent.metadata,
});

const refundRow = (refund: Refund) => ({ id: refund.id, payment_intent: refund.intentId, amount: refund.amount });
