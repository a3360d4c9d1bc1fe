// What the world may hear of a show: each fact of its log that matters outside, as a CloudEvent (1.0, JSON).
// N1: an id names one fact for ever (`show_id:seq:index` of the log): whoever hears it twice knows it by its id.
// N2: of one show they come in the order of its log; of two shows in any order.
// N3: seats are labels, money is minor units, times are RFC 3339, as in the API. What could be used against somebody
//     (payment tokens, keys, e-mail addresses) is not in it.
// Source of the envelope: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

import type { BookingId, SessionId, ShowId, WaiterId } from "../kernel/ids.ts";

export const NEWS_TYPES = [
  "show.opened",
  "show.changed",
  "show.cancelled",
  "hold.placed",
  "hold.extended",
  "hold.released",
  "hold.expired",
  "payment.begun",
  "payment.declined",
  "payment.abandoned",
  "payment.captured",
  "payment.voided",
  "payment.refunded",
  "booking.confirmed",
  "booking.cancelled",
  "ticket.used",
  "seats.blocked",
  "seats.unblocked",
  "waiter.joined",
  "waiter.lowered",
  "waiter.left",
  "offer.made",
  "offer.accepted",
  "offer.declined",
  "offer.lapsed",
  "deadlines.moved",
] as const;
export type NewsType = (typeof NEWS_TYPES)[number];

/** What it is about; fields are absent where they say nothing. */
export interface NewsData {
  readonly show_id: ShowId;
  readonly booking_id?: BookingId;
  readonly waiter_id?: WaiterId;
  readonly session_id?: SessionId;
  /** Labels. */
  readonly seats?: readonly string[];
  readonly total?: number;
  readonly currency?: string;
  readonly reason?: string;
  /** What else the kind of fact carries, in the API's words. */
  readonly [field: string]: unknown;
}

export interface News {
  readonly specversion: "1.0";
  /** `show_id:seq:index` (N1). */
  readonly id: string;
  /** `/usher`: ids are unique in it. */
  readonly source: "/usher";
  readonly type: NewsType;
  /** The booking, waiter or show it is about. */
  readonly subject: string;
  /** When its turn was taken. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: NewsData;
}

/**
 * Somebody who is told every fact once it is committed: at least once, in the order of each show's log (N2), from where
 * it stopped. A sink is idempotent by the news' id.
 */
export interface NewsSink {
  /** Names its cursor; another name starts anew, from the present. */
  readonly name: string;
  /** Sinks that it will tell: where it is new, and one of them was told before, it begins where that one stopped. */
  readonly heirTo?: readonly string[];
  wants(type: NewsType): boolean;
  /**
   * News of one show, oldest first, none of it unwanted. Answers how many of them, from the head on, are safe with the
   * sink: the rest is told again, after a pause. Rejects where none is. One call a show at a time; several shows at once.
   */
  tell(news: readonly News[]): Promise<number>;
}
