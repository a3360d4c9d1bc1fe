// One event of the log as news (shared/protocol/show-news.ts): a pure mapping, since an id names one fact for ever and a
// repetition must say the same.
// M1: what an event does not carry comes from facts that never change in a booking's or a waiter's life (whose it is,
//     its seats, its price), so it does not matter when they are read.
// M2: only what is named here gets out: no operation id, request hash, payment token or reference, no e-mail address.
// M3: the words are the API's: labels, category names, RFC 3339, minor units, snake_case.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { BookingId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import { categoriesOf, type Layout } from "../../shared/protocol/layout.ts";
import type { News, NewsData, NewsType } from "../../shared/protocol/show-news.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "../core/event.ts";
import type { Booking } from "../core/state.ts";
import type { LogTurn } from "../journal/journal.ts";

export type EventKind = ShowEvent["kind"];
/** The parts of a booking that never change. */
export type BookingFacts = Pick<Booking, "session" | "seats" | "total" | "currency">;
export type WaiterFacts = Pick<Waiter, "session">;

export interface Facts {
  readonly bookings: ReadonlyMap<BookingId, BookingFacts>;
  readonly waiters: ReadonlyMap<WaiterId, WaiterFacts>;
}

/** What a hall's seats and categories are called outside, by their index. */
export interface HallWords {
  readonly labels: readonly string[];
  readonly categories: readonly string[];
}

export interface About {
  readonly showId: ShowId;
  readonly words: HallWords;
  readonly facts: Facts;
}

/** A `TermsChanged` by which a show turns cancelled is `show.cancelled` instead. */
export const NEWS_TYPE_OF: Readonly<Record<EventKind, NewsType>> = {
  ShowOpened: "show.opened",
  TermsChanged: "show.changed",
  HoldPlaced: "hold.placed",
  HoldExtended: "hold.extended",
  HoldReleased: "hold.released",
  HoldExpired: "hold.expired",
  PaymentBegun: "payment.begun",
  PaymentDeclined: "payment.declined",
  PaymentAbandoned: "payment.abandoned",
  PaymentCaptured: "payment.captured",
  PaymentVoided: "payment.voided",
  PaymentRefunded: "payment.refunded",
  BookingConfirmed: "booking.confirmed",
  BookingCancelled: "booking.cancelled",
  TicketUsed: "ticket.used",
  SeatsBlocked: "seats.blocked",
  SeatsUnblocked: "seats.unblocked",
  WaiterJoined: "waiter.joined",
  WaiterLowered: "waiter.lowered",
  WaiterLeft: "waiter.left",
  OfferMade: "offer.made",
  OfferAccepted: "offer.accepted",
  OfferDeclined: "offer.declined",
  OfferLapsed: "offer.lapsed",
  DeadlinesMoved: "deadlines.moved",
};

/** `wasCancelled`: by the terms before this event. */
export const newsTypeOf = (event: ShowEvent, wasCancelled: boolean): NewsType =>
  event.kind === "TermsChanged" && event.terms.cancelled && !wasCancelled ? "show.cancelled" : NEWS_TYPE_OF[event.kind];

export const wordsOf = (layout: Layout): HallWords => ({
  labels: layout.seats.map((seat) => seat.label),
  categories: categoriesOf(layout),
});

/** The booking an event is about, and the waiter. */
export const bookingIn = (event: ShowEvent): BookingId | undefined =>
  "id" in event ? event.id : "holdId" in event ? event.holdId : undefined;
export const waiterIn = (event: ShowEvent): WaiterId | undefined => ("waiterId" in event ? event.waiterId : undefined);

/** The event at `index` of its turn. */
export function newsOf(turn: LogTurn, index: number, type: NewsType, about: About): News {
  const event = turn.events[index] as ShowEvent;
  const { showId } = about;
  return {
    specversion: "1.0",
    id: `${showId}:${turn.seq}:${index}`,
    source: "/usher",
    type,
    subject: waiterIn(event) ?? bookingIn(event) ?? showId,
    time: rfc3339(turn.at),
    datacontenttype: "application/json",
    data: { show_id: showId, ...dataOf(event, about) },
  };
}

type Data = Omit<NewsData, "show_id">;

