// A seat map as the store and the API write it: one character a seat, `0123`.

import type { ShowState } from "../core/state.ts";

const ZERO = 48;
/** Reused: a seat map is written with every commit. */
let scratch = Buffer.alloc(2_048);

export function seatText(seats: Uint8Array): string {
  if (scratch.length < seats.length) scratch = Buffer.alloc(seats.length);
  for (let i = 0; i < seats.length; i += 1) scratch[i] = (seats[i] as number) + ZERO;
  return scratch.toString("latin1", 0, seats.length);
}

export const seatStatuses = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text, "latin1"), (code) => code - ZERO);

export const freeByCategory = (state: ShowState): number[] =>
  state.hall.categories.map((_, category) => (state.free[2 * category] ?? 0) + (state.free[2 * category + 1] ?? 0));
