// Goal: every event becomes the news it is, in the API's words, and nothing gets out that could be used against somebody.
// Method: one of each kind, with secrets in every field that has room for one.

import t from "tap";
import type { BookingId, OperationId, SessionId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import { NEWS_TYPES, type NewsType } from "../../shared/protocol/show-news.ts";
import { LAYOUT, TERMS } from "../../test/harness/fake-journal.ts";
import type { ShowEvent } from "../core/event.ts";
import { type About, type EventKind, NEWS_TYPE_OF, newsOf, newsTypeOf, wordsOf } from "./news-of.ts";

const SHOW = "show-1" as ShowId;
const ID = `${SHOW}.BBBBBBBBBBBBBBBBBBBBBB` as BookingId;
const WAITER = `${SHOW}.WWWWWWWWWWWWWWWWWWWWWW` as WaiterId;
const SESSION = "session-a" as SessionId;
const OTHER = "session-b" as SessionId;
const operation = "secret-operation" as OperationId;
const secret = { operation, requestHash: 987_654_321 };
const payment = { paymentToken: "secret-token", contactEmail: "secret@example.org" };
const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

const about: About = {
  showId: SHOW,
  words: wordsOf(LAYOUT),
  facts: {
    bookings: new Map([[ID, { session: SESSION, seats: [0, 1], total: 2_400, currency: "USD" }]]),
    waiters: new Map([[WAITER, { session: OTHER }]]),
  },
};

const BOOKING = { booking_id: ID, session_id: SESSION, seats: ["A1", "A2"], total: 2_400, currency: "USD" };
const TERMS_DATA = {
  starts_at: "2001-09-09T01:46:40.000Z",
  sales_cutoff: "2001-09-09T01:46:40.000Z",
  prices: { standard: 1_200 },
  currency: "USD",
  hold_ttl_s: 300,
  grace_s: 5,
  offer_ttl_s: 120,
  waitlist_policy: "strict",
  single_gap: "allow",
  gated: false,
  cancelled: false,
};
const deadline = { graceMs: 5_000, lineMs: 305_000, expiresAt: AT };
const EXPIRES = { expires_at: "2026-01-02T03:04:05.006Z" };
const IN_LINE = { waiter_id: WAITER, session_id: OTHER };

const CASES: readonly [event: ShowEvent, type: NewsType, subject: string, data: object][] = [
  [{ kind: "ShowOpened", layoutId: "row", terms: TERMS }, "show.opened", SHOW, { layout_id: "row", ...TERMS_DATA }],
  [{ kind: "TermsChanged", terms: TERMS }, "show.changed", SHOW, TERMS_DATA],
  [
    { kind: "TermsChanged", terms: { ...TERMS, cancelled: true } },
    "show.cancelled",
    SHOW,
    { ...TERMS_DATA, cancelled: true },
  ],
  [
    {
      kind: "HoldPlaced",
      id: ID,
      session: SESSION,
      seats: [0, 1],
      total: 2_400,
      currency: "USD",
      ...deadline,
      requestHash: secret.requestHash,
    },
    "hold.placed",
    ID,
    { ...BOOKING, ...EXPIRES },
  ],
  [
    { kind: "HoldExtended", id: ID, expiresAt: AT, lineMs: 1, ...secret },
    "hold.extended",
    ID,
    { ...BOOKING, ...EXPIRES },
  ],
  [{ kind: "HoldReleased", id: ID, ...secret }, "hold.released", ID, BOOKING],
  [{ kind: "HoldReleased", id: ID, reason: "late" }, "hold.released", ID, { ...BOOKING, reason: "late" }],
  [{ kind: "HoldExpired", id: ID }, "hold.expired", ID, BOOKING],
  [
    { kind: "PaymentBegun", id: ID, attempt: 2, deadlineAt: AT, lineMs: 1, ...payment, ...secret },
    "payment.begun",
    ID,
    { ...BOOKING, attempt: 2, ...EXPIRES },
  ],
  [
    { kind: "PaymentDeclined", id: ID, reason: "card_declined", released: true, ...secret },
    "payment.declined",
    ID,
    { ...BOOKING, reason: "card_declined", released: true },
  ],
  [{ kind: "PaymentAbandoned", id: ID }, "payment.abandoned", ID, { ...BOOKING, reason: "payment_unknown" }],
  [
    { kind: "PaymentAbandoned", id: ID, reason: "show_cancelled" },
    "payment.abandoned",
    ID,
    { ...BOOKING, reason: "show_cancelled" },
  ],
  [{ kind: "PaymentCaptured", id: ID }, "payment.captured", ID, BOOKING],
  [{ kind: "PaymentVoided", id: ID }, "payment.voided", ID, BOOKING],
  [{ kind: "PaymentRefunded", id: ID }, "payment.refunded", ID, BOOKING],
  [
    { kind: "BookingConfirmed", id: ID, reference: "secret-reference", begun: { ...payment, ...secret } },
    "booking.confirmed",
    ID,
    BOOKING,
  ],
  [
    { kind: "BookingCancelled", id: ID, reason: "cancelled_by_holder", ...secret },
    "booking.cancelled",
    ID,
    { ...BOOKING, reason: "cancelled_by_holder" },
  ],
  [
    { kind: "TicketUsed", id: ID, seat: 1, gate: "north", ...secret },
    "ticket.used",
    ID,
    { ...BOOKING, seats: ["A2"], gate: "north" },
  ],
  [{ kind: "SeatsBlocked", seats: [9], ...secret }, "seats.blocked", SHOW, { seats: ["A10"] }],
  [{ kind: "SeatsUnblocked", seats: [9], ...secret }, "seats.unblocked", SHOW, { seats: ["A10"] }],
  [
    {
      kind: "WaiterJoined",
      waiterId: WAITER,
      session: OTHER,
      quantity: 2,
      categories: [0],
      accessible: false,
      contiguous: true,
      expiresAt: AT,
      requestHash: secret.requestHash,
    },
    "waiter.joined",
    WAITER,
    { ...IN_LINE, quantity: 2, categories: ["standard"], accessible: false, contiguous: true, ...EXPIRES },
  ],
  [
    { kind: "WaiterLowered", waiterId: WAITER, quantity: 1, ...secret },
    "waiter.lowered",
    WAITER,
    { ...IN_LINE, quantity: 1 },
  ],
  [
    { kind: "WaiterLeft", waiterId: WAITER, status: "hopeless" },
    "waiter.left",
    WAITER,
    { ...IN_LINE, reason: "hopeless" },
  ],
  [
    { kind: "OfferMade", waiterId: WAITER, seats: [4], total: 1_200, currency: "USD", ...deadline },
    "offer.made",
    WAITER,
    { ...IN_LINE, seats: ["A5"], total: 1_200, currency: "USD", ...EXPIRES },
  ],
  [{ kind: "OfferAccepted", waiterId: WAITER, holdId: ID }, "offer.accepted", WAITER, { ...IN_LINE, ...BOOKING }],
  [{ kind: "OfferDeclined", waiterId: WAITER, ...secret }, "offer.declined", WAITER, IN_LINE],
  [{ kind: "OfferLapsed", waiterId: WAITER }, "offer.lapsed", WAITER, IN_LINE],
  [{ kind: "DeadlinesMoved", byMs: 2_500, outageId: 3 }, "deadlines.moved", SHOW, { by_ms: 2_500 }],
];

t.test("each kind of event", async (t) => {
  for (const [i, [event, type, subject, data]] of CASES.entries()) {
    const turn = { seq: 7, at: AT, events: [...Array.from({ length: i }, () => CASES[0]?.[0] as ShowEvent), event] };
    t.equal(newsTypeOf(event, false), type);
    const news = newsOf(turn, i, type, about);
    const envelope = { specversion: "1.0", source: "/usher", datacontenttype: "application/json" };
    const time = "2026-01-02T03:04:05.006Z";
    const wanted = { ...envelope, id: `show-1:7:${i}`, type, subject, time, data: { show_id: SHOW, ...data } };
    t.same(news, wanted, event.kind);
    t.notMatch(JSON.stringify(news), /secret|987654321/, `${event.kind} tells no secret`);
  }
  t.same(new Set(CASES.map(([, type]) => type)), new Set(NEWS_TYPES), "of every type there is one");
  const kinds = new Set(CASES.map(([event]) => event.kind));
  t.same(kinds, new Set(Object.keys(NEWS_TYPE_OF) as EventKind[]), "and of every kind");
});

t.test("a show turns cancelled once; what changes afterwards is a change", async (t) => {
  const event: ShowEvent = { kind: "TermsChanged", terms: { ...TERMS, cancelled: true } };
  t.equal(newsTypeOf(event, false), "show.cancelled");
  t.equal(newsTypeOf(event, true), "show.changed");
});

t.test("without its facts an event still says what it knows", async (t) => {
  const bare: About = { ...about, facts: { bookings: new Map(), waiters: new Map() } };
  const turn = { seq: 7, at: AT, events: [{ kind: "HoldExpired", id: ID } as const] };
  t.same(newsOf(turn, 0, "hold.expired", bare).data, { show_id: SHOW, booking_id: ID });
});
