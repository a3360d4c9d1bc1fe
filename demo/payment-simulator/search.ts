// `GET /v1/payment_intents/search`: the part of Stripe's query language that names metadata. A booking has to be among
// what is named: only by it does the book find without reading everything.

import type { Book } from "./book.ts";
import { intentObject, invalid, type Reply } from "./stripe-json.ts";

const LIMIT_MAX = 100;
const TERM = /^metadata\['(\w{1,40})'\]:'([^'\\]{0,500})'$/;

export function searchIntents(book: Book, parameters: URLSearchParams): Reply {
  const limit = wholeNumber(parameters.get("limit") ?? "10", LIMIT_MAX);
  if (limit === undefined || limit === 0) return invalid(`limit is from 1 to ${LIMIT_MAX}.`, "limit");
  const from = wholeNumber(parameters.get("page") ?? "0", Number.MAX_SAFE_INTEGER);
  if (from === undefined) return invalid("This is no page of a search.", "page");
  const terms = (parameters.get("query") ?? "").split(" AND ").map((term) => TERM.exec(term));
  const named = terms.flatMap((term) => (term === null ? [] : [[term[1] ?? "", term[2] ?? ""] as const]));
  const bookingId = named.find(([name]) => name === "booking_id")?.[1];
  if (named.length < terms.length || bookingId === undefined) {
    return invalid("This simulator searches by metadata, and metadata['booking_id'] among it.", "query");
  }
  const found = book.intentsOf(bookingId).filter(({ metadata }) => named.every(([name, is]) => metadata[name] === is));
  const page = found.slice(from, from + limit).map((intent) => intentObject(intent));
  const has_more = from + limit < found.length;
  const next_page = has_more ? String(from + limit) : null;
  const url = "/v1/payment_intents/search";
  return { status: 200, body: JSON.stringify({ object: "search_result", url, has_more, next_page, data: page }) };
}

function wholeNumber(text: string, max: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return value <= max ? value : undefined;
}
