// The news sink `mail`: who booked and left an address is written to when it is booked, with the tickets, and when it is
// cancelled.
// M1: each piece of news is written about once (notices.ts N1-N3 say what remains of "at least once").
// M2: a booking's present decides. One that was cancelled before its confirmation went out gets no tickets, only word of
//     its cancellation; a show that is over is confirmed to nobody.
// M3: one address stops nobody else: what the mail server refuses for good has failed and is safe; what it puts off for
//     longer than PATIENCE_MS too. While no mail goes at all nothing is safe, and the relay tells it again.
// M4: no address and no ticket is in a log line, nor in the table of notices.

import { Counter } from "prom-client";
import type { BookingId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Metrics } from "../../shared/platform/metrics.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { type Timers, within } from "../../shared/platform/timers.ts";
import type { News, NewsSink, NewsType } from "../../shared/protocol/show-news.ts";
import type { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import { type BookingFacts, readBooking, readShow, type ShowFacts } from "./booking-facts.ts";
import type { Carrier, Delivery, Mailbox } from "./carrier.ts";
import { Contacts } from "./contacts.ts";
import { Gate } from "./gate.ts";
import { cancellationLetter, confirmationLetter, type Letter, ticketsFor } from "./letter.ts";
import { type Claim, Notices, type Outcome } from "./notices.ts";
import { CONNECTIONS_MAX, SEND_MAX_MS } from "./smtp-carrier.ts";
import { isAddress } from "./smtp-url.ts";

export interface MailSinkOptions {
  readonly pool: Pool;
  readonly carrier: Carrier;
  readonly tokens: Pick<TicketTokens, "of">;
  readonly from: Mailbox;
  readonly timers: Timers;
  /** The calendar's time, milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly bounds?: Partial<MailBounds>;
}

export interface MailBounds {
  /** No new mail is begun after that: what is left is told again. */
  readonly tellMs: number;
  readonly claimMs: number;
  readonly patienceMs: number;
  /** What is under way at the end may take so long. */
  readonly closeMs: number;
}

const BOUNDS: MailBounds = {
  tellMs: 15_000,
  claimMs: SEND_MAX_MS + 30_000,
  patienceMs: 15 * 60_000,
  closeMs: 5_000,
};
/** Sent, but not written down: the store was away. */
const UNRECORDED_MAX = 1_000;
const WANTED: ReadonlySet<NewsType> = new Set<NewsType>(["booking.confirmed", "booking.cancelled"]);
const OUTCOMES = ["sent", "failed", "deferred", "away"] as const;

interface Due {
  readonly news: News;
  readonly bookingId: BookingId;
}

/** One call of `tell`. */
interface Round {
  readonly show: ShowFacts;
  readonly safe: Set<string>;
  /** Why nothing more is begun. */
  halt: Error | undefined;
}

export class MailSink implements NewsSink {
  readonly name = "mail";
  readonly #options: MailSinkOptions;
  readonly #bounds: MailBounds;
  readonly #notices: Notices;
  readonly #contacts: Contacts;
  readonly #gate = new Gate(CONNECTIONS_MAX);
  readonly #mails: Counter<"outcome">;
  readonly #unrecorded = new Map<string, Claim>();
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(options: MailSinkOptions) {
    this.#options = options;
    this.#bounds = { ...BOUNDS, ...options.bounds };
    this.#notices = new Notices(options.pool, this.#bounds.claimMs);
    this.#contacts = new Contacts(options.pool, options.timers);
    this.#mails = new Counter({
      name: "usher_mails_total",
      help: "Attempts to write to somebody, by what came of them.",
      labelNames: ["outcome"],
      registers: [options.metrics],
    });
    for (const outcome of OUTCOMES) this.#mails.inc({ outcome }, 0);
  }

  wants(type: NewsType): boolean {
    return WANTED.has(type);
  }

  async tell(news: readonly News[]): Promise<number> {
    if (this.#isClosed) throw new Error("no more mails are written");
    const telling = this.#tell(news);
    this.#underWay.add(telling);
    try {
      return await telling;
    } finally {
      this.#underWay.delete(telling);
    }
  }

  /** Lets what is under way come to its end, for a moment, then gives it up. The pool is its maker's to end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = Promise.allSettled([...this.#underWay]);
    await within(ended, this.#bounds.closeMs, () => undefined, this.#options.timers);
    this.#options.carrier.close();
    await ended;
  }

  async #tell(news: readonly News[]): Promise<number> {
    const [first] = news;
    if (first === undefined) return 0;
    const { pool, timers, log } = this.#options;
    const showId = first.data.show_id;
    const due = await this.#dueOf(news);
    if (due.length === 0) return news.length;
    const show = await readShow(pool, showId);
    if (show === undefined) {
      log.error({ show_id: showId }, "mail: news of a show that is not in the catalogue; nobody is written to");
      return news.length;
    }
    const round: Round = { show, safe: new Set(), halt: undefined };
    const bound = timers.setTimeout(() => {
      round.halt ??= new Error("it took too long");
    }, this.#bounds.tellMs);
    const left = due.values();
    const workers = Array.from({ length: CONNECTIONS_MAX }, () => this.#work(left, round));
    await Promise.all(workers).finally(() => timers.clearTimeout(bound));
    const isUnsafe = new Set(due.filter(({ news: { id } }) => !round.safe.has(id)).map(({ news: { id } }) => id));
    const safe = news.findIndex(({ id }) => isUnsafe.has(id));
    if (safe === 0) throw round.halt ?? new Error("the mail server puts it off");
    return safe === -1 ? news.length : safe;
  }

  /** The news that somebody is yet to be written to about, in their order. */
  async #dueOf(news: readonly News[]): Promise<Due[]> {
    const named = news.flatMap((each): Due[] => {
      const { booking_id: bookingId } = each.data;
      return bookingId === undefined ? [] : [{ news: each, bookingId }];
    });
    if (named.length === 0) return [];
    const reachable = await this.#contacts.among(named.map(({ bookingId }) => bookingId));
    const due = named.filter(({ bookingId }) => reachable.has(bookingId));
    if (due.length === 0) return [];
    const ended = await this.#notices.ended(due.map(({ news: { id } }) => id));
    return due.filter(({ news: { id } }) => !ended.has(id));
  }

  /** One of several that share what is left. Never rejects: what goes wrong halts the round. */
  async #work(left: Iterator<Due>, round: Round): Promise<void> {
    for (let { value: due, done } = left.next(); !done; { value: due, done } = left.next()) {
      try {
        await this.#gate.through(async () => {
          if (round.halt !== undefined || this.#isClosed) return;
          if (await this.#settle(due, round)) round.safe.add(due.news.id);
        });
      } catch (error) {
        round.halt ??= error instanceof Error ? error : new Error(String(error));
      }
      if (round.halt !== undefined) return;
    }
  }

  /** Whether this news needs to be told no more. */
  async #settle({ news, bookingId }: Due, round: Round): Promise<boolean> {
    const sent = this.#unrecorded.get(news.id);
    if (sent !== undefined) {
      await this.#recordSent(sent);
      return true;
    }
    // Its present, at the last moment (M2).
    const booking = await readBooking(this.#options.pool, bookingId);
    if (booking === undefined || !this.#isDue(news.type, booking, round.show)) return true;
    const claim = await this.#notices.claim(news.id);
    if (claim === "ended") return true;
    if (claim === "taken") return false;
    let outcome: Outcome = { status: "waiting", reason: "not written", isDeferred: false };
    try {
      const delivery = await this.#send(news, booking, round.show);
      outcome = this.#outcomeOf(delivery, claim);
      this.#note(outcome, news, booking);
      if (delivery.kind === "away") round.halt ??= new Error(`no mail goes: ${delivery.reason}`);
    } finally {
      if (outcome.status === "sent") await this.#recordSent(claim);
      else await this.#notices.record(claim, outcome);
    }
    return outcome.status !== "waiting";
  }

  #isDue(type: NewsType, { status }: BookingFacts, show: ShowFacts): boolean {
    if (type === "booking.cancelled") return status === "cancelled";
    return status === "booked" && !show.isCancelled && this.#options.now() < show.endsAt;
  }

  async #send(news: News, booking: BookingFacts, show: ShowFacts): Promise<Delivery> {
    const { carrier, from, now } = this.#options;
    // The API takes no other; one that was a list, or had line breaks, would be several recipients.
    if (!isAddress(booking.email)) return { kind: "refused", reason: "no address" };
    const letter = await this.#write(news, booking, show);
    return carrier.deliver({
      newsId: news.id,
      messageId: messageIdOf(news.id, from),
      from,
      to: booking.email,
      at: now(),
      letter,
    });
  }

  async #write(news: News, booking: BookingFacts, show: ShowFacts): Promise<Letter> {
    const occasion = { booking, show, at: Date.parse(news.time) };
    if (news.type === "booking.cancelled") return cancellationLetter(occasion);
    const { tokens, timers } = this.#options;
    return confirmationLetter(occasion, await ticketsFor(occasion, tokens, timers));
  }

  #outcomeOf(delivery: Delivery, { deferredMs }: Claim): Outcome {
    switch (delivery.kind) {
      case "delivered":
        return { status: "sent" };
      case "refused":
        return { status: "failed", reason: delivery.reason };
      case "deferred":
        return deferredMs < this.#bounds.patienceMs
          ? { status: "waiting", reason: delivery.reason, isDeferred: true }
          : { status: "failed", reason: delivery.reason };
      case "away":
        return { status: "waiting", reason: delivery.reason, isDeferred: false };
    }
  }

  #note(outcome: Outcome, { id, type }: News, { id: bookingId, email }: BookingFacts): void {
    const { log } = this.#options;
    if (outcome.status === "sent") {
      this.#mails.inc({ outcome: "sent" });
      log.debug({ news_id: id, type }, "mail: sent");
      return;
    }
    const about = { news_id: id, type, booking_id: bookingId, to: maskedAddress(email), reason: outcome.reason };
    if (outcome.status === "failed") {
      this.#mails.inc({ outcome: "failed" });
      log.error(about, "mail: could not be sent, and is not tried again");
    } else {
      this.#mails.inc({ outcome: outcome.isDeferred ? "deferred" : "away" });
      log.warn(about, "mail: could not be sent, and is tried again");
    }
  }

  /** While it cannot be written down it is remembered here, so that it is not sent again as long as this process lives. */
  async #recordSent(claim: Claim): Promise<void> {
    if (this.#unrecorded.size < UNRECORDED_MAX) this.#unrecorded.set(claim.newsId, claim);
    await this.#notices.record(claim, { status: "sent" });
    this.#unrecorded.delete(claim.newsId);
  }
}

/** The same whenever the news is told, so that a mailbox can know a mail it has. */
const messageIdOf = (newsId: string, { address }: Mailbox): string =>
  `<usher.${newsId.replace(/[^A-Za-z0-9_-]/g, ".")}@${address.slice(address.lastIndexOf("@") + 1)}>`;

/** `…@example.org` (M4). */
export const maskedAddress = (address: string): string => `…${address.slice(address.lastIndexOf("@"))}`;
