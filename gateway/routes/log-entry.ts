// One row of the audit trail in the API's words: seats as labels, categories by name, times as RFC 3339, snake_case.
// E1: works by the name of a field, so that an event this gateway does not know yet is still shown, not lost.
// E2: what could be used against somebody stays inside: operation ids (a key's keyed hash) and payment tokens.

import type { LogEntry } from "../../shared/protocol/reply.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import { type HallSeats, labelIn } from "../show-lookup.ts";

const SEAT_FIELDS = new Set(["seat", "seats"]);
const CATEGORY_FIELD = "categories";
const HIDDEN = new Set(["operation", "requestHash", "paymentToken"]);

export function logEntryJson(entry: LogEntry, hall: HallSeats): object {
  const { seq, epoch, at, events } = entry;
  return { seq, epoch, at: rfc3339(at), events: events.map((event) => valueJson("", event, hall)) };
}

function valueJson(name: string, value: unknown, hall: HallSeats): unknown {
  if (Array.isArray(value)) return value.map((each) => valueJson(name, each, hall));
  if (typeof value === "number") {
    if (SEAT_FIELDS.has(name)) return labelIn(hall)(value);
    if (name === CATEGORY_FIELD) return hall.categories[value] ?? `#${value}`;
    return name.endsWith("At") ? rfc3339(value) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([field]) => !HIDDEN.has(field))
      .map(([field, child]) => [snakeCase(field), valueJson(field, child, hall)]),
  );
}

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
