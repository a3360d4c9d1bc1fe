// Goal: docs/EVENTS.md says of every type of news which fields it has, and nothing else. Method: one event with every
// field there is, told as each kind; the page's table is read back.

import { readFileSync } from "node:fs";
import t from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { type EventKind, NEWS_TYPE_OF, newsOf, newsTypeOf, wordsOf } from "../../allocator/news/news-of.ts";
import type { BookingId, SessionId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import { NEWS_TYPES } from "../../shared/protocol/show-news.ts";
import { LAYOUT, TERMS } from "../harness/fake-journal.ts";

const PAGE = readFileSync(new URL("../../docs/EVENTS.md", import.meta.url), "utf8");
const SHOW = "s1" as ShowId;
const ID = "s1.BBBBBBBBBBBBBBBBBBBBBB" as BookingId;
const WAITER = "s1.WWWWWWWWWWWWWWWWWWWWWW" as WaiterId;
const SESSION = "session" as SessionId;

const EVERYTHING = {
  id: ID,
  holdId: ID,
  waiterId: WAITER,
  session: SESSION,
  seats: [0],
  seat: 0,
  total: 1,
  currency: "EUR",
  expiresAt: 1,
  deadlineAt: 1,
  attempt: 1,
  reason: "why",
  released: true,
  gate: "north",
  quantity: 1,
  categories: [0],
  accessible: false,
  contiguous: false,
  status: "absent",
  layoutId: "row",
  byMs: 1,
  operation: "operation",
  requestHash: 1,
  paymentToken: "token",
  contactEmail: "a@example.org",
  reference: "reference",
};

const about = {
  showId: SHOW,
  words: wordsOf(LAYOUT),
  facts: {
    bookings: new Map([[ID, { session: SESSION, seats: [0], total: 1, currency: "EUR" }]]),
    waiters: new Map([[WAITER, { session: SESSION }]]),
  },
};

/** The fields of `data` but `show_id`, by type. */
function fieldsInCode(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const kind of Object.keys(NEWS_TYPE_OF) as EventKind[]) {
    for (const cancelled of [false, true]) {
      const event = { ...EVERYTHING, kind, terms: { ...TERMS, cancelled } } as unknown as ShowEvent;
      const type = newsTypeOf(event, false);
      const { data } = newsOf({ seq: 1, at: 1, events: [event] }, 0, type, about);
      found.set(type, sorted(Object.keys(data).filter((field) => field !== "show_id")));
    }
  }
  return found;
}

const sorted = (fields: Iterable<string>): string[] => [...new Set(fields)].sort();
const quoted = (text: string): string[] => [...text.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name ?? "");

function fieldsOnPage(): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  const legend = /^`data` always has .*?\n\n/ms.exec(PAGE)?.[0] ?? "";
  for (const [, name = "", fields = ""] of legend.matchAll(/\*(\w+)\*[^`]*((?:`\w+`[^`;*]*)+)/g)) {
    groups.set(name.toLowerCase(), quoted(fields));
  }
  const rows = [...PAGE.matchAll(/^\| `([a-z]+\.[a-z]+)` \| ([^|]*) \|/gm)];
  return new Map(
    rows.map(([, type = "", cell = ""]) => {
      const names = [...cell.matchAll(/\*(\w+)\*/g)].flatMap(([, group = ""]) => groups.get(group) ?? [`no ${group}`]);
      return [type, sorted([...names, ...quoted(cell)])];
    }),
  );
}

t.test("the page of events says what the code says", async (t) => {
  const [page, code] = [fieldsOnPage(), fieldsInCode()];
  t.same(sorted(page.keys()), sorted(NEWS_TYPES));
  t.same(sorted(code.keys()), sorted(NEWS_TYPES));
  for (const type of NEWS_TYPES) t.same(page.get(type), code.get(type), type);
});
