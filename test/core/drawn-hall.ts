// Halls and seat maps drawn as text, so that a test shows what it is about.
// A row is a string: a lower-case letter is a seat of that category, an upper-case one an accessible seat of it, a space
// is a place without a seat (an aisle). Rows are one apart, so are neighbours; row names are A, B, C … in a section.

import { compileHall, type Hall } from "../../allocator/core/hall.ts";
import type { Layout, LayoutSeat } from "../../shared/protocol/layout.ts";

export interface Section {
  readonly name: string;
  /** Of the first place of the first row. */
  readonly x: number;
  readonly y: number;
  readonly rows: readonly string[];
}

export function layoutOf(sections: readonly Section[], focus?: { x: number; y: number }): Layout {
  const seats: LayoutSeat[] = [];
  for (const { name, x, y, rows } of sections) {
    for (const [r, row] of rows.entries()) {
      for (const [c, letter] of [...row].entries()) {
        if (letter === " ") continue;
        const rowName = String.fromCharCode(65 + r);
        seats.push({
          index: seats.length,
          label: `${name}${rowName}${c + 1}`,
          section: name,
          row: rowName,
          number: c + 1,
          x: x + c,
          y: y + r,
          category: letter.toLowerCase(),
          accessible: letter !== letter.toLowerCase(),
        });
      }
    }
  }
  const middle = (values: readonly number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
  return {
    layout_id: "drawn",
    focus: focus ?? { x: middle(seats.map((seat) => seat.x)), y: middle(seats.map((seat) => seat.y)) },
    seats,
  };
}

/** One section; the focus is its middle. */
export const drawnHall = (...rows: readonly string[]): Hall => compileHall(layoutOf([{ name: "", x: 0, y: 0, rows }]));

/** A seat map in layout order: `.` free, `h` held, `x` sold, `b` blocked; spaces and line breaks are ignored. */
export function drawnSeats(...rows: readonly string[]): Uint8Array {
  return Uint8Array.from([...rows.join("").replaceAll(" ", "")], (letter) => ".hxb".indexOf(letter));
}
