// Which events of a show's next turns a sink is to be told, and how far that brings it: pure.
// K1: turns in which nothing is wanted are passed over, so that a sink's place moves with the log.
// K2: a place may lie within a turn: one turn may have more news than a batch takes, or a sink may take a part.

import type { NewsSink, NewsType } from "../../shared/protocol/show-news.ts";
import { NEWS_TYPES } from "../../shared/protocol/show-news.ts";
import type { ShowEvent } from "../core/event.ts";
import type { CommitEntry, LogTurn } from "../journal/journal.ts";
import { bookingIn, type EventKind, type Facts, NEWS_TYPE_OF, newsTypeOf, waiterIn } from "./news-of.ts";

/** All turns up to `through` are safe with the sink, and the events before `index` of the turn after it. */
export interface Place {
  readonly through: number;
  readonly index: number;
}

export interface PickedEvent {
  readonly turn: LogTurn;
  readonly index: number;
  readonly type: NewsType;
}

export interface Picked {
  readonly events: readonly PickedEvent[];
  /** Where the sink is once all of them are safe. */
  readonly end: Place;
}

/** What a sink wants, asked once: the commit path looks it up by kind of event. */
export interface Wanted {
  readonly kinds: Readonly<Record<EventKind, boolean>>;
  readonly types: ReadonlySet<NewsType>;
}

export function wantedBy(sink: Pick<NewsSink, "wants">): Wanted {
  const types = new Set(NEWS_TYPES.filter((type) => sink.wants(type)));
  const kinds = Object.fromEntries(
    Object.entries(NEWS_TYPE_OF).map(([kind, type]) => [kind, types.has(type)]),
  ) as Record<EventKind, boolean>;
  kinds.TermsChanged ||= types.has("show.cancelled");
  return { kinds, types };
}

export function wantsAnyOf(turns: readonly LogTurn[], { kinds }: Wanted): boolean {
  for (const { events } of turns) for (const event of events) if (kinds[event.kind]) return true;
  return false;
}

/** Whether what it says depends on the terms before it: was the show cancelled already? */
export const dependsOnPast = (turns: readonly LogTurn[], { kinds }: Wanted): boolean =>
  kinds.TermsChanged && turns.some(({ events }) => events.some((event) => isCancelling(event)));

const isCancelling = (event: ShowEvent): boolean => event.kind === "TermsChanged" && event.terms.cancelled;

export interface PickOptions {
  readonly from: Place;
  readonly wanted: Wanted;
  readonly max: number;
  /** By the terms before the first of the turns. */
  readonly wasCancelled: boolean;
}

/** The next events, `max` at most. `turns` follow `from.through`, oldest first. */
export function pickEvents(turns: Iterable<LogTurn>, { from, wanted, max, wasCancelled }: PickOptions): Picked {
  const events: PickedEvent[] = [];
  let isCancelled = wasCancelled;
  let { through } = from;
  for (const turn of turns) {
    const start = turn.seq === from.through + 1 ? from.index : 0;
    for (const [index, event] of turn.events.entries()) {
      const type = newsTypeOf(event, isCancelled);
      if (event.kind === "TermsChanged" || event.kind === "ShowOpened") isCancelled = event.terms.cancelled;
      if (index < start || !wanted.types.has(type)) continue;
      if (events.length === max) return { events, end: { through: turn.seq - 1, index } };
      events.push({ turn, index, type });
    }
    through = turn.seq;
  }
  return { events, end: { through, index: 0 } };
}

/** Where the sink is when the first `safe` of them are. */
export function placeAfter({ events, end }: Picked, safe: number): Place {
  const next = events[safe];
  return next === undefined ? end : { through: next.turn.seq - 1, index: next.index };
}

export function idsIn(events: readonly PickedEvent[]) {
  const bookings = new Set(events.map(({ turn, index }) => bookingIn(turn.events[index] as ShowEvent)));
  const waiters = new Set(events.map(({ turn, index }) => waiterIn(turn.events[index] as ShowEvent)));
  return {
    bookings: [...bookings].filter((id) => id !== undefined),
    waiters: [...waiters].filter((id) => id !== undefined),
  };
}

/** An entry brings the image of every row its events are about. */
export function factsIn(entries: Iterable<CommitEntry>, events: readonly PickedEvent[]): Facts {
  const ids = idsIn(events);
  const [bookings, waiters] = [new Set(ids.bookings), new Set(ids.waiters)];
  const facts = { bookings: new Map(), waiters: new Map() };
  for (const entry of entries) {
    if (bookings.size === 0 && waiters.size === 0) break;
    for (const booking of entry.bookings) if (bookings.delete(booking.id)) facts.bookings.set(booking.id, booking);
    for (const waiter of entry.waiters) if (waiters.delete(waiter.id)) facts.waiters.set(waiter.id, waiter);
  }
  return facts;
}
