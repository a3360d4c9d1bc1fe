// The rule `single_gap: "reject"`: a lock by labels may not strand one empty seat between two taken ones.
// G1: a seat is stranded when it is free, both its neighbours exist and would be taken, and at least one of them is
//     taken by this lock: a gap that was there before is nobody's fault now.
// G2: a seat at the end of a run is not between taken ones: it is never stranded.

import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { Hall } from "./hall.ts";

/** The first seat that taking `chosen` would strand, or `undefined`. `chosen` are free seats. */
export function strandedSeat(hall: Hall, seats: Uint8Array, chosen: readonly number[]): number | undefined {
  const taken = (seat: number): boolean => seats[seat] !== SEAT_FREE || chosen.includes(seat);
  for (const seat of chosen) {
    for (const gap of [hall.left[seat] as number, hall.right[seat] as number]) {
      if (gap < 0 || taken(gap)) continue;
      const before = hall.left[gap] as number;
      const behind = hall.right[gap] as number;
      if (before >= 0 && behind >= 0 && taken(before) && taken(behind)) return gap;
    }
  }
  return undefined;
}

/**
 * The adjacent seats, as many as `chosen` and of its categories, that may be taken together and lie nearest to it;
 * accessible ones only where it has some. Empty when the rule leaves none.
 */
export function nearestAllowedBlock(hall: Hall, seats: Uint8Array, chosen: readonly number[]): number[] {
  const categories = new Set(chosen.map((seat) => hall.category[seat]));
  const wantsAccessible = chosen.some((seat) => hall.accessible[seat] === 1);
  const mayBeGiven = (seat: number): boolean =>
    seats[seat] === SEAT_FREE &&
    categories.has(hall.category[seat]) &&
    (wantsAccessible || hall.accessible[seat] === 0);
  const centreX = chosen.reduce((sum, seat) => sum + (hall.x[seat] as number), 0) / chosen.length;
  const centreY = chosen.reduce((sum, seat) => sum + (hall.y[seat] as number), 0) / chosen.length;
  const apart = (seat: number): number =>
    ((hall.x[seat] as number) - centreX) ** 2 + ((hall.y[seat] as number) - centreY) ** 2;
  let nearest: number[] = [];
  let nearestDistance = Number.POSITIVE_INFINITY;
  for (const { seats: line } of hall.runs) {
    let open = 0;
    for (let end = 1; end <= line.length; end += 1) {
      open = mayBeGiven(line[end - 1] as number) ? open + 1 : 0;
      const from = end - chosen.length;
      if (open < chosen.length || strandsBeside(hall, seats, line[from] as number, line[end - 1] as number)) continue;
      let distance = 0;
      for (let i = from; i < end && distance < nearestDistance; i += 1) distance += apart(line[i] as number);
      if (distance >= nearestDistance) continue;
      nearest = line.slice(from, end);
      nearestDistance = distance;
    }
  }
  return nearest.sort((a, b) => a - b);
}

/** Whether a block from seat `first` to `last` strands a seat: only the two beside it can be. */
function strandsBeside(hall: Hall, seats: Uint8Array, first: number, last: number): boolean {
  const isStranded = (gap: number, behind: number): boolean =>
    gap >= 0 && behind >= 0 && seats[gap] === SEAT_FREE && seats[behind] !== SEAT_FREE;
  const before = hall.left[first] as number;
  const after = hall.right[last] as number;
  return isStranded(before, hall.left[before] ?? -1) || isStranded(after, hall.right[after] ?? -1);
}
