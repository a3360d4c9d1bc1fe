// The show that the core's benchmarks are about: 200 seats, 10 rows of 20 with two aisles, three categories, four
// accessible seats.

import { evolve } from "../allocator/core/evolve.ts";
import { compileHall, type Hall } from "../allocator/core/hall.ts";
import { newShow, type ShowState } from "../allocator/core/state.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { LayoutSeat } from "../shared/protocol/layout.ts";
import type { ShowTerms } from "../shared/protocol/terms.ts";

const ROWS = 10;
const SEATS_PER_ROW = 20;
export const SEATS = ROWS * SEATS_PER_ROW;
export const OPENED_AT = 1_800_000_000_000;

const TERMS: ShowTerms = {
  prices: [1_100, 1_500, 2_200],
  currency: "USD",
  startsAt: OPENED_AT * 2,
  salesCutoffAt: OPENED_AT * 2,
  holdTtlMs: 300_000,
  graceMs: 5_000,
  offerTtlMs: 120_000,
  waitlistPolicy: "strict",
  singleGap: "allow",
  gated: false,
  cancelled: false,
};

export function benchHall(): Hall {
  const seats: LayoutSeat[] = [];
  for (let row = 0; row < ROWS; row += 1) {
    for (let place = 0; place < SEATS_PER_ROW; place += 1) {
      const letter = String.fromCharCode(65 + row);
      seats.push({
        index: seats.length,
        label: `${letter}${place + 1}`,
        section: "main",
        row: letter,
        number: place + 1,
        x: place + (place >= 5 ? 1 : 0) + (place >= 15 ? 1 : 0),
        y: row,
        category: row < 3 ? "front" : row < 8 ? "middle" : "back",
        accessible: row === ROWS - 1 && place < 4,
      });
    }
  }
  return compileHall({ layout_id: "bench-200", focus: { x: 10.5, y: 6 }, seats });
}

export function openBenchShow(id: string, hall: Hall): ShowState {
  const state = newShow(id as ShowId, hall, { ...TERMS });
  evolve(state, { kind: "ShowOpened", layoutId: hall.layoutId, terms: state.terms }, 1, OPENED_AT);
  return state;
}