function dataOf(event: ShowEvent, about: About): Data {
  switch (event.kind) {
    case "ShowOpened":
      return { layout_id: event.layoutId, ...termsData(event.terms, about) };
    case "TermsChanged":
      return termsData(event.terms, about);
    case "SeatsBlocked":
    case "SeatsUnblocked":
      return { seats: labels(event.seats, about) };
    case "DeadlinesMoved":
      return { by_ms: event.byMs };
    case "HoldPlaced":
    case "HoldExtended":
    case "HoldReleased":
    case "HoldExpired":
    case "PaymentBegun":
    case "PaymentDeclined":
    case "PaymentAbandoned":
    case "PaymentCaptured":
    case "PaymentVoided":
    case "PaymentRefunded":
    case "BookingConfirmed":
    case "BookingCancelled":
    case "TicketUsed":
      return { ...bookingData(event.id, about), ...detailsOf(event, about) };
    case "WaiterJoined":
    case "WaiterLowered":
    case "WaiterLeft":
    case "OfferMade":
    case "OfferAccepted":
    case "OfferDeclined":
    case "OfferLapsed":
      return { ...waiterData(event.waiterId, about), ...lineDetailsOf(event, about) };
    default:
      return assertNever(event);
  }
}

/** What it says besides whose booking it is, which seats and how much. */
function detailsOf(event: Extract<ShowEvent, { id: BookingId }>, about: About): Data {
  switch (event.kind) {
    case "HoldPlaced":
    case "HoldExtended":
      return { expires_at: rfc3339(event.expiresAt) };
    case "PaymentBegun":
      return { attempt: event.attempt, expires_at: rfc3339(event.deadlineAt) };
    case "PaymentDeclined":
      return { reason: event.reason, released: event.released };
    case "PaymentAbandoned":
      return { reason: event.reason ?? "payment_unknown" };
    case "HoldReleased":
      return event.reason === undefined ? {} : { reason: event.reason };
    case "BookingCancelled":
      return { reason: event.reason };
    case "TicketUsed":
      return { seats: labels([event.seat], about), gate: event.gate };
    case "HoldExpired":
    case "PaymentCaptured":
    case "PaymentVoided":
    case "PaymentRefunded":
    case "BookingConfirmed":
      return {};
    default:
      return assertNever(event);
  }
}

function lineDetailsOf(event: Extract<ShowEvent, { waiterId: WaiterId }>, about: About): Data {
  switch (event.kind) {
    case "WaiterJoined":
      return {
        quantity: event.quantity,
        categories: event.categories.map((category) => categoryName(category, about)),
        accessible: event.accessible,
        contiguous: event.contiguous,
        expires_at: rfc3339(event.expiresAt),
      };
    case "WaiterLowered":
      return { quantity: event.quantity };
    case "WaiterLeft":
      return { reason: event.status };
    case "OfferMade":
      return {
        seats: labels(event.seats, about),
        total: event.total,
        currency: event.currency,
        expires_at: rfc3339(event.expiresAt),
      };
    case "OfferAccepted":
      return { ...bookingData(event.holdId, about) };
    case "OfferDeclined":
    case "OfferLapsed":
      return {};
    default:
      return assertNever(event);
  }
}

function bookingData(id: BookingId, about: About): Data {
  const facts = about.facts.bookings.get(id);
  if (facts === undefined) return { booking_id: id };
  const { session, seats, total, currency } = facts;
  return { booking_id: id, session_id: session, seats: labels(seats, about), total, currency };
}

function waiterData(id: WaiterId, { facts }: About): Data {
  const session = facts.waiters.get(id)?.session;
  return session === undefined ? { waiter_id: id } : { waiter_id: id, session_id: session };
}

const termsData = (terms: ShowTerms, about: About): Data => ({
  starts_at: rfc3339(terms.startsAt),
  sales_cutoff: rfc3339(terms.salesCutoffAt),
  prices: Object.fromEntries(terms.prices.map((price, category) => [categoryName(category, about), price])),
  currency: terms.currency,
  hold_ttl_s: terms.holdTtlMs / 1000,
  grace_s: terms.graceMs / 1000,
  offer_ttl_s: terms.offerTtlMs / 1000,
  waitlist_policy: terms.waitlistPolicy,
  single_gap: terms.singleGap,
  gated: terms.gated,
  cancelled: terms.cancelled,
});

const labels = (seats: readonly number[], { words }: About): string[] =>
  seats.map((seat) => words.labels[seat] ?? `#${seat}`);

const categoryName = (category: number, { words }: About): string => words.categories[category] ?? `#${category}`;

const rfc3339 = (ms: number): string => new Date(ms).toISOString();
