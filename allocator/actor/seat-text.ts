// A seat map as the store and the API write it: one character a seat, `0123`.

import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { ShowState } from "../core/state.ts";

const ZERO = 48;
/** Reused: a seat map is written with every commit. */
let scratch = Buffer.alloc(2_048);

export function seatText(seats: Uint8Array): string {
  if (scratch.length < seats.length) scratch = Buffer.alloc(seats.length);
  for (let i = 0; i < seats.length; i += 1) scratch[i] = (seats[i] as number) + ZERO;
  return scratch.toString("latin1", 0, seats.length);
}

/** Each seat that is not free, with its status. */
export function eachTaken(text: string, take: (seat: number, status: number) => void): void {
  for (let seat = 0; seat < text.length; seat += 1) {
    const status = text.charCodeAt(seat) - ZERO;
    if (status !== SEAT_FREE) take(seat, status);
  }
}

export const freeByCategory = (state: ShowState): number[] =>
  state.hall.categories.map((_, category) => (state.free[2 * category] ?? 0) + (state.free[2 * category + 1] ?? 0));
