// What the relay needs of a durable store: the log, how far each sink is in it, and the rows the log speaks of.
// N1: a cursor says that everything up to it is safe with the sink. It may lag behind the truth, and never goes back.
// N2: a sink that is registered has a cursor for every show that was there then: a show without one was opened since.

import type { BookingId, ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import type { LogTurn } from "../journal/journal.ts";
import type { Facts } from "./news-of.ts";

export interface ShowCursor {
  readonly showId: ShowId;
  /** 0: nothing was told yet. */
  readonly seq: number;
  readonly layoutId: string;
}

export interface Lag {
  readonly showId: ShowId;
  /** How far its log goes. */
  readonly seq: number;
}

export interface LagPage {
  readonly lags: readonly Lag[];
  /** Where the next page begins; `undefined` after the last. */
  readonly last: ShowId | undefined;
}

/** Every method rejects with the store's error when it cannot be asked. */
export interface NewsStore {
  /** Makes the sink known, once; it hears of what comes from then on, and of what one of `heirTo` was not told yet. */
  register(sink: string, heirTo?: readonly string[]): Promise<void>;
  /** In the order of `showIds`; `undefined` where there is no such show. */
  cursors(sink: string, showIds: readonly ShowId[]): Promise<(ShowCursor | undefined)[]>;
  writeCursors(sink: string, cursors: readonly (readonly [showId: ShowId, seq: number])[]): Promise<void>;
  /** Of the next `limit` shows after `after`, by their ids, those whose log goes beyond the sink's cursor. */
  lags(sink: string, after: string, limit: number): Promise<LagPage>;
  /** Turns `after < seq <= upTo`, oldest first. */
  log(
    showId: ShowId,
    range: { readonly after: number; readonly upTo: number; readonly limit: number },
  ): Promise<LogTurn[]>;
  /** Whether the show's terms before this turn said that it is cancelled. */
  wasCancelled(showId: ShowId, before: number): Promise<boolean>;
  facts(showId: ShowId, bookings: readonly BookingId[], waiters: readonly WaiterId[]): Promise<Facts>;
  layout(layoutId: string): Promise<Layout>;
}
