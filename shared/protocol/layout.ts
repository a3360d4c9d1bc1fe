// The immutable plan of a hall, as the API serves it and the catalogue stores it.

export interface LayoutSeat {
  /** Place in the layout, 0-based and dense: `seats[i].index === i`. */
  readonly index: number;
  /** What people say and print, unique in the layout, e.g. `F12`. */
  readonly label: string;
  readonly section: string;
  readonly row: string;
  readonly number: number;
  readonly x: number;
  readonly y: number;
  readonly category: string;
  readonly accessible: boolean;
}

export interface Layout {
  readonly layout_id: string;
  /** The point from which the hall is best seen; best-available seats are nearest to it. */
  readonly focus: { readonly x: number; readonly y: number };
  readonly seats: readonly LayoutSeat[];
}

/** The layout's categories in the order of their first seat: a category's index inside the engine. */
export function categoriesOf(layout: Layout): string[] {
  return [...new Set(layout.seats.map((seat) => seat.category))];
}
