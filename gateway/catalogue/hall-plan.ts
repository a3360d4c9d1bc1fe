// A layout as the gateway uses it: labels to indices and back, categories by name. One object for all shows of a layout.

import { categoriesOf, type Layout } from "../../shared/protocol/layout.ts";

export interface HallPlan {
  readonly layout: Layout;
  /** In the layout's category order: a category's index is its place here. */
  readonly categories: readonly string[];
  /** How many seats each category has. */
  readonly categorySeats: readonly number[];
  /** Label by seat index. */
  readonly labels: readonly string[];
  /** Seat index by label. */
  seatOf(label: string): number | undefined;
  categoryOf(name: string): number | undefined;
  /** Category index by seat index. */
  readonly categoryIndexOfSeat: Uint8Array;
  /** 1 where the seat is accessible. */
  readonly accessible: Uint8Array;
}

/** @param layout checked by the import: dense indices, unique labels, at most 16 categories. */
export function compileHallPlan(layout: Layout): HallPlan {
  const categories = categoriesOf(layout);
  const categoryIndices = new Map(categories.map((name, index) => [name, index]));
  const seatIndices = new Map(layout.seats.map((seat) => [seat.label, seat.index]));
  const categoryIndexOfSeat = Uint8Array.from(layout.seats, (seat) => categoryIndices.get(seat.category) ?? 0);
  const categorySeats = categories.map(() => 0);
  for (const index of categoryIndexOfSeat) categorySeats[index] = (categorySeats[index] ?? 0) + 1;
  return {
    layout,
    categories,
    categorySeats,
    labels: layout.seats.map((seat) => seat.label),
    seatOf: (label) => seatIndices.get(label),
    categoryOf: (name) => categoryIndices.get(name),
    categoryIndexOfSeat,
    accessible: Uint8Array.from(layout.seats, (seat) => (seat.accessible ? 1 : 0)),
  };
}
