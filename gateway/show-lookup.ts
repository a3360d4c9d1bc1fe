// What the routes must know about a show to speak in labels: its hall. gateway/catalogue/show-directory.ts is one.
// Halls are immutable, so an answer may be kept for as long as the gateway likes.

import type { ShowId } from "../shared/kernel/ids.ts";
import type { Layout } from "../shared/protocol/layout.ts";

export interface HallSeats {
  readonly layout: Layout;
  /** By category index. */
  readonly categories: readonly string[];
  /** By seat index. */
  readonly labels: readonly string[];
  seatOf(label: string): number | undefined;
  categoryOf(name: string): number | undefined;
}

export interface ShowSeats {
  readonly showId: ShowId;
  readonly hall: HallSeats;
}

export interface ShowLookup {
  /** What is known already, without a promise: the hot path. */
  peek(showId: ShowId): ShowSeats | undefined;
  /** `undefined`: there is no such show. Throws when the store is away. */
  find(showId: ShowId): Promise<ShowSeats | undefined>;
}

/** The label of a seat index; an index the hall does not have is shown as such rather than hidden. */
export const labelIn =
  (hall: HallSeats): ((seat: number) => string) =>
  (seat) =>
    hall.labels[seat] ?? `#${seat}`;
