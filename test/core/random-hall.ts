// Halls and seat maps for properties: small enough to be searched by brute force, of every shape that the choosing of
// seats tells apart: aisles, rows of several lengths, sections beside and behind one another, categories, accessible
// places, seats held, sold and blocked.

import fc from "fast-check";
import { compileHall, type Hall } from "../../allocator/core/hall.ts";
import type { LayoutSeat } from "../../shared/protocol/layout.ts";
import { layoutOf, type Section } from "./drawn-hall.ts";

export interface HallAndSeats {
  readonly hall: Hall;
  readonly layout: readonly LayoutSeat[];
  readonly seats: Uint8Array;
}

/** Rows begin and end with seats, so that an aisle is never wider than it looks, and most neighbours are one apart. */
const row = (lengthMax: number): fc.Arbitrary<string> =>
  fc
    .record({
      letters: fc.array(fc.constantFrom("a", "a", "a", "a", "b", "b", "A", "B"), {
        minLength: 3,
        maxLength: lengthMax,
      }),
      aisleAfter: fc.option(fc.nat(lengthMax)),
    })
    .map(({ letters, aisleAfter }) => {
      const cut = aisleAfter === null || aisleAfter < 2 || aisleAfter >= letters.length - 1 ? undefined : aisleAfter;
      return cut === undefined ? letters.join("") : `${letters.slice(0, cut).join("")} ${letters.slice(cut).join("")}`;
    });

/** Sections far enough apart not to touch, on whole ranks, the second sometimes beside the first. */
const sections = (rowsMax: number, lengthMax: number): fc.Arbitrary<Section[]> =>
  fc
    .record({
      first: fc.array(row(lengthMax), { minLength: 1, maxLength: rowsMax }),
      second: fc.option(fc.array(row(lengthMax), { minLength: 1, maxLength: Math.max(1, rowsMax - 1) }), { freq: 2 }),
      beside: fc.boolean(),
      down: fc.nat(2),
    })
    .map(({ first, second, beside, down }) => {
      const main = { name: "M", x: 0, y: 0, rows: first };
      if (second === null) return [main];
      return [main, { name: "S", x: beside ? lengthMax + 5 : 1, y: beside ? down : first.length + down, rows: second }];
    });

export function hallAndSeats({
  rowsMax,
  lengthMax,
}: {
  rowsMax: number;
  lengthMax: number;
}): fc.Arbitrary<HallAndSeats> {
  const focus = fc.option(fc.record({ x: fc.integer({ min: -2, max: 14 }), y: fc.integer({ min: -2, max: 8 }) }), {
    nil: undefined,
  });
  return fc
    .record({
      sections: sections(rowsMax, lengthMax),
      focus,
      fill: fc.constantFrom(0, 2, 5, 8),
      dice: fc.infiniteStream(fc.nat(9)),
    })
    .map(({ sections, focus, fill, dice }) => {
      const layout = layoutOf(sections, focus);
      const seats = Uint8Array.from(layout.seats, () => {
        const thrown = dice.next().value as number;
        return thrown >= fill ? 0 : 1 + (thrown % 3);
      });
      return { hall: compileHall(layout), layout: layout.seats, seats };
    });
}

/** The seat beside, in the same row of the same section, one place to the left or right: known by its coordinates. */
export function besideOf(layout: readonly LayoutSeat[], seat: number, step: 1 | -1): number | undefined {
  const from = layout[seat] as LayoutSeat;
  return layout.find((to) => to.section === from.section && to.row === from.row && to.x === from.x + step)?.index;
}

/** Every window of `length` adjacent seats of one row, from left to right. */
export function windowsOf(layout: readonly LayoutSeat[], length: number): number[][] {
  return layout.flatMap(({ index }) => {
    const window = [index];
    while (window.length < length) {
      const next = besideOf(layout, window.at(-1) as number, 1);
      if (next === undefined) return [];
      window.push(next);
    }
    return [window];
  });
}

/** Every way to take `size` of `items`. */
export function* subsets(items: readonly number[], size: number, from = 0): Generator<number[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let i = from; i + size <= items.length; i += 1) {
    for (const rest of subsets(items, size - 1, i + 1)) yield [items[i] as number, ...rest];
  }
}
